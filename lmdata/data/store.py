"""The run store: a writer that keeps finished members, transactionally, one commit after the other.

On disk: a folder with an icechunk repository and the writer's lock file. The root group holds the dataset's
variables, ``source/initial`` the tokens of a run that started from given arrays, ``checkpoints/<member>`` the
states of members that are being computed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import checkpoints, registry, storage
from lmdata.data.checkpoints import Checkpoint
from lmdata.data.creation import create_folder, create_remote, declare
from lmdata.data.digest import dataset_digest, member_digest
from lmdata.data.durable import sync_files
from lmdata.data.layout import Layout
from lmdata.data.lock import WriterLock
from lmdata.data.reading import UNREADABLE, Bookkeeping, open_group, read, read_failures, read_layout
from lmdata.data.storage import Place, writing
from lmdata.errors import CorruptDataset, InvalidInput, StoreError

logger = logging.getLogger(__name__)

COMMIT_INTERVAL = 1.0
"""Seconds: finished members wait at most about this long for a commit."""
COMMIT_SHARE = 20
"""A commit waits this many times the length of the last one, so that committing costs at most 5 %."""
REASON_LENGTH = 500
"""Characters that are kept of the reason why a member failed."""


class RunStore:
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
        self.layout = read_layout(open_group(self._repository.readonly_session("main").store, str(place)))
        self._begin()
        self._members = Bookkeeping.read(self._group)
        self._failures = read_failures(self._group)
        self._begun = checkpoints.kept(self._group)
        self._dirty: set[int] = set()
        self._last_commit = time.monotonic()
        self._commit_seconds = 0.0

    @classmethod
    def create(
        cls,
        location: str | os.PathLike[str],
        layout: Layout,
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
            If it cannot be written.
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
        try:  # finished members are whole whatever went wrong: keep them, but let the first error through
            self.close()
        except StoreError:
            logger.warning("the last members could not be committed to %s", self._place, exc_info=True)

    @property
    def location(self) -> str:
        """Where the store is."""
        return str(self._place)

    @property
    def initial(self) -> NDArray[np.float64] | None:
        """Tokens given to `create`, ([seed,] token, component); None if they can be drawn again."""
        return read(self._group, "source/initial") if "source" in self._group else None

    @property
    def status(self) -> NDArray[np.uint8]:
        """Status of every member so far (<swept>, seed), a copy."""
        return self._members.status.copy()

    def pending(self) -> list[tuple[int, ...]]:
        """Return the members still to be computed, absent or failed: one tuple for each storage chunk."""
        done = self._members.complete.ravel()
        blocks = (tuple(member for member in block if not done[member]) for block in self.layout.blocks())
        return [block for block in blocks if block]

    def put(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        *,
        steps_done: int,
        diagnostics: Mapping[str, NDArray[Any]] | None = None,
        first_frame: int = 0,
    ) -> None:
        """Store finished members of one block; commit if it is time.

        Parameters
        ----------
        members
            Numbers of members that share a storage chunk: a tuple of `pending`, or a part of one.
        position : (member, time, token, component)
            Their frames from ``first_frame`` to the last.
        steps_done
            Number of steps computed.
        diagnostics
            Each (member, time), for the same frames.
        first_frame
            Frames before it were stored by `checkpoint`.

        Raises
        ------
        InvalidInput
            If the members share no chunk, one is finished, the shape is wrong or a position is not finite.
        StoreError
            If it cannot be written.
        """
        stored = self._write(members, position, diagnostics or {}, first_frame)
        if first_frame + stored.shape[1] != len(self.layout.time):
            raise InvalidInput(f"position ends before the last of {len(self.layout.time)} frames")
        for member, own in zip(members, stored, strict=True):
            key, place = self.layout.key(member), self.layout.index(member)
            parts = [own] if first_frame == 0 else self._frames(place, len(self.layout.time))
            self._members.digest[place] = member_digest(key, parts)
            self._mark(member, registry.COMPLETE, steps_done)
            self._drop_checkpoint(member)
            self._failures.pop(key, None)
        self.commit(only_if_due=True)

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Mark members as failed, with the reason that `verify` shows; commit if it is time."""
        for member in members:
            self._mark(member, registry.FAILED, steps_done)
            self._drop_checkpoint(member)
            self._failures[self.layout.key(member)] = reason[:REASON_LENGTH]
        self.commit(only_if_due=True)

    def checkpoint(
        self,
        members: Sequence[int],
        *,
        step: int,
        state: NDArray[np.float64],
        position: NDArray[Any],
        first_frame: int,
        diagnostics: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Keep the frames since the last checkpoint and the state reached; commit if it is time.

        Parameters
        ----------
        members
            As for `put`; all are at the same step.
        step
            Number of steps computed.
        state : (member, token, component) float64
            State after them, exact also where positions are stored as float32.
        position, first_frame, diagnostics
            As for `put`; may hold no frame at all.
        """
        self._write(members, position, diagnostics or {}, first_frame)
        frames = first_frame + position.shape[1]
        for member, own in zip(members, np.asarray(state, np.float64), strict=True):
            with writing(self._place):
                self._drop_checkpoint(member)
                checkpoints.keep(self._group, member, own, step=step, frames=frames)
            self._begun.add(member)
            self._mark(member, registry.ABSENT, step)
        self.commit(only_if_due=True)

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on together, or None if they start from their tokens.

        A damaged checkpoint is passed over with a warning in the log: starting again gives the same bits.
        """
        if not members or not self._begun.issuperset(members):
            return None
        try:
            found = checkpoints.load(self._group, members)
            if found is not None:
                for member in members:
                    for _ in self._frames(self.layout.index(member), found.frames):
                        pass
        except CorruptDataset:
            logger.warning("members %s start again: their checkpoint is damaged", tuple(members), exc_info=True)
            return None
        return found

    def reset(self, members: Iterable[int]) -> None:
        """Mark members as absent and commit, so that they are computed again: those that `verify` finds damaged.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        for member in members:
            self._drop_checkpoint(member)
            self._mark(member, registry.ABSENT, -1)
        self.commit()

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
        if not self._dirty or (only_if_due and started - self._last_commit < wait):
            return
        with writing(self._place):
            if self._session.read_only:  # a call that was interrupted between its commit and its last line
                self._begin()
            self._members.write(self._group, self._dirty)
            self._describe()
            done = np.count_nonzero(self._members.complete)
            self._session.commit(f"{done} of {self.layout.size} members")
            if self._durable and self._place.folder is not None:
                sync_files(self._place.folder, self._synced)
            self._begin()
        self._dirty.clear()
        self._last_commit = time.monotonic()
        self._commit_seconds = self._last_commit - started

    def close(self) -> None:
        """Commit what is finished and give the lock back."""
        try:
            self.commit()
        finally:
            if self._lock is not None:
                self._lock.release()

    def _begin(self) -> None:
        """Start a transaction."""
        self._session = self._repository.writable_session("main")
        self._group = zarr.open_group(self._session.store, mode="r+", zarr_format=3)
        self._arrays = {
            name: storage.array(self._group, name, missing=True) for name in ("position", *self.layout.diagnostics)
        }

    def _describe(self) -> None:
        """Write the attributes that depend on the members: the dataset's digest, and reasons of failures."""
        attributes: dict[str, Any] = {}
        if self._members.complete.all():
            recipe = str(self.layout.attrs.get("recipe_id", ""))
            attributes["digest"] = dataset_digest(recipe, self._members.digest.ravel().tolist())
        elif "digest" in self._group.attrs:
            del self._group.attrs["digest"]
        if self._failures or "failures" in self._group.attrs:
            attributes["failures"] = self._failures
        if attributes:
            self._group.attrs.update(attributes)

    def _mark(self, member: int, status: int, steps_done: int) -> None:
        place = self.layout.index(member)
        self._members.status[place] = status
        self._members.steps_done[place] = steps_done
        if status != registry.COMPLETE:
            self._members.digest[place] = ""
        self._dirty.add(member)

    def _drop_checkpoint(self, member: int) -> None:
        if member in self._begun:
            checkpoints.drop(self._group, member)
            self._begun.remove(member)

    def _frames(self, place: tuple[int, ...], count: int) -> Iterator[NDArray[Any]]:
        """Yield the first stored frames of a member, a chunk at a time."""
        array = self._arrays["position"]
        length = array.chunks[-3]
        for start in range(0, count, length):
            window: tuple[Any, ...] = (*place, slice(start, min(start + length, count)))
            try:
                frames = np.asarray(array[window])
            except UNREADABLE as error:
                raise CorruptDataset(f"stored frames cannot be read: {storage.summary(error)}") from error
            if not np.isfinite(frames).all():
                raise CorruptDataset("stored frames are missing")
            yield frames

    def _write(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        diagnostics: Mapping[str, NDArray[Any]],
        first: int,
    ) -> NDArray[Any]:
        """Write frames of the members, whole chunks at a time, and return the positions as stored."""
        layout = self.layout
        window = layout.window(members)
        if finished := [member for member in members if self._members.complete[layout.index(member)]]:
            raise InvalidInput(f"members {tuple(finished)!r:.60} are finished, and are never written again")
        stored = np.ascontiguousarray(position, dtype=layout.dtype)
        last = first + (stored.shape[1] if stored.ndim == 4 else 0)
        expected = (len(members), last - first, layout.tokens, layout.components)
        if stored.shape != expected or not 0 <= first <= last <= len(layout.time):
            raise InvalidInput(
                f"position has shape {stored.shape} from frame {first} on; members {tuple(members)!r:.60} "
                f"need {expected}, and there are {len(layout.time)} frames"
            )
        if not np.isfinite(stored).all():
            raise InvalidInput("position has values that are not finite; mark such members with fail()")
        if set(diagnostics) != set(layout.diagnostics):
            raise InvalidInput(f"diagnostics are {sorted(diagnostics)}, declared are {sorted(layout.diagnostics)}")
        if last > first:
            places = np.array([layout.index(member) for member in members])
            local = tuple((places - [part.start for part in window]).T)
            shape = [part.stop - part.start for part in window]
            region = (*window, slice(first, last))
            for name, values in {"position": stored, **diagnostics}.items():
                array = self._arrays[name]
                with writing(self._place):
                    if len(members) == np.prod(shape) and list(members) == sorted(members):
                        array[region] = np.reshape(values, (*shape, *values.shape[1:]))
                    else:
                        block = self._block(array, region, members)
                        block[local] = values
                        array[region] = block
        return stored

    def _block(self, array: zarr.Array[Any], region: tuple[slice, ...], members: Sequence[int]) -> NDArray[Any]:
        """Read what a chunk holds of other members; if it is damaged, begin it again unless one is finished."""
        try:
            return np.asarray(array[region])
        except UNREADABLE as error:
            window = region[:-1]
            if self._members.complete[window].any():
                raise CorruptDataset(
                    f"members that share a chunk with {self.layout.key(members[0])} are damaged; "
                    f"`lmdata repair {self._place}` computes them again"
                ) from error
            for member in np.arange(self.layout.size).reshape(self.layout.shape)[window].ravel().tolist():
                self._drop_checkpoint(member)
            shape = [len(range(*s.indices(size))) for s, size in zip(region, array.shape, strict=False)]
            return np.full((*shape, *array.shape[len(shape) :]), array.fill_value, array.dtype)
