"""Syncing a store to disk: neither zarr nor icechunk does, so that a loss of power could undo a commit."""

from __future__ import annotations

import os
from pathlib import Path

REWRITTEN = frozenset({"repo"})
"""Files of a repository that change; all others are written once."""


def sync_files(folder: Path, synced: set[Path]) -> None:
    """Flush to disk what is in a store and not in ``synced``, and the folders that it is in; note it there."""
    if folder not in synced:
        sync_entry(folder)
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        fresh = {here, *(here / name for name in (*folders, *files))} - synced
        for name in files:
            if here / name in fresh:
                sync_file(here / name)
        if fresh:
            sync_file(here)
        synced.update(path for path in fresh if path.name not in REWRITTEN)


def sync_entry(path: Path) -> None:
    """Flush to disk that ``path`` is in its folder."""
    sync_file(path.parent)


def sync_file(path: Path) -> None:
    """Flush a file, or what a folder lists, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
