"""What a writer has done since its last commit: where others may commit first, it is done again on top of theirs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lmdata.data.frames import Frames
from lmdata.data.store.changes import Changes
from lmdata.data.store.transaction import Transaction

logger = logging.getLogger(__name__)


class Act(Protocol):
    """One act in a transaction."""

    @property
    def members(self) -> Sequence[int]:
        """What it is done to."""

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps in memory."""

    def apply(self, now: Transaction) -> None:
        """Do it."""

    def unfinished(self, now: Transaction) -> Act | None:
        """Return what is left of it, if others have finished some of the members; None if nothing is."""


def _left(act: Act, now: Transaction) -> list[int]:
    """Return the rows of those members of an act that nobody has finished."""
    done = now.members.complete.ravel()
    left = [row for row, member in enumerate(act.members) if not done[member]]
    if not left:
        logger.info("somebody else has finished members %s", act.members)
    return left


@dataclass(frozen=True, eq=False)
class Written:
    """Frames were written."""

    frames: Frames

    @property
    def members(self) -> Sequence[int]:
        """Whose they are."""
        return self.frames.members

    @property
    def nbytes(self) -> int:
        """Bytes of the frames, and of the states with them."""
        return self.frames.nbytes

    def apply(self, now: Transaction) -> None:
        """Write them."""
        now.write(self.frames)

    def unfinished(self, now: Transaction) -> Written | None:
        """Return those of members that nobody has finished."""
        left = _left(self, now)
        return self if len(left) == len(self.members) else Written(self.frames.of(left)) if left else None


@dataclass(frozen=True, eq=False)
class Failed:
    """Members were marked failed."""

    members: Sequence[int]
    reason: str
    steps_done: int
    nbytes: int = 0

    def apply(self, now: Transaction) -> None:
        """Mark them."""
        now.fail(self.members, reason=self.reason, steps_done=self.steps_done)

    def unfinished(self, now: Transaction) -> Failed | None:
        """Return it for members that nobody has finished."""
        left = [self.members[row] for row in _left(self, now)]
        return replace(self, members=left) if left else None


@dataclass(frozen=True, eq=False)
class Reset:
    """Members were marked absent."""

    members: Sequence[int]
    nbytes: int = 0

    def apply(self, now: Transaction) -> None:
        """Mark them."""
        now.reset(self.members)

    def unfinished(self, now: Transaction) -> Reset:
        """Return all of it: it is about finished members."""
        return self


@dataclass(frozen=True, eq=False)
class Merged:
    """A fork was merged."""

    changes: Changes

    @property
    def members(self) -> Sequence[int]:
        """Whose outcomes it holds."""
        return tuple(self.changes.outcomes)

    @property
    def nbytes(self) -> int:
        """Bytes of the states in it; its frames are kept by the store."""
        return self.changes.nbytes

    def apply(self, now: Transaction) -> None:
        """Merge it."""
        now.merge(self.changes)

    def unfinished(self, now: Transaction) -> Merged | None:
        """Return it if nobody has finished a member in its chunks: it holds older frames of that member."""
        if len(_left(self, now)) < len(self.members):
            return None
        beside = {other for member in self.members for other in now.complete_beside([member])}
        return None if beside.difference(self.changes.complete) else self


class Journal:
    """The acts since the last commit."""

    def __init__(self) -> None:
        self._acts: list[Act] = []
        self.nbytes = 0

    def __iter__(self) -> Iterator[Act]:
        return iter(self._acts)

    def __len__(self) -> int:
        return len(self._acts)

    def add(self, act: Act) -> None:
        """Remember an act."""
        self._acts.append(act)
        self.nbytes += act.nbytes

    def clear(self) -> None:
        """Forget all of them: they are committed."""
        self._acts.clear()
        self.nbytes = 0
