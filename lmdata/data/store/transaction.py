"""One transaction of a run store: what is written becomes visible with its commit, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.digest import dataset_digest, member_digest, member_digests
from lmdata.data.frames import Frames
from lmdata.data.grid import Grid
from lmdata.data.store import checkpoints, storage
from lmdata.data.store.blocks import Blocks
from lmdata.data.store.changes import Changes
from lmdata.data.store.checkpoints import Checkpoint, Member, States
from lmdata.data.store.reading import Bookkeeping, naming, open_group, read_failures, read_layout
from lmdata.data.store.written import WRITTEN, Counted
from lmdata.errors import CorruptDataset, InvalidInput
from lmdata.wording import counted

logger = logging.getLogger(__name__)

REASON_LENGTH = 500
"""Characters that are kept of the reason why a member failed."""


class Transaction:
    """The contents of a store as they were committed last, and what has been written since.

    Bookkeeping is kept in memory and written with the commit. Made by `begin`, or by `after` where nobody else can
    have committed since the last transaction.

    Parameters
    ----------
    session
        A writable session.
    place
        Where the store is, for messages.
    layout, members
        What the dataset is, and how far its members are.
    failures
        Reasons of failed members, by member key.
    begun
        Members that have a checkpoint.
    states
        What keeps their states: the store, or, for a fork, who writes it.
    """

    def __init__(
        self,
        session: icechunk.Session,
        place: str,
        layout: Grid,
        members: Bookkeeping,
        failures: Mapping[str, str],
        begun: Iterable[Member],
        states: type[States] = States,
    ) -> None:
        self._place = place
        self.session = session
        self._store = Counted(session.store)
        self.group = zarr.open_group(self._store, mode="r+", zarr_format=3)
        self.members = members
        self._failures = dict(failures)
        self.states = states(self.group, begun)
        self.changed: set[int] = set()
        self.empty = True
        self.blocks = Blocks(self.group, layout)

    @classmethod
    def begin(cls, session: icechunk.Session, place: str) -> Self:
        """Begin from what is stored."""
        group = open_group(session.store, place)
        with naming(place):
            layout, members = read_layout(group), Bookkeeping.read(group)
        return cls(session, place, layout, members, read_failures(group), checkpoints.kept(group))

    @classmethod
    def after(cls, session: icechunk.Session, previous: Transaction) -> Self:
        """Begin from what the transaction that was committed last knows, which is then not read again."""
        known = previous.layout, previous.members, previous._failures, previous.states.begun
        return cls(session, previous._place, *known)

    @property
    def layout(self) -> Grid:
        """Layout of the dataset."""
        return self.blocks.layout

    @property
    def written(self) -> int:
        """Bytes that have been written since the last commit, by forks too that are merged."""
        return self._store.written

    @property
    def data(self) -> int:
        """Bytes of the finished members' positions, before compression."""
        return int(np.count_nonzero(self.members.complete)) * self.layout.member_bytes

    def write(self, frames: Frames) -> None:
        """Write accepted frames of members, and mark them complete, or keep the states that they have reached."""
        if frames.state is not None:
            self._write(frames)
            for member, own in zip(frames.members, frames.state, strict=True):
                self.keep(member, own, step=frames.step, frames=frames.last)
            return
        keys = self.layout.keys(frames.members)
        with ThreadPoolExecutor(1) as aside:  # writing and hashing take about as long as each other
            arrays = frames.by_name(self.layout.parts[0])
            parts = [arrays[name] for name in self.layout.parts]
            hashing = aside.submit(member_digests, keys, *parts) if frames.first == 0 else None
            self._write(frames)
            if hashing is not None:
                digests = hashing.result()
            else:
                digests = [
                    member_digest(key, self.blocks.frames(member, frames.last))
                    for key, member in zip(keys, frames.members, strict=True)
                ]
        for member, digest in zip(frames.members, digests, strict=True):
            self.finish(member, digest, steps_done=frames.step)

    def finish(self, member: int, digest: str, *, steps_done: int) -> None:
        """Mark a member complete, whose frames are written."""
        self._mark(member, registry.COMPLETE, steps_done, digest)
        if self._failures:
            self._failures.pop(self.layout.key(member), None)

    def fail(self, members: Sequence[int], *, reason: str, steps_done: int) -> None:
        """Mark members failed."""
        for member in members:
            self._mark(member, registry.FAILED, steps_done)
            self._failures[self.layout.key(member)] = reason[:REASON_LENGTH]

    def reset(self, members: Sequence[int]) -> None:
        """Mark members absent, whatever they are; without any, the attributes that depend on them are written."""
        self.empty = False
        for member in members:
            self._mark(member, registry.ABSENT, -1)

    def keep(self, member: int, state: NDArray[np.float64], *, step: int, frames: int) -> None:
        """Keep the state that a member has reached, whose first frames are written."""
        self._mark(member, registry.ABSENT, step)
        self.states.keep(self.layout.index(member), state, step=step, frames=frames)

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on together, or None if they start from their tokens.

        A damaged checkpoint is passed over with a warning in the log: starting again gives the same bits.
        """
        if not members or len(self.begun(members)) < len(members):
            return None
        try:
            found = self.states.load([self.layout.index(member) for member in members])
            if found is not None:
                for member in members:
                    for _ in self.blocks.frames(member, found.frames):
                        pass
        except CorruptDataset:
            logger.warning("members %s start again: their checkpoint is damaged", tuple(members), exc_info=True)
            return None
        return found

    def begun(self, members: Sequence[int]) -> list[int]:
        """Return those of the members that have a checkpoint."""
        begun = self.states.begun
        return [member for member in members if self.layout.index(member) in begun] if begun else []

    def touched(self, blocks: Iterable[Sequence[int]]) -> bool:
        """Return whether a member that shares a chunk with one of these blocks has changed since the last commit."""
        changed = np.zeros(self.layout.size, np.bool_)
        changed[list(self.changed)] = True
        return any(changed.reshape(self.layout.shape)[self.layout.window(block)].any() for block in blocks)

    def complete_beside(self, members: Sequence[int]) -> list[int]:
        """Return the finished members that share a chunk with these.

        Raises
        ------
        InvalidInput
            If these share no chunk, or one of them is finished itself.
        """
        window = self.layout.window(members)
        places = np.argwhere(self.members.status[window] == registry.COMPLETE) + [part.start for part in window]
        complete: list[int] = np.ravel_multi_index(tuple(places.T), self.layout.shape).tolist()
        if finished := set(complete).intersection(members):
            raise InvalidInput(f"members {tuple(finished)!r:.60} are finished, and are never written again")
        return complete

    def merge(self, changes: Changes) -> None:
        """Take over the frames that a fork has written, once they are checked, and keep the books of its members."""
        self.session.merge(changes.session)
        self._store.written += changes.written
        for member, outcome in changes.outcomes.items():
            if outcome.status == registry.COMPLETE:
                self.finish(member, outcome.digest, steps_done=outcome.steps_done)
            elif outcome.state is None:
                self.fail([member], reason=outcome.reason, steps_done=outcome.steps_done)
            else:
                self.keep(member, outcome.state, step=outcome.steps_done, frames=outcome.frames)

    def extend(self, layout: Grid) -> None:
        """Make the grid that of a wider layout; the members that are new are absent."""
        storage.enlarge(self.group, layout)
        self.members = self.members.enlarged(layout)
        self.members.write(self.group)
        self.blocks = Blocks(self.group, layout)
        self.empty = False

    def commit(self) -> None:
        """Write the bookkeeping and commit; if it raises, the transaction is as before and can be tried again."""
        complete = self.members.complete
        self.members.write(self.group, self.changed)
        attributes: dict[str, Any] = {}
        if complete.all():
            recipe = str(self.layout.attrs.get("recipe_id", ""))
            attributes["digest"] = dataset_digest(recipe, self.members.digest.ravel().tolist())
        elif "digest" in self.group.attrs:
            del self.group.attrs["digest"]
        if self._failures or "failures" in self.group.attrs:
            attributes["failures"] = self._failures
        if attributes:
            self.group.attrs.update(attributes)
        told = f"{np.count_nonzero(complete)} of {counted(complete.size, 'member')}"
        self.session.commit(told, metadata={WRITTEN: self.written})

    def _write(self, frames: Frames) -> None:
        """Write frames; if their chunk is damaged, begin it again unless it holds a finished member."""
        members = frames.members
        complete = self.complete_beside(members)
        try:
            self.blocks.write(frames)
        except CorruptDataset as error:
            if complete:
                raise CorruptDataset(
                    f"finished members that share a chunk with {self.layout.key(members[0])} are damaged; "
                    f"`lmdata repair {self._place}` computes them again"
                ) from error
            window = self.layout.window(members)
            for member in np.arange(self.layout.size).reshape(self.layout.shape)[window].ravel().tolist():
                self.states.drop(self.layout.index(member))
            self.blocks.clear(members)
            self.blocks.write(frames)

    def _mark(self, member: int, status: int, steps_done: int, digest: str = "") -> None:
        """Keep the books of a member; its status comes last, so that an interruption leaves none without its digest."""
        place = self.layout.index(member)
        self.states.drop(place)
        self.changed.add(member)
        self.empty = False
        self.members.steps_done[place] = steps_done
        self.members.digest[place] = digest
        self.members.status[place] = status
