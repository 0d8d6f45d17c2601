"""How much memory there is: of the machine, or what the cgroups of this process leave."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/")
CGROUP_FILES = {
    "": ("memory.max", "memory.current"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
"""Limit and use, by the controllers of a cgroup: of version 2, and of version 1."""


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
