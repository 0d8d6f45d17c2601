"""Frames of members in the storage chunks that they share: written whole chunks at a time, read member by member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data.frames import Frames
from lmdata.data.grid import Grid
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

    def __init__(self, group: zarr.Group, layout: Grid) -> None:
        self.layout = layout
        self._arrays = {name: storage.array(group, name, missing=True) for name in layout.written}

    def accept(self, frames: Frames) -> Frames:
        """Check frames of members, and return them with positions as they are stored.

        Raises
        ------
        InvalidInput
            If they do not fit the layout, or a number that the digest covers is not finite.
        """
        layout, first, shape = self.layout, frames.first, np.shape(frames.position)
        end = first + (shape[1] if len(shape) > 1 else 0)
        arrays = frames.by_name(layout.parts[0])
        if set(arrays) != set(layout.written):
            declared = sorted(set(layout.written) - {layout.parts[0]})
            raise InvalidInput(f"diagnostics are {sorted(frames.diagnostics)}, declared are {declared}")
        for name in layout.parts:
            stored = arrays[name] = np.ascontiguousarray(arrays[name], dtype=layout.dtype)
            expected = (len(frames.members), end - first, *layout.tail(name))
            if stored.shape != expected or not 0 <= first <= end <= layout.frames:
                raise InvalidInput(
                    f"{name} has shape {stored.shape} from frame {first} on; members {tuple(frames.members)!r:.60} "
                    f"need {expected}, and the record has {counted(layout.frames, 'frame')}"
                )
            if frames.state is None and end != layout.frames:
                raise InvalidInput(f"{name} ends before the last of {counted(layout.frames, 'frame')}")
            if not np.isfinite(stored).all():
                raise InvalidInput(f"{name} has values that are not finite; mark such members with fail()")
        state = None if frames.state is None else np.ascontiguousarray(frames.state, np.float64)
        return replace(frames, position=arrays.pop(layout.parts[0]), diagnostics=arrays, state=state)

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
        for name, values in frames.by_name(self.layout.parts[0]).items():
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
        """Yield the first ``count`` frames of what a member's digest covers, a chunk at a time.

        Raises
        ------
        CorruptDataset
            If they are damaged or missing.
        """
        length = self.layout.chunk[-1]
        for name, start in product(self.layout.parts, range(0, count, length)):
            stored = self._read(name, (*self.layout.index(member), slice(start, min(start + length, count))))
            if not np.isfinite(stored).all():
                raise CorruptDataset(f"stored frames of member {self.layout.key(member)} are missing")
            yield stored

    def _read(self, name: str, region: tuple[Any, ...]) -> NDArray[Any]:
        return fetched(lambda: np.asarray(self._arrays[name][region]), f"{name} of unfinished members cannot be read")
