"""How large a run is, and whether this machine can hold it."""

from __future__ import annotations

import os
import shutil

from lmdata.errors import InvalidInput
from lmdata.memory import available_memory
from lmdata.numerics.checks import as_path
from lmdata.runs.recipe import Recipe
from lmdata.runs.runner import GROUP_BYTES
from lmdata.wording import counted, sized

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
    working = n * d * 8 * (len(recipe.distinct_seeds) + WORKING_COPIES)
    remedy = "give store=PATH, use fewer tokens, or record=k" if store is None else "use fewer tokens, or fewer seeds"
    check_room(recipe.size, recipe.member_bytes, store, kept=kept, piece=n * d * 8, working=working, remedy=remedy)


def check_room(
    members: int,
    member_bytes: int,
    store: str | os.PathLike[str] | None,
    *,
    kept: int = 0,
    piece: int,
    working: int,
    remedy: str,
) -> None:
    """Refuse a run of any kind for which memory, or the disk of its store, has not the room.

    Parameters
    ----------
    members, member_bytes
        How many there are, and what the result of one takes.
    store
        Where they are kept; in memory without it.
    kept
        How many members the store has already.
    piece
        Bytes of results that are in memory at a time at least, also with a store.
    working
        Bytes that computing takes besides.
    remedy
        What to do where memory has not the room.

    Raises
    ------
    InvalidInput
        As for `check_size`.
    """
    everything = member_bytes * (members - kept)
    held = everything if store is None else min(everything, max(GROUP_BYTES, piece))
    needs = []
    if held + working > SMALL:
        needs.append((held + working, available_memory(), "available memory", remedy))
    if store is not None and "://" not in os.fspath(store):
        folder = next(parent for parent in as_path(store, "store").absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        needs.append((everything, free, f"free space at {folder}", "record fewer steps, sweep less, or go elsewhere"))
    for need, limit, what, how in needs:
        if need > limit:
            raise InvalidInput(
                f"the run has {counted(members, 'member', form=',')} of {sized(member_bytes)} and needs {sized(need)}, "
                f"more than the {what} of {sized(limit)}; {how}"
            )
