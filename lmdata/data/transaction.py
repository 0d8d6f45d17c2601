"""One transaction of a run store: what is written becomes visible with its commit, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import checkpoints, registry, storage
from lmdata.data.blocks import Blocks
from lmdata.data.checkpoints import Checkpoint
from lmdata.data.digest import dataset_digest, member_digest
from lmdata.data.layout import Layout
from lmdata.data.reading import Bookkeeping, open_group, read_failures, read_layout
from lmdata.errors import CorruptDataset, InvalidInput


class Transaction:
    """The contents of a store as they were committed last, and what has been written since.

    Bookkeeping is kept in memory and written with the commit.

    Parameters
    ----------
    repository
        Of the store.
    place
        Where it is, for messages.
    previous
        The transaction that was committed last, where nobody else can have committed since: what it knows is not
        read again.
    """

    def __init__(self, repository: icechunk.Repository, place: str, previous: Transaction | None = None) -> None:
        self._place = place
        self.session = repository.writable_session("main")
        self.group = zarr.open_group(self.session.store, mode="r+", zarr_format=3)
        self.members: Bookkeeping
        self._failures: dict[str, str]
        self._begun: set[tuple[int, ...]]
        self._changed: set[int] = set()
        self.empty = True
        if previous is not None:
            layout, self.members = previous.layout, previous.members
            self._failures, self._begun = previous._failures, previous._begun
        else:
            layout = read_layout(open_group(self.session.store, place))
            self.members = Bookkeeping.read(self.group)
            self._failures = read_failures(self.group)
            self._begun = checkpoints.kept(self.group)
        self.blocks = Blocks(self.group, layout)

    @property
    def layout(self) -> Layout:
        """Layout of the dataset."""
        return self.blocks.layout

    def put(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        diagnostics: Mapping[str, NDArray[Any]],
        *,
        steps_done: int,
        first_frame: int,
    ) -> None:
        """Write the last frames of members, and mark them complete."""
        self._write(members, position, diagnostics, first_frame)
        for member, own in zip(members, position, strict=True):
            key = self.layout.key(member)
            parts = [own] if first_frame == 0 else self.blocks.frames(member, len(self.layout.time))
            self.members.digest[self.layout.index(member)] = member_digest(key, parts)
            self._mark(member, registry.COMPLETE, steps_done)
            self._failures.pop(key, None)

    def fail(self, members: Sequence[int], *, reason: str, steps_done: int) -> None:
        """Mark members failed."""
        for member in members:
            self._mark(member, registry.FAILED, steps_done)
            self._failures[self.layout.key(member)] = reason

    def reset(self, members: Sequence[int]) -> None:
        """Mark members absent, whatever they are; without any, the attributes that depend on them are written."""
        self.empty = False
        for member in members:
            self._mark(member, registry.ABSENT, -1)

    def checkpoint(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        diagnostics: Mapping[str, NDArray[Any]],
        state: NDArray[np.float64],
        *,
        step: int,
        first_frame: int,
    ) -> None:
        """Write some frames of members, and the state that they have reached."""
        self._write(members, position, diagnostics, first_frame)
        frames = first_frame + position.shape[1]
        for member, own in zip(members, state, strict=True):
            self._mark(member, registry.ABSENT, step)
            checkpoints.keep(self.group, self.layout.index(member), own, step=step, frames=frames)
            self._begun.add(self.layout.index(member))

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on together, or None; a damaged checkpoint raises `CorruptDataset`."""
        places = [self.layout.index(member) for member in members]
        if not places or not self._begun.issuperset(places):
            return None
        found = checkpoints.load(self.group, places)
        if found is not None:
            for member in members:
                for _ in self.blocks.frames(member, found.frames):
                    pass
        return found

    def extend(self, layout: Layout) -> None:
        """Make the grid that of a wider layout; the members that are new are absent."""
        storage.enlarge(self.group, layout)
        self.members = self.members.enlarged(layout)
        self.members.write(self.group)
        self.blocks = Blocks(self.group, layout)
        self.empty = False

    def commit(self) -> None:
        """Write the bookkeeping and commit; if it raises, the transaction is as before and can be tried again."""
        complete = self.members.complete
        self.members.write(self.group, self._changed)
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
        self.session.commit(f"{np.count_nonzero(complete)} of {complete.size} members")

    def _write(
        self, members: Sequence[int], position: NDArray[Any], diagnostics: Mapping[str, NDArray[Any]], first: int
    ) -> None:
        """Write frames; if their chunk is damaged, begin it again unless it holds a finished member."""
        window = self.layout.window(members)
        if finished := [m for m in members if self.members.complete[self.layout.index(m)]]:
            raise InvalidInput(f"members {tuple(finished)!r:.60} are finished, and are never written again")
        try:
            self.blocks.write(members, position, diagnostics, first)
        except CorruptDataset as error:
            if self.members.complete[window].any():
                raise CorruptDataset(
                    f"finished members that share a chunk with {self.layout.key(members[0])} are damaged; "
                    f"`lmdata repair {self._place}` computes them again"
                ) from error
            for member in np.arange(self.layout.size).reshape(self.layout.shape)[window].ravel().tolist():
                self._drop_checkpoint(member)
            self.blocks.clear(members)
            self.blocks.write(members, position, diagnostics, first)

    def _mark(self, member: int, status: int, steps_done: int) -> None:
        place = self.layout.index(member)
        self.members.status[place] = status
        self.members.steps_done[place] = steps_done
        if status != registry.COMPLETE:
            self.members.digest[place] = ""
        self._changed.add(member)
        self.empty = False
        self._drop_checkpoint(member)

    def _drop_checkpoint(self, member: int) -> None:
        place = self.layout.index(member)
        if place in self._begun:
            checkpoints.drop(self.group, place)
            self._begun.remove(place)
