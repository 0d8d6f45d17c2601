"""Repair: make a damaged run store one that can be resumed, and touch nothing that is whole."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import icechunk

from lmdata.data.store import storage
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.reading import Stored
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import Report, verify
from lmdata.errors import CorruptDataset, InvalidInput, StoreError

logger = logging.getLogger(__name__)


def repair_store(location: str | os.PathLike[str]) -> Report:
    """Mark damaged members as absent, so that they are computed again when the run is resumed.

    If the last commit itself cannot be read, the store goes back to the last one that can: members committed since
    are absent again. Nothing that can be read is changed or removed.

    Parameters
    ----------
    location
        A run store in a folder, that nobody writes to.

    Returns
    -------
    Report
        What `lmdata.data.verify.verify` found once the store could be read, before the damaged members were marked.

    Raises
    ------
    CorruptDataset
        If no commit can be read: the store has to be made again.
    StoreLocked
        If somebody is writing to it.
    FileNotFoundError, StoreError
        If it is no run store, or cannot be written.
    """
    place = Place.of(location)
    if place.folder is None:
        raise InvalidInput(f"{place} is in a bucket, which keeps its own copies; repair a copy of it in a folder")
    if not (place.folder / "repo").exists() and not (place.folder / "overwritten").is_dir():
        storage.open_repository(place)
    with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):
        repository = _open_any_state(place, place.folder)
        _go_back(repository, place)
    report = verify(place.folder)
    if report.damaged or any(problem.subject == "digest" for problem in report.problems):
        with RunStore.append_to(place.folder) as store:
            store.reset(report.damaged)
    return report


def _open_any_state(place: Place, folder: Path) -> icechunk.Repository:
    """Open the repository; if its file is damaged, put the latest copy of it that opens in its place."""
    try:
        return storage.open_repository(place)
    except (CorruptDataset, StoreError) as error:
        damaged = error
    repo = folder / "repo"
    if repo.exists():
        repo.rename(folder / "overwritten" / "damaged")
    for copy in sorted((folder / "overwritten").glob("repo.*")):  # their names count down
        repo.write_bytes(copy.read_bytes())
        try:
            repository = storage.open_repository(place)
        except CorruptDataset:
            continue
        logger.warning("%s: the repository file was damaged; went back to an earlier one", place)
        return repository
    repo.unlink(missing_ok=True)
    raise CorruptDataset(f"{place} cannot be repaired: make it again from its recipe ({damaged})") from damaged


def _go_back(repository: icechunk.Repository, place: Place) -> None:
    """Make the last commit that can be read the present one."""
    reasons = []
    for snapshot in repository.ancestry(branch="main"):
        try:
            Stored.open(place, snapshot=snapshot.id)
        except CorruptDataset as error:
            reasons.append(str(error))
            continue
        if reasons:
            repository.reset_branch("main", snapshot.id)
            logger.warning("%s: went back to the commit %r, since %s", place, snapshot.message, reasons[0])
        return
    raise CorruptDataset(f"{place} cannot be repaired: make it again from its recipe ({reasons[0]})")
