"""The grid of members of a dataset: their places, their keys, and the storage chunks that they share.

Every kind of run is such a grid; what stands at each member is said by a layout: `lmdata.data.layout.Layout` of tokens
that move, `lmdata.data.training.TrainingLayout` of training runs.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import Any, ClassVar, Self

import numpy as np

from lmdata.data.digest import canonical_json
from lmdata.data.registry import BOOKKEEPING, Variable
from lmdata.errors import InvalidInput

BOOKKEEPING_MEMBERS = 1024
"""Members in a chunk of ``status``, ``digest`` and ``steps_done``: a commit rewrites one chunk of each."""


class Grid(ABC):
    """Members in a grid, and what the store asks of a layout of any kind; frozen.

    A member has frames. Of its variables, `parts` are its result, which its digest covers, in this order; the
    `diagnostics` are remarks beside it. All of them have a row a frame.
    """

    form: ClassVar[str]
    """Name of the kind of dataset, in a store's attribute ``lmdata_form``."""
    swept: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    dtype: str
    diagnostics: tuple[str, ...]
    attrs: Mapping[str, Any]
    chunk: tuple[int, ...]

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (hex) of all of it: what was declared is compared with what is read back."""

    @property
    @abstractmethod
    def axes(self) -> Mapping[str, Sequence[Any]]:
        """Values along the dimensions of the grid: swept parameters first, the seed last."""

    @property
    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """Names of the variables that a member's digest covers."""

    @property
    @abstractmethod
    def sizes(self) -> Mapping[str, int]:
        """Size of every dimension."""

    @property
    @abstractmethod
    def frames(self) -> int:
        """Number of frames of a member."""

    @abstractmethod
    def variable(self, name: str) -> Variable:
        """Return the declaration of a variable of this dataset."""

    @abstractmethod
    def coords(self) -> dict[str, Any]:
        """Return the coordinates as xarray takes them: name -> (dims, values, attributes)."""

    def extends(self, other: Any) -> bool:
        """Return whether this is ``other`` with more seeds or swept values at the end, and other attributes."""
        return False

    def with_chunk(self, chunk: tuple[int, ...]) -> Self:
        """Return the layout with another storage chunk."""
        return dataclasses.replace(self, chunk=chunk)  # type: ignore[type-var]

    def given(self) -> dict[str, Any]:
        """Return the variables that are known before anything is computed, and are stored, as `coords` does."""
        return {}

    def numbers(self) -> dict[str, Any]:
        """Return coordinates that follow from the others and are not stored, as `coords` does."""
        return {}

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the dimensions of a variable of this dataset."""
        return self.variable(name).dimensions(tuple(self.swept))

    def dtypes(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a variable of this dataset."""
        return np.dtype(self.dtype if name in self.parts else self.variable(name).dtype)

    @property
    def written(self) -> tuple[str, ...]:
        """Names of the variables that have a row a frame."""
        return (*self.parts, *self.diagnostics)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that are stored for members."""
        return (*self.parts, *BOOKKEEPING, *self.diagnostics)

    def tail(self, name: str) -> tuple[int, ...]:
        """Return the shape of one frame of a variable."""
        return tuple(self.sizes[dim] for dim in self.dimensions(name)[len(self.shape) + 1 :])

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid of members."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def size(self) -> int:
        """Number of members."""
        return math.prod(self.shape)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame of one member."""
        return sum(math.prod(self.tail(name)) for name in self.parts) * np.dtype(self.dtype).itemsize

    @property
    def member_bytes(self) -> int:
        """Bytes of one member."""
        return self.frames * self.frame_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of all members, before compression."""
        return self.size * self.member_bytes

    def index(self, member: int) -> tuple[int, ...]:
        """Return the place of a member in the grid (C order)."""
        left, place = int(member), []
        for length in reversed(self.shape):
            left, i = divmod(left, length)
            place.append(i)
        if left != 0:
            raise InvalidInput(f"member is {member}; their numbers go from 0 to {self.size - 1}")
        return tuple(reversed(place))

    def coordinates(self, member: int) -> dict[str, float]:
        """Return a member's swept values, and what else its place is, by name; the seed is a whole number."""
        place = self.index(member)
        found = {name: column[i] for (name, column), i in zip(self.axes.items(), place, strict=True)}
        return {name: int(value) if name == "seed" else float(value) for name, value in found.items()}

    def key(self, member: int) -> str:
        """Return a member's key: `lmdata.data.digest.member_key` of its coordinates, put together of parts."""
        place = self.index(member)
        return "{" + ",".join([parts[place[axis]] for axis, parts in self._key_parts]) + "}"

    def keys(self, members: Sequence[int]) -> list[str]:
        """Return the key of each of the members."""
        numbers = np.asarray(members, np.int64)
        for wrong in numbers[(numbers < 0) | (numbers >= self.size)][:1]:
            self.index(wrong)  # says what is allowed
        places = np.unravel_index(numbers, self.shape)
        columns = [[parts[i] for i in places[axis].tolist()] for axis, parts in self._key_parts]
        return ["{" + ",".join(parts) + "}" for parts in zip(*columns, strict=True)]

    @cached_property
    def _key_parts(self) -> list[tuple[int, list[str]]]:
        """What each value adds to a key, by axis of the grid, in the order of the names."""
        columns: list[tuple[str, list[str]]] = [
            (name, [str(int(value)) if name == "seed" else repr(float(value)) for value in values])
            for name, values in self.axes.items()
        ]
        return [
            (axis, [f"{label}:{value}" for value in values])
            for axis, (name, values) in sorted(enumerate(columns), key=lambda item: item[1][0])
            for label in [canonical_json(name)]
        ]

    def chunks(self, name: str) -> tuple[int, ...]:
        """Return the storage chunk of a variable over the grid of members."""
        if len(self.dimensions(name)) == len(self.shape):
            return chunk_of(self.shape, BOOKKEEPING_MEMBERS)
        return (*self.chunk, *self.tail(name))

    def blocks(self) -> Iterator[tuple[int, ...]]:
        """Yield the members of each storage chunk, in grid order: the units of writing."""
        chunk = self.chunk[:-1]
        numbers = np.arange(self.size).reshape(self.shape)
        starts = [range(0, length, step) for length, step in zip(self.shape, chunk, strict=True)]
        for corner in product(*starts):
            window = tuple(slice(i, i + step) for i, step in zip(corner, chunk, strict=True))
            yield tuple(numbers[window].ravel().tolist())

    def window(self, members: Sequence[int]) -> tuple[slice, ...]:
        """Return the part of the grid that shares a storage chunk with the first of the members.

        Raises
        ------
        InvalidInput
            If a member is not in the dataset, occurs twice, or lies in another chunk.
        """
        if len(members) == 0 or len(set(members)) != len(members):
            raise InvalidInput(f"members are {tuple(members)}; give at least one, none of them twice")
        if min(members) < 0 or max(members) >= self.size:
            raise InvalidInput(f"members are {tuple(members)!r:.60}; their numbers go from 0 to {self.size - 1}")
        chunk = self.chunk[:-1]
        places = np.stack(np.unravel_index(members, self.shape), axis=-1)
        corner, *others = np.unique(places // chunk, axis=0) * chunk
        if others:
            raise InvalidInput(f"members {tuple(members)!r:.60} lie in several storage chunks")
        return tuple(
            slice(int(start), min(int(start + step), size))
            for start, step, size in zip(corner, chunk, self.shape, strict=True)
        )


def chunk_of(shape: tuple[int, ...], members: int) -> tuple[int, ...]:
    """Return a chunk of ``shape`` with about ``members`` elements, filled from the last dimension backwards.

    Examples
    --------
    >>> chunk_of((10, 20), 16), chunk_of((10, 20), 50), chunk_of((30, 30, 1), 100)
    ((1, 10), (3, 20), (4, 30, 1))
    """
    chunk: list[int] = []
    for length in reversed(shape):
        parts = -(-length // min(length, members))
        chunk.append(-(-length // parts))
        members = 1 if parts > 1 else -(-members // length)
    return tuple(reversed(chunk))
