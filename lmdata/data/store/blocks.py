"""Frames of members in the storage chunks that they share: written whole chunks at a time, read member by member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data.frames import Frames
from lmdata.data.layout import Layout
from lmdata.data.store import storage
from lmdata.data.store.prevented import fetched
from lmdata.errors import CorruptDataset, InvalidInput
from lmdata.wording import counted


class Blocks:
    """Positions and diagnostics of a group that is open for writing.

    Parameters
    ----------
    group
        Root group of a writable session.
    layout
        Layout of the dataset in it.
    """

    def __init__(self, group: zarr.Group, layout: Layout) -> None:
        self.layout = layout
        self._arrays = {name: storage.array(group, name, missing=True) for name in ("position", *layout.diagnostics)}

    def accept(self, frames: Frames) -> Frames:
        """Check frames of members, and return them with positions as they are stored.

        Raises
        ------
        InvalidInput
            If they do not fit the layout, or a position is not finite.
        """
        members, first, diagnostics = frames.members, frames.first, frames.diagnostics
        stored = np.ascontiguousarray(frames.position, dtype=self.layout.dtype)
        end = first + (stored.shape[1] if stored.ndim == 4 else 0)
        expected = (len(members), end - first, self.layout.tokens, self.layout.components)
        if stored.shape != expected or not 0 <= first <= end <= len(self.layout.time):
            raise InvalidInput(
                f"position has shape {stored.shape} from frame {first} on; members {tuple(members)!r:.60} need "
                f"{expected}, and the record has {counted(len(self.layout.time), 'frame')}"
            )
        if frames.state is None and end != len(self.layout.time):
            raise InvalidInput(f"position ends before the last of {counted(len(self.layout.time), 'frame')}")
        if not np.isfinite(stored).all():
            raise InvalidInput("position has values that are not finite; mark such members with fail()")
        if set(diagnostics) != set(self.layout.diagnostics):
            raise InvalidInput(f"diagnostics are {sorted(diagnostics)}, declared are {sorted(self.layout.diagnostics)}")
        state = None if frames.state is None else np.ascontiguousarray(frames.state, np.float64)
        return replace(frames, position=stored, state=state)

    def write(self, frames: Frames) -> None:
        """Write accepted frames of members that share a chunk.

        Raises
        ------
        CorruptDataset
            If the chunk holds other members, and is damaged.
        """
        members = frames.members
        window = self.layout.window(members)
        region = (*window, slice(frames.first, frames.last))
        shape = [part.stop - part.start for part in window]
        places = np.array([self.layout.index(member) for member in members])
        local = tuple((places - [part.start for part in window]).T)
        for name, values in {"position": frames.position, **frames.diagnostics}.items():
            if frames.first == frames.last:
                continue
            if len(members) == np.prod(shape) and list(members) == sorted(members):
                self._arrays[name][region] = np.reshape(values, (*shape, *values.shape[1:]))
            else:
                block = self._read(name, region)
                block[local] = values
                self._arrays[name][region] = block

    def clear(self, members: Sequence[int]) -> None:
        """Begin the chunk that these members share again, whatever it holds."""
        window = self.layout.window(members)
        for array in self._arrays.values():
            array[window] = array.fill_value

    def frames(self, member: int, count: int) -> Iterator[NDArray[Any]]:
        """Yield the first ``count`` positions of a member, a chunk at a time.

        Raises
        ------
        CorruptDataset
            If they are damaged or missing.
        """
        length = self.layout.chunk[-1]
        for start in range(0, count, length):
            stored = self._read("position", (*self.layout.index(member), slice(start, min(start + length, count))))
            if not np.isfinite(stored).all():
                raise CorruptDataset(f"stored frames of member {self.layout.key(member)} are missing")
            yield stored

    def _read(self, name: str, region: tuple[Any, ...]) -> NDArray[Any]:
        return fetched(lambda: np.asarray(self._arrays[name][region]), f"{name} of unfinished members cannot be read")
