"""The run store: a writer that keeps finished members, transactionally, one commit after the other.

On disk: a folder with an icechunk repository and the writer's lock file. The root group holds the dataset's
variables, ``source/initial`` the tokens of a run that started from given arrays, ``checkpoints/<member>`` the
states of members that are being computed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data.frames import Frames, Sink
from lmdata.data.grid import Grid
from lmdata.data.store import storage
from lmdata.data.store.changes import Changes, Fork
from lmdata.data.store.checkpoints import Checkpoint
from lmdata.data.store.creation import create_folder, create_remote, declare
from lmdata.data.store.durable import sync_files
from lmdata.data.store.forks import Forks, check
from lmdata.data.store.journal import Act, Failed, Journal, Merged, Reset, Written
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.maintenance import History
from lmdata.data.store.making import clear
from lmdata.data.store.prevented import fetched, was_cut
from lmdata.data.store.process import check_process
from lmdata.data.store.reading import read_initial
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.transaction import Transaction
from lmdata.errors import RecipeMismatch, StoreError
from lmdata.wording import counted

logger = logging.getLogger(__name__)

COMMIT_INTERVAL = 1.0
"""Seconds: finished members wait at most about this long for a commit."""
COMMIT_SHARE = 20
"""A commit waits this many times the length of the last one, so that committing costs at most 5 %."""
COMMIT_ATTEMPTS = 20
"""How often a commit is tried where others commit at the same time."""
JOURNAL_BYTES = 256 * 2**20
"""Uncommitted data that is kept in memory to be written again, where others commit at the same time."""


class RunStore(Sink):
    """Writer of a dataset; made by `create` or `append_to`, closed by ``with`` or `close`.

    Members are numbered in grid order. Nothing is acknowledged before `commit` returns; `put` commits by itself
    about once a second. A member's status, digest and positions become visible in one commit, or not at all.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np
    >>> from lmdata.data.layout import Layout
    >>> layout = Layout(swept={}, seeds=(0, 1), time=np.arange(3), time_unit="step", labels=None, tokens=4,
    ...                 components=2)
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "run"
    >>> with RunStore.create(place, layout) as store:
    ...     for block in store.pending():
    ...         store.put(block, np.zeros((len(block), 3, 4, 2)), steps_done=2)
    """

    def __init__(self, place: Place, lock: WriterLock | None, *, durable: bool) -> None:
        self._place = place
        self._lock = lock
        self._durable = durable
        self._synced: set[Path] = set()
        self._repository = storage.open_repository(place)
        self._now = self._begin()
        self._forks = Forks(str(place))
        self._journal = Journal()
        self._last_commit = time.monotonic()
        self._commit_seconds = 0.0
        self._history = None if lock is None else History(self._repository, place, lock)
        self._tidy()

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str],
        layout: Grid,
        *,
        initial: NDArray[Any] | None = None,
        durable: bool = False,
    ) -> Self:
        """Make a new store with the whole grid declared, and hold its lock.

        The store is made under a temporary name and renamed once its first commit is done: what is at
        ``location`` is whole or absent.

        Parameters
        ----------
        location
            A path with nothing at it; its parents are made.
        layout
            What the dataset will be.
        initial : (token, component) or (seed, token, component), optional
            Tokens that cannot be drawn again from the recipe.
        durable
            Sync to disk before a commit counts as done: survives loss of power, not only of the process.

        Raises
        ------
        StoreExists
            If there is something at the location.
        StoreLocked
            If somebody else is making a store there.
        StoreError
            If the location is inside another dataset, or it cannot be written.
        """
        place, lock = Place.of(location), None

        def fill(group: zarr.Group) -> None:
            declare(group, layout, initial)

        if place.folder is None:
            create_remote(place, fill)
        else:
            lock = create_folder(place.folder, fill, durable=durable)
        return cls._locked(place, lock, durable=durable)

    @classmethod
    def append_to(cls, location: str | os.PathLike[str], *, durable: bool = False) -> Self:
        """Open an existing store for writing, and hold its lock.

        Raises
        ------
        StoreLocked
            If somebody else is writing to it.
        FileNotFoundError, StoreError, CorruptDataset
            If there is no store that can be read and written.
        """
        place, lock = Place.of(location), None
        storage.open_repository(place)
        if place.folder is not None:
            with writing(place):
                lock = WriterLock(place.folder / storage.LOCK_FILE)
            clear(place.folder)
        return cls._locked(place, lock, durable=durable)

    @classmethod
    def _locked(cls, place: Place, lock: WriterLock | None, *, durable: bool) -> Self:
        try:
            return cls(place, lock, durable=durable)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self._forks.clear()
        try:  # finished members are whole whatever went wrong: keep them, but let the first error through
            self.close()
        except StoreError:
            logger.warning("the last members could not be committed to %s", self._place, exc_info=True)

    @property
    def location(self) -> str:
        """Where the store is."""
        return str(self._place)

    @property
    def layout(self) -> Grid:
        """Layout of the dataset."""
        return self._now.layout

    @property
    def initial(self) -> NDArray[np.float64] | None:
        """Tokens given to `create`, ([seed,] token, component); None if they can be drawn again."""
        return read_initial(self._now.group)

    @property
    def status(self) -> NDArray[np.uint8]:
        """Status of every member so far (<swept>, seed), a copy."""
        status: NDArray[np.uint8] = self._now.members.status.copy()
        return status

    def pending(self) -> list[tuple[int, ...]]:
        """Return the members still to be computed, absent or failed: one tuple for each storage chunk."""
        done = self._now.members.complete.ravel()
        blocks = (tuple(member for member in block if not done[member]) for block in self.layout.blocks())
        return [block for block in blocks if block]

    def take(self, frames: Frames) -> None:
        """Store frames of members of one block: finished ones, or a checkpoint; commit if it is time.

        Raises
        ------
        InvalidInput
            If the members share no chunk, one is finished, the shape is wrong or a position is not finite.
        StoreError
            If their chunk is out in a fork, or it cannot be written.
        """
        self._record(Written(self._now.blocks.accept(frames)))

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Mark members as failed, with the reason that `verify` shows; commit if it is time."""
        self._record(Failed(tuple(members), reason, steps_done))

    def begun(self, members: Sequence[int]) -> list[int]:
        """Return those of the members that stand at a checkpoint."""
        return self._now.begun(members)

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on together, or None if they start from their tokens.

        A damaged checkpoint is passed over with a warning in the log: starting again gives the same bits.
        """
        check_process()
        return self._now.last_checkpoint(members)

    def fork(self, blocks: Sequence[tuple[int, ...]]) -> Fork:
        """Give blocks to a worker, which computes them into a fork of the store; see `lmdata.data.store.forks`.

        Parameters
        ----------
        blocks
            Tuples of `pending`, or parts of them, that are in no other fork.

        Raises
        ------
        InvalidInput
            If a member is finished.
        StoreError
            If a block is in another fork, or the store cannot be written.
        """
        if self._now.touched(blocks):
            self.commit()
        with self._writing():
            session = self._repository.writable_session("main").fork()
            return self._forks.give(self._now, session, blocks)

    def merge(self, changes: Changes) -> None:
        """Take over what a worker has written into a fork; commit if it is time.

        Raises
        ------
        StoreError
            If the fork was merged before, holds chunks that are not its own, or lacks some that it reports; nothing
            of it is then taken over. Or if the store cannot be written.
        """
        fork = self._forks.take(changes.number)
        with self._writing():
            check(self._now, fork, changes)
        self._record(Merged(changes))

    def withdraw(self, fork: Fork) -> None:
        """Give a fork up: its members stay as they were."""
        self._forks.take(fork.number)

    def reset(self, members: Iterable[int]) -> None:
        """Mark members as absent and commit, so that they are computed again: those that `verify` finds damaged.

        Raises
        ------
        StoreError
            If a chunk of theirs is out in a fork, or it cannot be written.
        """
        self._record(Reset(tuple(members)))
        self.commit()

    def extend(self, layout: Grid) -> None:
        """Add seeds or swept values at the ends of their dimensions, all absent, in one commit.

        Members that are there stay as they are: they are keyed by value, not by place.

        Parameters
        ----------
        layout
            The present one with more seeds or swept values at the end, and the attributes of the wider recipe.

        Raises
        ------
        RecipeMismatch
            If anything else differs.
        StoreError
            If forks are out, or it cannot be written; the store is then as it was, unless what failed came after the
            commit: it is never extended in part.
        """
        wider = self.check_extension(layout)
        if self._forks:
            raise StoreError(
                f"{counted(len(self._forks), 'fork')} of {self._place} still out; merge or withdraw them first"
            )
        self.commit()
        narrow = self._now
        try:
            with self._writing():
                self._now = self._begin(narrow if self._lock is not None else None)
                self._now.extend(wider)
            self.commit()
        except BaseException:
            self._now = narrow  # if not even the next line works, nothing of it is left to be committed
            with self._writing():
                self._now = self._begin()
            raise

    def check_extension(self, layout: Grid) -> Grid:
        """Return a wider layout with the storage chunks of the store, which `extend` takes; change nothing.

        Raises
        ------
        RecipeMismatch
            If it is not the present layout with more seeds or swept values at the end, or new seeds have no tokens.
        """
        wider = layout.with_chunk(self.layout.chunk)
        if not wider.extends(self.layout):
            raise RecipeMismatch(
                "a dataset is extended by more seeds or swept values at the end, nothing else; "
                f"simulate what differs into a store of its own (at {self._place} nothing was changed)"
            )
        initial = self.initial
        if initial is not None and initial.ndim == 3 and len(wider.seeds) > len(initial):
            raise RecipeMismatch(
                f"each seed of {self._place} starts from tokens that were given, and the new seeds have none; "
                "simulate them into a store of their own"
            )
        return wider

    def commit(self, *, only_if_due: bool = False) -> None:
        """Make all finished members visible and safe against the end of the process (``durable``: of power).

        Parameters
        ----------
        only_if_due
            Do nothing unless a second and twenty times the length of the last commit have passed since it.

        Raises
        ------
        StoreError
            If it cannot be written; nothing is lost, and a later call tries again.
        """
        started = time.monotonic()
        wait = max(COMMIT_INTERVAL, COMMIT_SHARE * self._commit_seconds)
        due = started - self._last_commit >= wait or self._journal.nbytes > JOURNAL_BYTES
        if self._now.empty or (only_if_due and not due):
            return
        with self._writing():
            if not self._now.session.read_only:  # it is, if a call was interrupted just after it had committed
                self._commit()
            if self._durable and self._place.folder is not None:
                sync_files(self._place.folder, self._synced)
            if self._history is not None:
                self._history.committed(self._now.session.snapshot_id, self._now.written)
            self._tidy()
            self._now = self._begin(self._now if self._lock is not None else None)
        self._journal.clear()
        self._last_commit = time.monotonic()
        self._commit_seconds = self._last_commit - started

    def close(self) -> None:
        """Commit what is finished and give the lock back.

        Raises
        ------
        StoreError
            If it cannot be written, or a fork was forgotten: neither merged nor withdrawn.
        """
        try:
            self.commit()
            self._tidy()
        finally:
            if self._lock is not None:
                self._lock.release()
        if self._forks:
            raise StoreError(f"{counted(len(self._forks), 'fork')} of {self._place} never merged: members are absent")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Do what the store's threads have a part in: not in a forked child, which lacks them, and with our errors."""
        check_process()
        with writing(self._place):
            yield

    def _tidy(self) -> None:
        """Tidy up if it is time, with nothing uncommitted but what forks have written."""
        if self._history is not None and self._history.due(self._now.data):
            self._history.tidy(self._now.data, self._forks.bases)

    def _begin(self, previous: Transaction | None = None) -> Transaction:
        session = fetched(
            lambda: self._repository.writable_session("main"), f"the last commit at {self._place} cannot be read"
        )
        if previous is None:
            return Transaction.begin(session, str(self._place))
        return Transaction.after(session, previous)

    def _commit(self) -> None:
        """Commit; where others may commit first, write what they have not done on top of what they have."""
        for attempt in count(1):
            try:
                return self._now.commit()
            except icechunk.ConflictError:
                if not self._journal or attempt == COMMIT_ATTEMPTS:
                    raise
                logger.info("somebody else has written to %s: writing the last members again", self._place)
                self._now = self._begin()
                for act in self._journal:
                    self._act(act)
                if self._now.empty:
                    return None
            except icechunk.IcechunkError as error:
                if attempt > 1 or not was_cut(error):
                    raise

    def _record(self, act: Act) -> None:
        """Do something in the transaction, remember it where others may commit first, and commit if it is time."""
        self._forks.refuse(self.layout, act.members)
        with self._writing():
            self._act(act)
        if self._lock is None:
            self._journal.add(act)
        self.commit(only_if_due=True)

    def _act(self, act: Act) -> None:
        """Do something in the transaction to members, but for those that others have finished meanwhile."""
        left = act if self._lock is not None else act.unfinished(self._now)
        if left is not None:
            left.apply(self._now)
