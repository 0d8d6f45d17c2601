"""Runs without a store: arrays take what is computed, and become the dataset that a store would hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmdata.data.digest import member_digests
from lmdata.data.frames import Frames, Sink
from lmdata.data.registry import COMPLETE, FAILED

if TYPE_CHECKING:
    import xarray

    from lmdata.data.grid import Grid


class Memory(Sink):
    """Arrays that take the frames of a run; a row a member.

    Parameters
    ----------
    layout
        Of the dataset that they become.
    """

    def __init__(self, layout: Grid) -> None:
        self.layout = layout
        self._fills = {name: layout.variable(name).fill for name in layout.written}
        self.arrays = {
            name: np.full((layout.size, layout.frames, *layout.tail(name)), fill, layout.dtypes(name))
            for name, fill in self._fills.items()
        }
        self.status = np.zeros(layout.size, np.uint8)
        self.steps_done = np.full(layout.size, -1)

    def take(self, frames: Frames) -> None:
        """Keep the frames, and mark members complete that are finished; of states memory has no use."""
        rows, window = list(frames.members), slice(frames.first, frames.last)
        for name, values in frames.by_name(self.layout.parts[0]).items():
            self.arrays[name][rows, window] = values
        if frames.state is None:
            self.status[rows] = COMPLETE
            self.steps_done[rows] = frames.step

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Mark the members failed; none of their frames is kept."""
        rows = list(members)
        for name, array in self.arrays.items():
            array[rows] = self._fills[name]
        self.status[rows] = FAILED
        self.steps_done[rows] = steps_done

    def dataset(self) -> xarray.Dataset:
        """Return the dataset."""
        from lmdata.data.layout import assemble

        layout = self.layout
        complete = np.flatnonzero(self.status == COMPLETE)
        parts = [self.arrays[name] for name in layout.parts]
        if len(complete) < layout.size:
            parts = [part[complete] for part in parts]
        digests = np.zeros(layout.size, "<U64")
        digests[complete] = member_digests(layout.keys(complete.tolist()), *parts)
        shaped = {name: array.reshape(*layout.shape, *array.shape[1:]) for name, array in self.arrays.items()}
        return assemble(
            layout,
            shaped.pop(layout.parts[0]),
            status=self.status.reshape(layout.shape),
            digest=digests.reshape(layout.shape),
            steps_done=self.steps_done.reshape(layout.shape),
            diagnostics=shaped,
        )


def in_memory(layout: Grid, compute: Callable[[Iterable[Sequence[int]], Sink], None]) -> xarray.Dataset:
    """Compute every member, and return the dataset.

    Parameters
    ----------
    layout
        Of the dataset.
    compute
        Takes blocks of members, and what their frames are handed to.
    """
    memory = Memory(layout)
    compute(layout.blocks(), memory)
    return memory.dataset()
