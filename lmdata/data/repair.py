"""Repair: make a damaged run store one that can be resumed, and touch nothing that is whole.

What is put back is looked for first, and tried beside the store; only then is the store changed, in steps each of which
is done whole or not at all. Whatever goes wrong on the way, what could be read before can be read after.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import icechunk

from lmdata.data.store import guard, storage
from lmdata.data.store.durable import sync_entry, sync_file
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.prevented import fetched, looking
from lmdata.data.store.reading import Stored
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.writer import RunStore
from lmdata.data.trajectory import TrajectoryLayout
from lmdata.data.verify import Report, verify
from lmdata.errors import CorruptDataset, InvalidInput, StoreError
from lmdata.wording import counted

logger = logging.getLogger(__name__)

WRITER = re.compile(rb"^ICE\xf0\x9f\xa7\x8aCHUNKic-(\d+)\.(\d+)\.(\d+)")
"""How a file of icechunk begins: which version wrote it."""


def repair_store(location: str | os.PathLike[str]) -> Report:
    """Mark damaged members as absent, so that they are computed again when the run is resumed.

    If the last commit itself cannot be read, the store goes back to the last one that can: members committed since
    are absent again. Nothing that can be read is changed or removed, and nothing is changed where the machine, missing
    rights or an icechunk that is too old prevent reading.

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
        If no commit can be read: the store has to be made again. So has one of states that came from elsewhere.
    Prevented
        If the machine or missing rights prevent it; what could be read before can be read after.
    StoreLocked
        If somebody is writing to it.
    FileNotFoundError, StoreError
        If it is no run store, was written by a newer icechunk, or cannot be written.
    """
    place = Place.of(location)
    if place.folder is None:
        raise InvalidInput(f"{place} is in a bucket, which keeps its own copies; repair a copy of it in a folder")
    with looking(place.folder):
        nothing = not (place.folder / "repo").exists() and not (place.folder / "overwritten").is_dir()
    if nothing:
        storage.open_repository(place)
    with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):
        _go_back(place, place.folder, _latest(place, place.folder))
    report = verify(place.folder)
    if report.damaged and Stored.open(place).layout.form == TrajectoryLayout.form:
        raise CorruptDataset(
            f"{place} holds states that came from elsewhere, which nothing can compute again: "
            f"{counted(len(report.damaged), 'run')} of {report.members} are damaged, and left as they are. Take them "
            "over anew from their source"
        )
    if report.damaged or any(problem.subject == "digest" for problem in report.problems):
        with RunStore.append_to(place.folder) as store:
            store.reset(report.damaged)
    return report


@dataclass(frozen=True)
class _State:
    """A commit that can be read: the file that knows it, its id, and why nothing later can be read."""

    file: Path
    snapshot: str
    reason: str


def _latest(place: Place, folder: Path) -> _State:
    """Return the latest commit that can be read, and change nothing.

    Raises
    ------
    CorruptDataset
        If there is none.
    StoreError
        If a newer icechunk wrote the store: an older state that this one reads would be no repair.
    """
    guard.check_links(folder)
    reasons: list[str] = []
    tried: set[str] = set()
    for file in _files(folder):
        with _beside(file, folder) as trial:
            try:
                repository = storage.open_repository(trial)
                commits = fetched(partial(_commits, repository), f"the commits that {file.name} knows cannot be read")
            except CorruptDataset as error:
                _refuse_newer(file, place, error)
                reasons.append(str(error).replace(str(trial), str(place)))
                continue
            for commit in commits:
                if commit in tried:
                    continue
                tried.add(commit)
                try:
                    Stored.at(place, fetched(partial(repository.readonly_session, snapshot_id=commit), "a commit"))
                except CorruptDataset as error:
                    reasons.append(str(error))
                    continue
                return _State(file, commit, reasons[0] if reasons else "")
    raise CorruptDataset(f"{place} cannot be repaired: make it again from its recipe ({reasons[0]})")


def _files(folder: Path) -> list[Path]:
    """Return the repository file, if it is there, and the copies of it, the latest first."""
    kept = folder / "overwritten"
    copies = sorted(kept.iterdir()) if kept.is_dir() else []  # their names count down
    own = [folder / "repo"] if (folder / "repo").is_file() else []
    return own + [copy for copy in copies if copy.name.startswith("repo.")]


@contextmanager
def _beside(file: Path, folder: Path) -> Iterator[Place]:
    """Yield a place beside a store that has everything of it, and this as its repository file."""
    with tempfile.TemporaryDirectory(prefix="lmdata-repair-") as name:
        trial = Path(name)
        for entry in folder.iterdir():
            if entry.name not in ("repo", storage.LOCK_FILE):
                (trial / entry.name).symlink_to(entry)
        shutil.copyfile(file, trial / "repo")
        yield Place(trial)


def _commits(repository: icechunk.Repository) -> list[str]:
    return [commit.id for commit in repository.ancestry(branch="main")]


def _refuse_newer(file: Path, place: Place, error: Exception) -> None:
    """Refuse to take a file for damaged that a newer icechunk wrote."""
    with file.open("rb") as opened:
        writer = WRITER.match(opened.read(64))
    own = tuple(map(int, icechunk.__version__.split(".")[:3]))
    if writer and (version := tuple(map(int, writer.groups()))) > own:
        wrote = ".".join(map(str, version))
        raise StoreError(
            f"{place} was written by icechunk {wrote}, and this is {icechunk.__version__}: install icechunk>={wrote}, "
            "then repair it; nothing was changed"
        ) from error


def _go_back(place: Place, folder: Path, state: _State) -> None:
    """Make a commit the present one: the file that knows it takes the place of the repository file, whole."""
    repo, kept = folder / "repo", folder / "overwritten"
    if state.file != repo:
        fresh = kept / "put-back"
        shutil.copyfile(state.file, fresh)
        sync_file(fresh)
        if repo.exists():
            shutil.copyfile(repo, kept / "damaged")
        fresh.replace(repo)
        sync_entry(repo)
        logger.warning("%s: the repository file was damaged; went back to an earlier one", place)
    repository = storage.open_repository(place)
    if repository.lookup_branch("main") != state.snapshot:
        repository.reset_branch("main", state.snapshot)
    if state.reason:
        logger.warning("%s: went back to the commit %s, since %s", place, state.snapshot, state.reason)
