"""The run store: a writer that keeps finished members, transactionally, one commit after the other.

Layout on disk: a folder with an icechunk repository and the writer's lock file. The root group holds the dataset's
variables, ``source/initial`` the tokens of a run that started from given arrays, ``checkpoints/<member>`` the states of
members that are being computed.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import storage
from lmdata.data.digest import dataset_digest, member_digest
from lmdata.data.layout import Layout
from lmdata.data.lock import WriterLock
from lmdata.data.reading import Bookkeeping, read_bookkeeping, read_layout
from lmdata.data.registry import ABSENT, COMPLETE, FAILED
from lmdata.errors import InvalidInput, StoreError, StoreExists

logger = logging.getLogger(__name__)

COMMIT_INTERVAL = 1.0
"""Seconds: finished members wait at most about this long for a commit."""
COMMIT_SHARE = 20
"""A commit waits this many times the length of the last one, so that committing costs at most 5 %."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A state inside members that are not finished.

    Parameters
    ----------
    step
        Number of steps computed.
    frames
        Number of frames stored.
    state : (member, token, component) float64
        State after ``step`` steps.
    """

    step: int
    frames: int
    state: NDArray[np.float64]


class RunStore:
    """Writer of a dataset; made by `create` or `append_to`, closed by ``with`` or `close`.

    Members are numbered in grid order. Nothing is acknowledged before `commit` returns; `put` commits by itself once
    a second or so. A member's status, digest and positions become visible in the same commit, or not at all.

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

    def __init__(self, location: Path, lock: WriterLock, layout: Layout, *, durable: bool) -> None:
        self.location = location
        self.layout = layout
        self._lock = lock
        self._durable = durable
        self._repository = storage.open_repository(location)
        self._begin()
        self._members: Bookkeeping = read_bookkeeping(self._group, layout)
        self._dirty: set[int] = set()
        self._last_commit = time.monotonic()
        self._commit_seconds = 0.0

    @classmethod
    def create(
        cls,
        location: str | Path,
        layout: Layout,
        *,
        initial: NDArray[Any] | None = None,
        durable: bool = False,
    ) -> Self:
        """Make a new store with the whole grid declared, and hold its lock.

        The store is made under a temporary name and renamed once its first commit is done: what is at ``location`` is
        whole or absent.

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
        """
        target = Path(location).absolute()
        if os.path.lexists(target):
            raise StoreExists(
                f"there is already something at {target}; choose another place, or resume or open it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        building = target.parent / f".{target.name}.building"
        building.mkdir(exist_ok=True)
        lock = WriterLock(building / storage.LOCK_FILE)
        whole = building / "store"
        try:
            if whole.exists():  # of a creation that was killed: its lock is free
                shutil.rmtree(whole)
            repository = icechunk.Repository.create(
                storage.local_storage(whole), config=storage.configuration(), spec_version=2
            )
            repository.save_config()
            session = repository.writable_session("main")
            group = zarr.create_group(session.store)
            storage.declare(group, layout)
            Bookkeeping.empty(layout).write(group)
            if initial is not None:
                source = np.ascontiguousarray(initial, dtype=np.float64)
                dims = ("seed", "token", "component")[3 - source.ndim :]
                storage.create_array(
                    group.create_group("source"), "initial", dims, source.shape, source.shape, source.dtype
                )[...] = source
            session.commit("declare the grid")
            (building / storage.LOCK_FILE).rename(whole / storage.LOCK_FILE)
            if durable:
                _sync(whole, set())
            try:
                whole.rename(target)
            except OSError as error:
                raise StoreExists(
                    f"something appeared at {target} while the store was made: {error}"
                ) from error
            with suppress(OSError):  # another creation may have begun in it; it will be refused
                building.rmdir()
            return cls(target, lock, layout, durable=durable)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def append_to(cls, location: str | Path, *, durable: bool = False) -> Self:
        """Open an existing store for writing, and hold its lock.

        Raises
        ------
        StoreLocked
            If somebody else is writing to it.
        FileNotFoundError, StoreError, CorruptDataset
            If there is no store that can be read.
        """
        target = Path(location).absolute()
        repository = storage.open_repository(target)
        lock = WriterLock(target / storage.LOCK_FILE)
        try:
            layout = read_layout(zarr.open_group(repository.readonly_session("main").store, mode="r"))
            return cls(target, lock, layout, durable=durable)
        except BaseException:
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
        # finished members are whole whatever went wrong: keep them, but let the first error through
        try:
            self.close()
        except (StoreError, OSError):
            logger.warning("the last members could not be committed to %s", self.location, exc_info=True)

    @property
    def initial(self) -> NDArray[np.float64] | None:
        """Tokens given to `create`, (token, component) or (seed, token, component); None if they are drawn."""
        if "source" not in self._group:
            return None
        return np.asarray(storage.array(self._group, "source/initial")[...])

    @property
    def status(self) -> NDArray[np.uint8]:
        """Status of every member so far (<swept>, seed), a copy."""
        return self._members.status.copy()

    def pending(self) -> list[tuple[int, ...]]:
        """Return the members still to be computed, absent or failed: one tuple for each storage chunk."""
        done = self._members.status.ravel() == COMPLETE
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
            If the members share no chunk, one is finished already, the shape is wrong or a position is not finite.
        """
        frames = len(self.layout.time)
        stored = self._write(members, position, diagnostics or {}, first_frame, frames)
        for i, member in enumerate(members):
            place = self.layout.index(member)
            parts = [stored[i]] if first_frame == 0 else self._frames(place)
            self._members.digest[place] = member_digest(self.layout.key(member), parts)
            self._mark(member, COMPLETE, steps_done)
            self._forget(member)
        self.commit(only_if_due=True)

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Mark members as failed, with a reason that `verify` shows."""
        failures = dict(self._group.attrs.get("failures", {}))  # type: ignore[call-overload]
        for member in members:
            self._members.digest[self.layout.index(member)] = ""
            self._mark(member, FAILED, steps_done)
            failures[self.layout.key(member)] = reason[:500]
        self._group.attrs["failures"] = failures
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
        """Keep the frames since the last checkpoint and the state that the members have reached; commit if due.

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
        frames = first_frame + position.shape[1]
        self._write(members, position, diagnostics or {}, first_frame, frames)
        checkpoints = self._group.require_group("checkpoints")
        for member, own in zip(members, np.asarray(state, np.float64), strict=True):
            self._forget(member)
            storage.create_array(
                checkpoints, str(member), ("token", "component"), own.shape, own.shape, own.dtype,
                attributes={"step": step, "frames": frames},
            )[...] = own  # fmt: skip
            self._mark(member, ABSENT, step)
        self.commit(only_if_due=True)

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on, or None if they start from their tokens.

        They can go on together only from the same step.
        """
        names = [f"checkpoints/{member}" for member in members]
        if not names or any(name not in self._group for name in names):
            return None
        arrays = [storage.array(self._group, name) for name in names]
        if len({array.attrs["step"] for array in arrays}) > 1:
            return None
        state = np.stack([np.asarray(array[...]) for array in arrays])
        attrs = arrays[0].attrs.asdict()
        return Checkpoint(int(attrs["step"]), int(attrs["frames"]), state)

    def commit(self, *, only_if_due: bool = False) -> None:
        """Make all finished members visible and safe against the end of the process (``durable``: of power).

        Parameters
        ----------
        only_if_due
            Do nothing unless a second, and twenty times the length of the last commit, have passed since then.
        """
        started = time.monotonic()
        wait = max(COMMIT_INTERVAL, COMMIT_SHARE * self._commit_seconds)
        if only_if_due and started - self._last_commit < wait:
            return
        if not self._session.has_uncommitted_changes and not self._dirty:
            return
        self._members.write(self._group, self._dirty)
        done = int(np.count_nonzero(self._members.status == COMPLETE))
        if done == self.layout.size:
            identity = str(self.layout.attrs.get("recipe_id", ""))
            self._group.attrs["digest"] = dataset_digest(identity, self._members.digest.ravel().tolist())
        try:
            self._session.commit(f"{done} of {self.layout.size} members")
        except icechunk.IcechunkError as error:
            raise StoreError(
                f"cannot commit to {self.location}: {error}; free space or rights, then resume"
            ) from error
        if self._durable:
            _sync(self.location, self._synced)
        self._dirty.clear()
        self._begin()
        self._last_commit = time.monotonic()
        self._commit_seconds = self._last_commit - started

    def close(self) -> None:
        """Commit what is finished and give the lock back."""
        try:
            self.commit()
        finally:
            self._lock.release()

    def _begin(self) -> None:
        self._session = self._repository.writable_session("main")
        self._group = zarr.open_group(self._session.store, mode="r+", zarr_format=3)
        self._arrays = {
            name: storage.array(self._group, name, missing=True)
            for name in ("position", *self.layout.diagnostics)
        }
        self._synced: set[str] = getattr(self, "_synced", set())

    def _mark(self, member: int, status: int, steps_done: int) -> None:
        place = self.layout.index(member)
        self._members.status[place] = status
        self._members.steps_done[place] = steps_done
        self._dirty.add(member)

    def _forget(self, member: int) -> None:
        name = f"checkpoints/{member}"
        if name in self._group:
            del self._group[name]

    def _frames(self, place: tuple[int, ...]) -> Iterable[NDArray[Any]]:
        length = self.layout.chunks("position")[-3]
        array = self._arrays["position"]
        return (
            np.asarray(array[(*place, slice(i, i + length))]) for i in range(0, len(self.layout.time), length)
        )

    def _write(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        diagnostics: Mapping[str, NDArray[Any]],
        first: int,
        last: int,
    ) -> NDArray[Any]:
        """Write frames first..last of the members, whole chunks at a time; return them as stored."""
        layout = self.layout
        window = self._window(members)
        expected = (len(members), last - first, layout.tokens, layout.components)
        stored = np.ascontiguousarray(position, dtype=layout.dtype)
        if stored.shape != expected or not 0 <= first <= last <= len(layout.time):
            raise InvalidInput(
                f"position has shape {stored.shape} from frame {first} on; members {tuple(members)!r:.60} of this "
                f"layout need {expected} and there are {len(layout.time)} frames"
            )
        if not np.isfinite(stored).all():
            raise InvalidInput("position has values that are not finite; mark such members with fail()")
        if set(diagnostics) != set(layout.diagnostics):
            raise InvalidInput(
                f"diagnostics are {sorted(diagnostics)}; the layout has {sorted(layout.diagnostics)}"
            )
        if last > first:
            for name, values in {"position": stored, **diagnostics}.items():
                region = (*window, slice(first, last))
                shape = [
                    len(range(*part.indices(size))) for part, size in zip(window, layout.shape, strict=True)
                ]
                if len(members) == np.prod(shape):
                    block = np.asarray(values).reshape(*shape, *values.shape[1:])
                else:
                    block = np.asarray(self._arrays[name][region])
                    offsets = np.array([layout.index(member) for member in members]).T
                    local = tuple(row - part.start for row, part in zip(offsets, window, strict=True))
                    block[local] = values
                self._arrays[name][region] = block
        return stored

    def _window(self, members: Sequence[int]) -> tuple[slice, ...]:
        """Return the part of the grid whose members share a chunk with the first; all others have to be in it."""
        layout = self.layout
        if len(members) == 0 or len(set(members)) != len(members):
            raise InvalidInput(f"members are {tuple(members)}; give at least one, none of them twice")
        if min(members) < 0 or max(members) >= layout.size:
            raise InvalidInput(
                f"members are {tuple(members)!r:.60}; their numbers go from 0 to {layout.size - 1}"
            )
        chunk = layout.chunks("position")[: len(layout.shape)]
        places = np.array([layout.index(member) for member in members])
        if len(np.unique(places // chunk, axis=0)) > 1:
            raise InvalidInput(f"members {tuple(members)!r:.60} lie in several storage chunks; see pending()")
        finished = [m for m in members if self._members.status[layout.index(m)] == COMPLETE]
        if finished:
            raise InvalidInput(
                f"members {tuple(finished)!r:.60} are finished already and never written again"
            )
        corner = places[0] // chunk * chunk
        return tuple(
            slice(int(start), min(int(start + step), size))
            for start, step, size in zip(corner, chunk, layout.shape, strict=True)
        )


def _sync(folder: Path, known: set[str]) -> None:
    """Flush to disk every file of a store that ``known`` does not hold, and the folders."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if path not in known or name == "repo":
                with suppress(FileNotFoundError):
                    _flush(path, os.O_RDONLY)
                known.add(path)
        _flush(parent, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
