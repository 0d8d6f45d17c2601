"""Frames of members on their way from a kernel to where they are kept, and what takes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lmdata.data.store.checkpoints import Checkpoint

Diagnostics = Mapping[str, "NDArray[Any]"]
"""Further numbers by name, (member, frame, ...) each."""


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of members that share a storage chunk: their last ones, or some and the state that they have reached.

    Parameters
    ----------
    members
        Their numbers; all are at the same step.
    position : (member, time, token, component)
        Their frames from ``first`` on; of a training run, those of the first of its parts (member, iteration, ...).
    diagnostics
        For the same frames: diagnostics, and the other parts of a training run.
    first
        Frames before it were taken earlier.
    step
        Number of steps computed.
    state : (member, token, component) float64, optional
        Where members go on that are not finished, exact also where positions are stored as float32.
    """

    members: Sequence[int]
    position: NDArray[Any]
    diagnostics: Diagnostics
    first: int
    step: int
    state: NDArray[np.float64] | None = None

    @property
    def last(self) -> int:
        """The frame after the last of them."""
        return self.first + int(self.position.shape[1])

    def by_name(self, first: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of frames by the name of their variable, the positions under ``first``."""
        return {first: self.position, **self.diagnostics}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.position, self.state, *self.diagnostics.values())
        return sum(int(array.nbytes) for array in arrays if array is not None)

    def of(self, rows: Sequence[int]) -> Frames:
        """Return those of some members, by their rows."""
        chosen = list(rows)
        return replace(
            self,
            members=[self.members[row] for row in chosen],
            position=self.position[chosen],
            diagnostics={name: values[chosen] for name, values in self.diagnostics.items()},
            state=None if self.state is None else self.state[chosen],
        )


class Sink(ABC):
    """What takes frames: a `lmdata.data.store.writer.RunStore`, a fork of one, or arrays in memory."""

    @abstractmethod
    def take(self, frames: Frames) -> None:
        """Take frames of members."""

    @abstractmethod
    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Take note that members cannot be computed, and why."""

    def begun(self, members: Sequence[int]) -> list[int]:
        """Return those of the members that stand at a checkpoint."""
        return []

    def last_checkpoint(self, members: Sequence[int]) -> Checkpoint | None:
        """Return where the members can go on together, or None if they start from their tokens."""
        return None

    def put(
        self,
        members: Sequence[int],
        position: NDArray[Any],
        *,
        steps_done: int,
        diagnostics: Diagnostics | None = None,
        first_frame: int = 0,
    ) -> None:
        """Take the last frames of members, which are then finished.

        Parameters
        ----------
        members
            Numbers of members that share a storage chunk.
        position : (member, time, token, component)
            Their frames from ``first_frame`` to the last.
        steps_done
            Number of steps computed.
        diagnostics
            Each (member, time), for the same frames.
        first_frame
            Frames before it were taken by `checkpoint`.
        """
        self.take(Frames(members, position, diagnostics or {}, first_frame, steps_done))

    def checkpoint(
        self,
        members: Sequence[int],
        *,
        step: int,
        state: NDArray[np.float64],
        position: NDArray[Any],
        first_frame: int,
        diagnostics: Diagnostics | None = None,
    ) -> None:
        """Take the frames since the last checkpoint, and the state reached, of members that are not finished.

        Parameters
        ----------
        members
            As for `put`; all are at the same step.
        step
            Number of steps computed.
        state : (member, token, component) float64
            State after them.
        position, first_frame, diagnostics
            As for `put`; may hold no frame at all.
        """
        self.take(Frames(members, position, diagnostics or {}, first_frame, step, state))
