"""Syncing a store to disk: neither zarr nor icechunk does, so that a loss of power could undo a commit."""

from __future__ import annotations

import glob
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

REWRITTEN = frozenset({"repo"})
"""Files of a repository that change; all others are written once."""


NEW = ".new"
"""Ending of the hidden file beside another in which its new contents are written."""
ABANDONED_SECONDS = 3600
"""Such a file that is older was left by a process that was killed."""


def write_whole(path: Path, content: bytes, *, alone: bool = False, durable: bool = False) -> None:
    """Write a file, which is whole or as it was whatever happens; of several that write it at once, the last one wins.

    Parameters
    ----------
    path
        The file; the folders above it are made.
    content
        All of it.
    alone
        Whether nobody else can be writing it now, since it has a lock: what others left is then removed at once.
    durable
        Flush it to disk before it takes the place of the one that was there.

    Raises
    ------
    OSError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "note")
    >>> write_whole(file, b"whole")
    >>> file.read_bytes(), [path.name for path in file.parent.iterdir()]
    (b'whole', ['note'])
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{NEW}"):
        with suppress(FileNotFoundError):  # its process has just finished, or another removes it
            if alone or time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                left.unlink()
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}{NEW}")
    try:
        with fresh.open("wb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    if durable:
        sync_entry(path)


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
