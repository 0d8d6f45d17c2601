"""What a writer has done since its last commit: where others may commit first, it is done again on top of theirs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from lmdata.data.store.transaction import Transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Entry:
    """One act in a transaction.

    Parameters
    ----------
    act
        Method of `lmdata.data.store.transaction.Transaction`.
    members
        What it is done to.
    rows
        Arrays with a row for each of them, or mappings to such arrays, or what came back of a fork.
    fixed
        Other arguments.
    """

    act: str
    members: Sequence[int]
    rows: tuple[Any, ...]
    fixed: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps in memory; the frames of forks are kept by the store."""
        parts = [part.values() if isinstance(part, Mapping) else [part] for part in self.rows]
        return sum(part.nbytes for part in chain(*parts))

    def apply(self, now: Transaction) -> None:
        """Do it."""
        getattr(now, self.act)(self.members, *self.rows, **self.fixed)

    def unfinished(self, now: Transaction) -> Entry | None:
        """Return what is left of it, if others have finished some of the members; None if nothing is.

        Nothing is left of a fork if any member in its chunks was finished: they hold older frames of that member.
        """
        if self.act == "reset":
            return self
        done = now.members.complete.ravel()
        left = [row for row, member in enumerate(self.members) if not done[member]]
        if self.act == "merge" and (
            len(left) < len(self.members) or self._beside(now).difference(self.rows[0].complete)
        ):
            left = []
        if len(left) == len(self.members):
            return self
        if not left:
            logger.info("somebody else has finished members %s", self.members)
            return None
        rows = tuple(_pick(part, left) for part in self.rows)
        return replace(self, members=[self.members[row] for row in left], rows=rows)

    def _beside(self, now: Transaction) -> set[int]:
        """Return the finished members that share a chunk with these."""
        return {other for member in self.members for other in now.complete_beside([member])}


def _pick(rows: Any, left: list[int]) -> Any:
    """Return some rows of an array, or of every array of a mapping."""
    return {name: values[left] for name, values in rows.items()} if isinstance(rows, Mapping) else rows[left]


class Journal:
    """The acts since the last commit."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.nbytes = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Remember an act."""
        self._entries.append(entry)
        self.nbytes += entry.nbytes

    def clear(self) -> None:
        """Forget all of them: they are committed."""
        self._entries.clear()
        self.nbytes = 0
