"""The layout of a dataset: grid of members, coordinates and storage chunks; and the dataset in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.digest import canonical_json, dataset_digest, sha256_of_json
from lmdata.data.identity import model_ids, steps_of
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_text
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray as xr

MiB = 2**20
BLOCK_BYTES = 8 * MiB
"""Small members share a storage chunk until it has this size: below, each chunk costs more than its bytes."""
CHUNK_BYTES = 64 * MiB
"""A member beyond this size is split along time, into chunks of at most this size."""
FRAME_BYTES = 2**31 - 2**20
"""One frame of one member is never split, so that it has to fit the compressor's limit."""
MEMBERS = 2**20
"""Most members that a dataset may have: their bookkeeping is held in memory."""
BOOKKEEPING_MEMBERS = 1024
"""Members in a chunk of ``status``, ``digest`` and ``steps_done``: a commit rewrites one chunk of each."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything about a dataset but its numbers.

    Parameters
    ----------
    swept
        Values of each swept parameter, in the order of the dimensions.
    seeds
        Seeds of the members.
    time
        Coordinate of the recorded frames: int64 step numbers or float64 model time.
    time_unit
        Unit of ``time``: ``step`` or ``1``.
    labels
        Words of the tokens, or None for tokens that have none.
    tokens, components
        Sizes n and d.
    dtype
        Of the stored positions.
    diagnostics
        Names of diagnostic variables in the registry, each (swept, seed, time); they are kept sorted.
    attrs
        Attributes of the dataset: recipe, recipe_id, model, tokens, ... (JSON values).
    chunk
        Size of a storage chunk of positions along each swept parameter, seed and time; chosen by size if it is
        not given: a block of members of about 8 MiB, or one member, or at most 64 MiB of the frames of one very
        long member. Tokens and components are never split.
    foreign
        What a store itself says of diagnostics that models of other packages have declared.

    Raises
    ------
    InvalidInput
        If a coordinate is empty, has duplicates or NaN, or does not fit the sizes.
    UnknownName
        If a diagnostic is not declared in the registry.

    Examples
    --------
    >>> layout = Layout(swept={"influence": (0.5, 1.0)}, seeds=(0, 1, 2), time=np.arange(4), time_unit="step",
    ...                 labels=None, tokens=5, components=2)
    >>> layout.shape, layout.size, layout.key(4)
    ((2, 3), 6, '{"influence":1.0,"seed":1}')
    """

    swept: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    time: NDArray[Any]
    time_unit: str
    labels: tuple[str, ...] | None
    tokens: int
    components: int
    dtype: str = "float64"
    diagnostics: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    chunk: tuple[int, ...] = ()
    foreign: Mapping[str, registry.Variable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dtype not in ("float64", "float32"):
            raise InvalidInput(f"dtype is {self.dtype!r}; positions are stored as 'float64' or 'float32'")
        for name, values in (*self.swept.items(), ("seed", self.seeds), ("time", self.time)):
            column = np.asarray(values)
            if column.ndim != 1 or column.size == 0:
                raise InvalidInput(f"{name} has shape {column.shape}; give a sequence of at least one value")
            if not np.all(np.isfinite(column)) or np.unique(column).size != column.size:
                raise InvalidInput(f"{name} has values that are not finite or occur twice: {column.tolist()!r:.200}")
        if taken := set(self.swept).intersection(registry.of_data()):
            raise InvalidInput(f"swept parameter {min(taken)!r} has the name of a variable; rename it")
        for name in ("tokens", "components"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}; at least 1 is needed")
        if self.labels is not None and not len(set(self.labels)) == len(self.labels) == self.tokens:
            raise InvalidInput(
                f"labels are {counted(len(self.labels), 'word')}; "
                f"distinct ones are needed for {counted(self.tokens, 'token')}"
            )
        for i, label in enumerate(self.labels or ()):
            as_text(label, f"labels[{i}]")
        if self.size > MEMBERS:
            raise InvalidInput(f"the sweep has {self.size} members; a dataset has at most {MEMBERS}: split the sweep")
        if self.frame_bytes > FRAME_BYTES:
            raise InvalidInput(
                f"one frame of {self.tokens} x {self.components} numbers has {self.frame_bytes} B; "
                f"at most {FRAME_BYTES} can be stored in one piece: use fewer tokens or dtype='float32'"
            )
        object.__setattr__(self, "diagnostics", tuple(sorted(self.diagnostics)))
        for name in self.diagnostics:
            if self.variable(name).role != "diagnostic":
                raise InvalidInput(f"diagnostics has {name!r}, which is declared as something else")
        if not self.chunk:
            object.__setattr__(self, "chunk", self._chosen_chunk())
        elif len(self.chunk) != len(self.shape) + 1 or min(self.chunk) < 1:
            raise InvalidInput(f"chunk is {self.chunk}; give a size along each swept parameter, seed and time")

    def _chosen_chunk(self) -> tuple[int, ...]:
        members = chunk_of(self.shape, -(-BLOCK_BYTES // self.member_bytes))
        whole = self.member_bytes <= CHUNK_BYTES
        return (*members, len(self.time) if whole else max(1, CHUNK_BYTES // self.frame_bytes))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it: what was declared is compared with what is read back."""
        return sha256_of_json(
            {
                **{name: getattr(self, name) for name in ("seeds", "time_unit", "labels", "tokens", "components")},
                **{name: getattr(self, name) for name in ("dtype", "diagnostics", "attrs", "chunk")},
                "swept": list(self.swept.items()),
                "time": self.time.tolist(),
            }
        )

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of ``position``."""
        return registry.variable("position").dimensions(tuple(self.swept))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid of members: swept parameters, then seeds."""
        return (*(len(values) for values in self.swept.values()), len(self.seeds))

    @property
    def size(self) -> int:
        """Number of members."""
        return math.prod(self.shape)

    @property
    def sizes(self) -> dict[str, int]:
        """Size of every dimension."""
        return dict(zip(self.dims, (*self.shape, len(self.time), self.tokens, self.components), strict=True))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame of one member."""
        return self.tokens * self.components * np.dtype(self.dtype).itemsize

    @property
    def member_bytes(self) -> int:
        """Bytes of one member."""
        return len(self.time) * self.frame_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of all positions, before compression."""
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
        """Return a member's swept values and its seed, by name."""
        *place, seed = self.index(member)
        values = {name: float(column[i]) for (name, column), i in zip(self.swept.items(), place, strict=True)}
        return {**values, "seed": int(self.seeds[seed])}

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
            *((name, [repr(float(value)) for value in values]) for name, values in self.swept.items()),
            ("seed", [str(int(seed)) for seed in self.seeds]),
        ]
        return [
            (axis, [f"{label}:{value}" for value in values])
            for axis, (name, values) in sorted(enumerate(columns), key=lambda item: item[1][0])
            for label in [canonical_json(name)]
        ]

    def variable(self, name: str) -> registry.Variable:
        """Return the declaration of a variable of this dataset."""
        return self.foreign[name] if name in self.foreign else registry.variable(name)

    def chunks(self, name: str) -> tuple[int, ...]:
        """Return the storage chunk of a variable over the grid of members."""
        dims = self.variable(name).dims
        if dims == registry.GRID:
            return chunk_of(self.shape, BOOKKEEPING_MEMBERS)
        tail = {"token": self.tokens, "component": self.components}
        return (*self.chunk, *(tail[dim] for dim in dims[3:]))

    def extends(self, other: Layout) -> bool:
        """Return whether this is ``other`` with more seeds or swept values at the end, and other attributes."""
        longer = (*((self.swept.get(name, ()), other.swept[name]) for name in other.swept), (self.seeds, other.seeds))
        return (
            list(self.swept) == list(other.swept)
            and all(new[: len(old)] == old for new, old in longer)
            and replace(other, swept=self.swept, seeds=self.seeds, attrs=self.attrs).digest == self.digest
        )

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

    def coords(self) -> dict[str, Any]:
        """Return the coordinates as xarray takes them: name -> (dims, values, attributes)."""
        made: dict[str, Any] = {}
        for name, values in self.swept.items():
            attrs = {"long_name": name.replace("_", " "), "units": "1"}
            made[name] = ((name,), np.asarray(values, np.float64), attrs)
        token = np.arange(self.tokens) if self.labels is None else np.asarray(self.labels, dtype=np.str_)
        columns = {
            "seed": np.asarray(self.seeds, np.int64),
            "time": self.time,
            "token": token,
            "component": np.arange(self.components),
        }
        for name, column in columns.items():
            attrs = registry.variable(name).attributes()
            if name == "time":
                attrs["units"] = self.time_unit
            made[name] = ((name,), column, attrs)
        return made

    def numbers(self) -> dict[str, Any]:
        """Return the coordinates by which parts of the dataset are known again, as `coords` does; none is stored.

        ``model_id``, ``step``, ``token_number`` and ``component_number`` (see `lmdata.data.identity`); the last two
        tell in the attribute ``count`` how many there are in the run.
        """
        made: dict[str, Any] = {}
        if "model" in self.attrs:
            ids = model_ids(json.loads(self.attrs["model"]), self.swept)
            made["model_id"] = np.repeat(ids[..., None], len(self.seeds), axis=-1)
        steps = steps_of(self.attrs, self.time, self.time_unit)
        if steps is not None:
            made["step"] = steps
        made |= {"token_number": np.arange(self.tokens), "component_number": np.arange(self.components)}
        return {
            name: (
                self.dimensions(name),
                column,
                registry.variable(name).attributes() | ({"count": len(column)} if name.endswith("number") else {}),
            )
            for name, column in made.items()
        }

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Return the dimensions of a variable of this dataset."""
        return self.variable(name).dimensions(tuple(self.swept))

    def dtypes(self, name: str) -> np.dtype[Any]:
        """Return the dtype of a variable of this dataset."""
        return np.dtype(self.dtype if name == "position" else self.variable(name).dtype)

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that are stored, besides the coordinates."""
        return ("position", *registry.BOOKKEEPING, *self.diagnostics)


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


def assemble(
    layout: Layout,
    position: Any,
    *,
    status: NDArray[Any],
    digest: NDArray[Any],
    steps_done: NDArray[Any],
    diagnostics: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the dataset of a layout and its arrays, in memory or lazy, as a stored one would be.

    Parameters
    ----------
    layout
        Grid, coordinates and attributes.
    position : (<swept>, seed, time, token, component)
        Any array that xarray takes.
    status, digest, steps_done : (<swept>, seed)
        Per member; coordinates, as `Layout.numbers` are. If every member is complete, the attribute ``digest``
        identifies the whole dataset.
    diagnostics
        Per member and frame, by name.

    Raises
    ------
    ValueError
        From xarray, if an array does not fit the layout.
    """
    import xarray as xr

    def described(arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: (layout.dimensions(name), array, layout.variable(name).attributes()) for name, array in arrays.items()
        }

    kept = described({"status": status, "digest": digest, "steps_done": steps_done})
    attrs = {"lmdata_schema": registry.SCHEMA, **layout.attrs}
    if np.all(status == registry.COMPLETE):
        attrs["digest"] = dataset_digest(str(attrs.get("recipe_id", "")), np.ravel(digest).tolist())
    data = described({"position": position, **(diagnostics or {})})
    return xr.Dataset(data, coords=layout.coords() | kept | layout.numbers(), attrs=attrs)
