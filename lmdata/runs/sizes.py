"""How large a run is, and whether this machine can hold it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lmdata.errors import InvalidInput
from lmdata.runs.recipe import Recipe
from lmdata.runs.runner import GROUP_BYTES

ROOT = Path("/")
CGROUP_FILES = {
    "": ("memory.max", "memory.current"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Limit and use, by the controllers of a cgroup: of version 2, and of version 1."""

WORKING_COPIES = 6
"""States of one member that drawing, checking and stepping hold at a time."""


def check_size(recipe: Recipe, store: str | os.PathLike[str] | None) -> None:
    """Refuse a run that cannot be held, before anything is allocated.

    Raises
    ------
    InvalidInput
        If memory, or the disk of the store, has not the room; the message says how much is needed.
    """
    n, d = recipe.tokens.shape
    everything = recipe.member_bytes * recipe.size
    held = everything if store is None else min(everything, max(GROUP_BYTES, n * d * 8))
    working = n * d * 8 * (len(recipe.distinct_seeds) + WORKING_COPIES)
    remedy = "give store=PATH, use fewer tokens, or record=k" if store is None else "use fewer tokens, or fewer seeds"
    needs = [(held + working, available_memory(), "available memory", remedy)]
    if store is not None and "://" not in os.fspath(store):
        folder = next(parent for parent in Path(store).absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        needs.append((everything, free, f"free space at {folder}", "record fewer steps, sweep less, or go elsewhere"))
    for need, limit, what, remedy in needs:
        if need > limit:
            raise InvalidInput(
                f"the run has {recipe.size:,} members of {_size(recipe.member_bytes)} and needs {_size(need)}, "
                f"more than the {what} of {_size(limit)}; {remedy}"
            )


def _size(count: int) -> str:
    """Return a number of bytes as people read it."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.2f} {name}"
    return f"{count} bytes"


def available_memory(root: Path = ROOT) -> int:
    """Return the bytes of memory that can be had: of the machine, or of a cgroup that this process is held in."""
    return max(0, min([_of_machine(root), *_of_cgroups(root)]))


def _of_machine(root: Path) -> int:
    """Return what Linux says is available, elsewhere all there is."""
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.removesuffix("kB")) * 1024
    if "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return sys.maxsize


def _of_cgroups(root: Path) -> Iterator[int]:
    """Yield what the limits leave that are set on the cgroups of this process, of version 2 or 1."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in CGROUP_FILES:
                top = root / "sys/fs/cgroup" / controllers
                group = top / path.lstrip("/")
                for folder in (group, *group.parents):
                    if folder.is_relative_to(top):
                        yield from _left(folder, *CGROUP_FILES[controllers])


def _left(folder: Path, limit: str, used: str) -> Iterator[int]:
    """Yield what a limit leaves, if there is one: files that were read count as used, and make room."""
    with suppress(OSError, ValueError):  # the limit may be the word max
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        files = int(statistics.get("inactive_file", 0))
        yield int((folder / limit).read_text()) - int((folder / used).read_text()) + files
