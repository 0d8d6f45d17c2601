"""Keeping run stores small: what earlier commits left behind is removed, never what a commit of today needs.

A commit leaves behind the chunks that the next one writes again, its bookkeeping, and a copy of the repository file,
which lists all commits before it: together they grow as the square of the commits. Each commit says how much was
written for it, so that the history itself tells how much there is to be removed, whoever wrote it and how that ended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk

from lmdata.data.store import storage
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.prevented import fetched
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.written import BLOCK, WRITTEN
from lmdata.errors import StoreError

logger = logging.getLogger(__name__)

READERS_KEEP = timedelta(hours=1)
"""History that is older than this goes when a writer tidies up."""
KEPT_BYTES = 16 * 2**20
"""So much history, and once more as much as the data, outlives the tidying of a writer."""
KEPT_COMMITS = 200
"""So many commits outlive it: removing as many takes a fifth of a second."""
COMMIT_BYTES = 8 * BLOCK
"""What a commit takes beside the chunks that it writes, and beside its list of variables: small files."""
KEPT_COPIES = 10
"""Earlier states of the repository file that are kept: `lmdata.data.repair` can go back to them."""


class History:
    """The commits of a store that its writer has to tidy up after; for the holder of the lock.

    Parameters
    ----------
    repository, place
        The store.
    lock
        Its writer's lock. If a writer before was killed, what it had not committed belongs to no commit, and is in no
        count.
    """

    def __init__(self, repository: icechunk.Repository, place: Place, lock: WriterLock) -> None:
        assert place.folder is not None
        self._repository = repository
        self._place = place
        self._folder = place.folder
        self._lock = lock
        self._abandoned = lock.abandoned
        self._least = (0, 0)
        self._take_stock()

    def committed(self, snapshot: str, written: int) -> None:
        """Take note of a commit, and of what was written for it."""
        self._commits += 1
        self._bytes += _cost(self._folder, snapshot, written)
        try:
            _drop_copies(self._folder)
        except OSError:
            logger.warning("old copies of the repository file of %s stay", self._place, exc_info=True)

    def due(self, data: int) -> bool:
        """Return whether twice as much has gathered as is to stay, beside so many bytes of data.

        Tidying therefore costs little for each commit.
        """
        commits, nbytes = self._least  # versions may keep more than that
        more = max(commits, KEPT_COMMITS) + KEPT_COMMITS, max(nbytes, KEPT_BYTES + data) + KEPT_BYTES + data
        return self._abandoned or self._commits > more[0] or self._bytes > more[1]

    def tidy(self, data: int, bases: Collection[str] = ()) -> None:
        """Remove all but the latest history, with nothing uncommitted but what forks write.

        What goes wrong is logged: the commits are whole, and it is tried again when as much has gathered once more.

        Parameters
        ----------
        data
            Bytes of the data in the store.
        bases
            Commits that forks which are out read: they stay, and so does whatever was written after them.
        """
        try:
            with writing(self._place):
                if self._abandoned:
                    _drop_staged(self._folder)
                self._tidy(data, bases)
                self._lock.abandoned = False
            self._take_stock()
        except StoreError:
            logger.warning("%s could not be tidied up; nothing is lost", self._place, exc_info=True)
        self._abandoned = False
        self._least = (self._commits, self._bytes)

    def _tidy(self, data: int, bases: Collection[str]) -> None:
        commits = self._list()
        kept, gathered = 0, 0
        oldest = datetime.now(UTC) - READERS_KEEP
        for commit in commits[:KEPT_COMMITS]:
            gathered += _cost(self._folder, commit.id, _written(commit))
            if kept and (gathered > KEPT_BYTES + data or commit.written_at < oldest):
                break
            kept += 1
        needed = [place for place, commit in enumerate(commits) if commit.id in bases]
        last = commits[max([kept - 1, *needed])]
        now = commits[max(needed)].written_at if needed else datetime.now(UTC)
        remove(self._repository, self._folder, last.written_at, now)

    def _take_stock(self) -> None:
        """Count the commits that are there, and what was written for them."""
        commits = self._list()
        self._commits = len(commits)
        self._bytes = sum(_cost(self._folder, commit.id, _written(commit)) for commit in commits)

    def _list(self) -> list[icechunk.SnapshotInfo]:
        """Return the commits, the latest first."""
        what = f"the commits of {self._place} cannot be read"
        return fetched(lambda: list(self._repository.ancestry(branch="main")), what)


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
    before = datetime.now(UTC) - keep
    with writing(place, storage.AGAIN):
        if place.folder is None:
            return remove(repository, None, before, before)
        with WriterLock(place.folder / storage.LOCK_FILE):
            removed = _drop_staged(place.folder)
            return removed + remove(storage.open_repository(place), place.folder, before, before)  # as it is now


def remove(repository: icechunk.Repository, folder: Path | None, before: datetime, written: datetime) -> int:
    """Remove commits before a time, and what was written before another and belongs to no commit; return the bytes.

    For the holder of the lock, with nothing uncommitted that was written earlier.
    """
    repository.expire_snapshots(before)
    removed = repository.garbage_collect(written).bytes_deleted
    return removed + (_drop_copies(folder, 1) + _drop_logs(folder) if folder is not None else 0)


def _written(commit: icechunk.SnapshotInfo) -> int:
    """Return how much was written for a commit; 0 for those of an lmdata that did not say so."""
    written = commit.metadata.get(WRITTEN, 0)
    return written if isinstance(written, int) else 0


def _cost(folder: Path, snapshot: str, written: int) -> int:
    """Return how much a commit takes on the disk: its chunks, its list of variables, and small files."""
    try:
        listed = (folder / "snapshots" / snapshot).stat().st_size
    except OSError:
        listed = 0
    return written + listed + COMMIT_BYTES


def _drop_copies(folder: Path, spare: int = KEPT_COPIES) -> int:
    """Remove all but the latest copies of the repository file, once there are so many more; return their bytes.

    Each commit leaves one, as long as the history, and nothing else removes them.
    """
    copies = sorted((folder / "overwritten").glob("repo.*"))  # their names count down
    return sum(map(_drop, copies[KEPT_COPIES:])) if len(copies) >= KEPT_COPIES + spare else 0


def _drop_logs(folder: Path) -> int:
    """Remove what tells how commits that are gone differed from those before: icechunk leaves it; return the bytes."""
    logs = (folder / "transactions").glob("*")
    return sum(_drop(log) for log in logs if not (folder / "snapshots" / log.name).exists())


def _drop_staged(folder: Path) -> int:
    """Remove files that a killed process was writing, which nothing else knows of; return their bytes."""
    parents = [folder, *(parent for parent in folder.iterdir() if parent.is_dir())]
    return sum(_drop(file) for parent in parents for file in parent.glob("*#*") if storage.STAGED.search(file.name))


def _drop(file: Path) -> int:
    size = file.stat().st_size
    file.unlink()
    return size
