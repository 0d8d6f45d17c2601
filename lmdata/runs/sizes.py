"""How large a run is, and whether this machine can hold it."""

from __future__ import annotations

import os
import shutil

from lmdata.errors import InvalidInput
from lmdata.memory import available_memory
from lmdata.numerics.checks import as_path
from lmdata.runs.recipe import Recipe
from lmdata.runs.runner import GROUP_BYTES
from lmdata.wording import counted

WORKING_COPIES = 6
"""States of one member that drawing, checking and stepping hold at a time."""

SMALL = 2**24
"""Bytes that are not asked after: the libraries take more, and to ask takes as long as many a small run."""


def check_size(recipe: Recipe, store: str | os.PathLike[str] | None, *, kept: int = 0) -> None:
    """Refuse a run that cannot be held, before anything is allocated; so many members are kept already.

    Raises
    ------
    InvalidInput
        If memory, or the disk of the store, has not the room; the message says how much is needed.
    """
    n, d = recipe.tokens.shape
    everything = recipe.member_bytes * (recipe.size - kept)
    held = everything if store is None else min(everything, max(GROUP_BYTES, n * d * 8))
    working = n * d * 8 * (len(recipe.distinct_seeds) + WORKING_COPIES)
    remedy = "give store=PATH, use fewer tokens, or record=k" if store is None else "use fewer tokens, or fewer seeds"
    needs = []
    if held + working > SMALL:
        needs.append((held + working, available_memory(), "available memory", remedy))
    if store is not None and "://" not in os.fspath(store):
        folder = next(parent for parent in as_path(store, "store").absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        needs.append((everything, free, f"free space at {folder}", "record fewer steps, sweep less, or go elsewhere"))
    for need, limit, what, remedy in needs:
        if need > limit:
            raise InvalidInput(
                f"the run has {counted(recipe.size, 'member', form=',')} of {_size(recipe.member_bytes)} and needs "
                f"{_size(need)}, more than the {what} of {_size(limit)}; {remedy}"
            )


def _size(count: int) -> str:
    """Return a number of bytes as people read it."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.2f} {name}"
    return counted(count, "byte")
