"""Forks: parts of a transaction that workers write, and the checks without which none is merged.

icechunk merges forks that overlap without a word, and does not miss one that is forgotten. Here each fork may write
the storage chunks of its own blocks, which are in no other fork and are not written by the coordinator meanwhile, and
a member is marked complete only if every chunk of it is there. Workers write frames; bookkeeping and checkpoints are
written by the coordinator alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import icechunk

from lmdata.data import registry
from lmdata.data.frames import Frames, Sink
from lmdata.data.grid import Grid
from lmdata.data.store.changes import Block, Changes, Chunk, Fork, Outcome
from lmdata.data.store.checkpoints import Checkpoint, Held
from lmdata.data.store.reading import Bookkeeping
from lmdata.data.store.transaction import Transaction
from lmdata.errors import StoreError


class ForkWriter(Sink):
    """The worker's end of a fork: frames are written, everything else is noted for the coordinator.

    It takes what a writer of the store takes. Writing twice, as the tasks of lost workers do, does no harm: one of
    the two is merged, and what the other wrote belongs to no commit.

    Parameters
    ----------
    fork
        From `lmdata.data.store.writer.RunStore.fork`.
    layout
        Of the store.
    """

    def __init__(self, fork: Fork, layout: Grid) -> None:
        members = Bookkeeping.empty(layout)
        for member in fork.complete:
            members.status[layout.index(member)] = registry.COMPLETE
        self._fork = fork
        self._now = Transaction(fork.session, fork.place, layout, members, {}, fork.begun, Held)
        self._written: dict[int, tuple[int, int]] = {}
        self._reasons: dict[int, str] = {}

    def take(self, frames: Frames) -> None:
        """Write frames of members; see `lmdata.data.store.writer.RunStore.take`."""
        self._now.write(self._now.blocks.accept(frames))
        for member in frames.members:
            begin, _ = self._written.get(member, (frames.first, 0))
            self._written[member] = (min(begin, frames.first), frames.last)

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Note that members cannot be computed."""
        failed = list(members)
        self._now.fail(failed, reason=reason, steps_done=steps_done)
        self._reasons.update(dict.fromkeys(failed, reason))

    def begun(self, members: Sequence[int]) -> list[int]:
        """Return those of the members that stand at a checkpoint."""
        return self._now.begun(members)

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where members stood at the last commit."""
        return self._now.last_checkpoint(members)

    def changes(self) -> Changes:
        """Return what the coordinator merges."""
        book, layout, states = self._now.members, self._now.layout, self._now.states
        assert isinstance(states, Held)
        outcomes = {}
        for member in sorted(self._now.changed):
            place = layout.index(member)
            first, frames = self._written.get(member, (0, 0))
            outcomes[member] = Outcome(
                status=int(book.status[place]),
                steps_done=int(book.steps_done[place]),
                digest=str(book.digest[place]),
                first=first,
                frames=frames,
                reason=self._reasons.get(member, ""),
                state=states.reached.get(place),
            )
        return Changes(self._fork.number, self._fork.session, outcomes, self._fork.complete, self._now.written)


class Forks:
    """The forks of one writer that are out.

    Parameters
    ----------
    place
        Where the store is, for messages.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._out: dict[int, Fork] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._out)

    @property
    def bases(self) -> set[str]:
        """The commits that forks read which are out."""
        return {fork.session.snapshot_id for fork in self._out.values()}

    def give(self, now: Transaction, session: icechunk.ForkSession, blocks: Sequence[Block]) -> Fork:
        """Give blocks out, none of which is out yet.

        Raises
        ------
        InvalidInput
            If the members of a block share no chunk.
        StoreError
            If a block is out already: two forks would overlap.
        """
        complete: list[int] = []
        taken = self._taken(now.layout)
        for block in blocks:
            corner = _corner(now.layout, block)
            if corner in taken:
                raise StoreError(f"members {block!r:.60} of {self._place} are in another fork, or twice in this one")
            taken.add(corner)
            complete += now.complete_beside(block)
        members = [member for block in blocks for member in block]
        begun = tuple(now.layout.index(member) for member in now.begun(members))
        fork = Fork(next(self._numbers), self._place, session, tuple(blocks), tuple(complete), begun)
        self._out[fork.number] = fork
        return fork

    def refuse(self, layout: Grid, members: Iterable[int]) -> None:
        """Refuse to change members whose chunk is out: what comes back of the fork would undo it.

        Raises
        ------
        StoreError
            If one of them is.
        """
        taken = self._taken(layout)
        for member in members if taken else ():
            if _corner(layout, [member]) in taken:
                raise StoreError(
                    f"member {member} of {self._place} shares its chunk with a fork that is out; merge it first"
                )

    def _taken(self, layout: Grid) -> set[tuple[int, ...]]:
        """Return the chunks that are out."""
        return {_corner(layout, block) for fork in self._out.values() for block in fork.blocks}

    def take(self, number: int) -> Fork:
        """Take a fork back.

        Raises
        ------
        StoreError
            If it is not out: it was merged before, or belongs to another run.
        """
        if number not in self._out:
            raise StoreError(f"fork {number} of {self._place} is not out: it was merged before, or was never made")
        return self._out.pop(number)

    def clear(self) -> None:
        """Forget all that are out: their members stay absent."""
        self._out.clear()


def check(now: Transaction, fork: Fork, changes: Changes) -> None:
    """Check that a fork holds what it says, and nothing else.

    Raises
    ------
    StoreError
        If it holds anything but chunks of its own blocks, or a frame that it reports is in no chunk.
    """
    written = set(_written(changes.session, fork))
    own = {chunk for block in fork.blocks for chunk in _chunks(now.layout, block, 0, now.layout.frames)}
    if foreign := written - own:
        raise StoreError(f"fork {fork.number} of {fork.place} has written {min(foreign)}, which is not its own")
    for member, outcome in changes.outcomes.items():
        if not any(member in block for block in fork.blocks):
            raise StoreError(f"fork {fork.number} of {fork.place} reports member {member}, which is not its own")
        if outcome.status == registry.COMPLETE and outcome.frames != now.layout.frames:
            raise StoreError(f"fork {fork.number} of {fork.place} ends member {member} before its last frame")
        forgotten = set(_chunks(now.layout, [member], outcome.first, outcome.frames)) - written
        for chunk in set(_chunks(now.layout, [member], 0, outcome.first)) - written:
            if now.session.chunk_type(f"/{chunk[0]}", chunk[1]) == icechunk.ChunkType.uninitialized:
                forgotten.add(chunk)
        if forgotten:
            raise StoreError(
                f"fork {fork.number} of {fork.place} reports frames of member {member} that it has not written: "
                f"{min(forgotten)}"
            )


def _corner(layout: Grid, block: Sequence[int]) -> tuple[int, ...]:
    return tuple(part.start for part in layout.window(block))


def _chunks(layout: Grid, block: Sequence[int], first: int, last: int) -> Iterator[Chunk]:
    """Yield the chunks of all variables that hold the frames from ``first`` up to ``last`` of members that share one.

    There is none where there is no frame: a stretch of many steps may record nothing.
    """
    if first == last:
        return
    *grid, frames = layout.chunk
    place = [start // size for start, size in zip(_corner(layout, block), grid, strict=True)]
    for time in range(first // frames, -(-last // frames)):
        for name in layout.written:
            whole = len(layout.dimensions(name)) - len(layout.chunk)  # tokens and components are never split
            yield name, (*place, time, *(0,) * whole)


def _written(session: icechunk.ForkSession, fork: Fork) -> Iterator[Chunk]:
    """Yield the chunks that a fork has written.

    Raises
    ------
    StoreError
        If it has written anything else.
    """
    diff = session.status()
    others = ("new", "updated", "deleted")
    nodes = [getattr(diff, f"{how}_{kind}") for how in others for kind in ("arrays", "groups")]
    if any(nodes) or diff.moved_nodes:
        raise StoreError(f"fork {fork.number} of {fork.place} has changed more than frames: {diff!s:.200}")
    for path, places in diff.updated_chunks.items():
        for place in places:
            yield path.removeprefix("/"), tuple(place)
