"""Keeping run stores small: what earlier commits left behind is removed, never what a commit of today needs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk

from lmdata.data.store import storage
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.storage import Place, writing

READERS_KEEP = timedelta(hours=1)
"""A dataset stays readable at least this long after a newer commit, also while its writer tidies up."""
KEPT_COPIES = 10
"""Earlier states of the repository file that are kept: `lmdata.data.repair` can go back to them."""


def collect_garbage(location: str | os.PathLike[str], *, keep: timedelta = timedelta(days=1)) -> int:
    """Remove what only commits older than ``keep`` need; tagged versions and the last commit stay whole.

    Parameters
    ----------
    location
        A run store that nobody writes to.
    keep
        Datasets opened longer ago may have to be opened again.

    Returns
    -------
    int
        Number of bytes removed.

    Raises
    ------
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it cannot be written.
    """
    place = Place.of(location)
    repository = storage.open_repository(place)
    with writing(place, storage.AGAIN):
        if place.folder is None:
            return tidy(repository, place, keep)
        with WriterLock(place.folder / storage.LOCK_FILE):
            return tidy(storage.open_repository(place), place, keep)  # as it is now that nobody else writes


def tidy(repository: icechunk.Repository, place: Place, keep: timedelta = READERS_KEEP) -> int:
    """Do what `collect_garbage` does, for the holder of the lock, with nothing uncommitted."""
    before = datetime.now(UTC) - keep
    repository.expire_snapshots(before)
    removed = repository.garbage_collect(before).bytes_deleted
    return removed + (_drop_copies(place.folder) if place.folder is not None else 0)


def _drop_copies(folder: Path) -> int:
    """Remove all but the latest copies of the repository file: each commit leaves one, and nothing removes them."""
    copies = sorted((folder / "overwritten").glob("repo.*"))  # their names count down
    removed = 0
    for copy in copies[KEPT_COPIES:]:
        removed += copy.stat().st_size
        copy.unlink()
    return removed
