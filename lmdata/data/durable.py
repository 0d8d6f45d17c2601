"""Syncing a store to disk: neither zarr nor icechunk does, so that a loss of power could undo a commit."""

from __future__ import annotations

import os
from pathlib import Path

REWRITTEN = frozenset({"repo"})
"""Files of a repository that change; all others are written once."""


def sync_files(folder: Path, synced: set[Path]) -> None:
    """Flush to disk the files of a store that are not in ``synced``, note them there, and the folders."""
    for parent, _, names in os.walk(folder):
        fresh = [Path(parent, name) for name in names if name in REWRITTEN or Path(parent, name) not in synced]
        for path in fresh:
            _sync(path)
        synced.update(fresh)
        if fresh:
            _sync(Path(parent))


def sync_entry(path: Path) -> None:
    """Flush to disk that ``path`` is in its folder."""
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
