"""What goes to a worker and comes back: forks of a transaction, and what was done in them."""

from __future__ import annotations

from dataclasses import dataclass

import icechunk
import numpy as np
from numpy.typing import NDArray

from lmdata.data.store.checkpoints import Member

Chunk = tuple[str, tuple[int, ...]]
"""A storage chunk: name of its variable, and its place in the grid of chunks."""

Block = tuple[int, ...]
"""Members that share a storage chunk."""


@dataclass(frozen=True, eq=False)
class Fork:
    """What a worker needs in order to write some blocks of a store; small, and sent as it is.

    Parameters
    ----------
    number
        Of the fork, unique in its writer.
    place
        Where the store is, for messages.
    session
        Of icechunk, on the last commit.
    blocks
        Members to be computed.
    complete
        Members that share a chunk with them, and are finished.
    begun
        Places in the grid of those that have a checkpoint.
    """

    number: int
    place: str
    session: icechunk.ForkSession
    blocks: tuple[Block, ...]
    complete: tuple[int, ...]
    begun: tuple[Member, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """How far a worker has brought a member.

    Parameters
    ----------
    status, steps_done, digest
        As in the registry.
    first, frames
        Frames from ``first`` up to ``frames`` were written, those before are in the store.
    reason
        Why it failed.
    state : (token, component) float64, optional
        Where it goes on, if it is not finished.
    """

    status: int
    steps_done: int
    digest: str
    first: int
    frames: int
    reason: str = ""
    state: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Changes:
    """What comes back of a fork: its session, the outcomes of what was touched, who was complete beside it, and bytes.

    ``written`` counts what was written to the disk.
    """

    number: int
    session: icechunk.ForkSession
    outcomes: dict[int, Outcome]
    complete: tuple[int, ...]
    written: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the states in it: frames are in the store."""
        return sum(outcome.state.nbytes for outcome in self.outcomes.values() if outcome.state is not None)
