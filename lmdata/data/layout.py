"""The layout of a dataset of tokens that move: its grid, coordinates and storage chunks; and datasets in memory."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.digest import array_digest, dataset_digest, sha256_of_json
from lmdata.data.grid import Grid, chunk_of
from lmdata.data.identity import model_ids, steps_of
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_text
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray as xr

PROVED = "proved for the canonical floats"
"""Comment of what is proved of limits."""
MiB = 2**20
BLOCK_BYTES = 8 * MiB
"""Small members share a storage chunk until it has this size: below, each chunk costs more than its bytes."""
CHUNK_BYTES = 64 * MiB
"""A member beyond this size is split along time, into chunks of at most this size."""
FRAME_BYTES = 2**31 - 2**20
"""One frame of one member is never split, so that it has to fit the compressor's limit."""
MEMBERS = 2**20
"""Most members that a dataset may have: their bookkeeping is held in memory."""


@dataclass(frozen=True, eq=False)
class Layout(Grid):
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
    certificates
        What is proved of the members' limits, by name, as declared in `lmdata.data.registry.CERTIFICATES`: it follows
        from where members start, so that it is known before they move. It is covered by the layout's digest.

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

    form: ClassVar[str] = "simulation"

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
    certificates: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dtype not in ("float64", "float32"):
            raise InvalidInput(f"dtype is {self.dtype!r}; positions are stored as 'float64' or 'float32'")
        check_columns({**self.swept, "seed": self.seeds, "time": self.time})
        check_swept(self.swept, registry.of_data())
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
        check_sizes(self, "use fewer tokens or dtype='float32'")
        object.__setattr__(self, "diagnostics", tuple(sorted(self.diagnostics)))
        for name in self.diagnostics:
            if self.variable(name).role != "diagnostic":
                raise InvalidInput(f"diagnostics has {name!r}, which is declared as something else")
        for name, values in self.certificates.items():
            shape = tuple(self.sizes[dim] for dim in self.dimensions(name))
            if values.shape != shape:
                raise InvalidInput(f"{name} has shape {values.shape}; the members and their tokens give {shape}")
        if not self.chunk:
            object.__setattr__(self, "chunk", chosen_chunk(self))
        elif len(self.chunk) != len(self.shape) + 1 or min(self.chunk) < 1:
            raise InvalidInput(f"chunk is {self.chunk}; give a size along each swept parameter, seed and time")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it: what was declared is compared with what is read back."""
        return sha256_of_json(
            {
                **{name: getattr(self, name) for name in ("seeds", "time_unit", "labels", "tokens", "components")},
                **{name: getattr(self, name) for name in ("dtype", "diagnostics", "attrs", "chunk")},
                "swept": list(self.swept.items()),
                "time": self.time.tolist(),
                **({"certificates": proofs} if (proofs := self._proofs()) else {}),
            }
        )

    def _proofs(self) -> dict[str, Any]:
        return {name: array_digest(values) for name, values in self.certificates.items()}

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of ``position``."""
        return self.dimensions("position")

    @cached_property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Swept values, and the seeds."""
        return {**self.swept, "seed": self.seeds}

    @property
    def parts(self) -> tuple[str, ...]:
        """The positions."""
        return ("position",)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of every dimension."""
        return dict(zip(self.dims, (*self.shape, len(self.time), self.tokens, self.components), strict=True))

    @property
    def frames(self) -> int:
        """Number of recorded times."""
        return len(self.time)

    def variable(self, name: str) -> registry.Variable:
        """Return the declaration of a variable of this dataset."""
        proof = next((spec for spec in registry.CERTIFICATES if spec.name == name), None)
        return proof or self.foreign.get(name) or registry.variable(name)

    def extends(self, other: Any) -> bool:
        """Return whether this is ``other`` with more seeds or swept values at the end, and other attributes."""
        if not isinstance(other, Layout) or list(self.swept) != list(other.swept):
            return False
        if list(self.certificates) != list(other.certificates):
            return False
        longer = all(tuple(self.axes[name])[: len(values)] == tuple(values) for name, values in other.axes.items())
        if not longer:
            return False
        own = {name: getattr(self, name) for name in ("swept", "seeds", "attrs", "certificates")}
        return replace(other, **own).digest == self.digest

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

    def given(self) -> dict[str, Any]:
        """Return what is proved of the members' limits, as `coords` does."""
        return {
            name: (self.dimensions(name), values, self.variable(name).attributes() | {"comment": PROVED})
            for name, values in self.certificates.items()
        }

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


def check_columns(columns: Mapping[str, Any]) -> None:
    """Refuse coordinates, by name, that are empty, not finite, or have a value twice.

    Raises
    ------
    InvalidInput
        Naming the first of them.
    """
    for name, values in columns.items():
        column = np.asarray(values)
        if column.ndim != 1 or column.size == 0:
            raise InvalidInput(f"{name} has shape {column.shape}; give a sequence of at least one value")
        if not np.all(np.isfinite(column)) or np.unique(column).size != column.size:
            raise InvalidInput(f"{name} has values that are not finite or occur twice: {column.tolist()!r:.200}")


def check_swept(swept: Iterable[str], taken: Iterable[str]) -> None:
    """Refuse swept parameters that have the name of a variable.

    Raises
    ------
    InvalidInput
        Naming the first of them.
    """
    if both := set(swept).intersection(taken):
        raise InvalidInput(f"swept parameter {min(both)!r} has the name of a variable; rename it")


def check_sizes(layout: Grid, remedy: str) -> None:
    """Refuse what cannot be stored: too many members, or frames that are too large.

    Raises
    ------
    InvalidInput
        With the remedy.
    """
    if layout.size > MEMBERS:
        raise InvalidInput(
            f"the sweep has {counted(layout.size, 'member')}; a dataset has at most {MEMBERS}: split the sweep"
        )
    for name in layout.parts:
        shape = layout.tail(name)
        nbytes = math.prod(shape) * np.dtype(layout.dtype).itemsize
        if nbytes > FRAME_BYTES:
            raise InvalidInput(
                f"one frame of {' x '.join(map(str, shape))} numbers has {nbytes} B; "
                f"at most {FRAME_BYTES} can be stored in one piece: {remedy}"
            )


def chosen_chunk(layout: Grid) -> tuple[int, ...]:
    """Return the storage chunk that suits the size of a member: several of them, one, or some frames of one."""
    members = chunk_of(layout.shape, -(-BLOCK_BYTES // layout.member_bytes))
    whole = layout.member_bytes <= CHUNK_BYTES
    return (*members, layout.frames if whole else max(1, CHUNK_BYTES // layout.frame_bytes))


def assemble(
    layout: Grid,
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
        Any array that xarray takes; of a training run, the first of its parts.
    status, digest, steps_done : (<swept>, seed)
        Per member; coordinates, as `Layout.numbers` are. If every member is complete, the attribute ``digest``
        identifies the whole dataset.
    diagnostics
        What else there is per member and frame, by name.

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
    data = described({layout.parts[0]: position, **(diagnostics or {})}) | layout.given()
    return xr.Dataset(data, coords=layout.coords() | kept | layout.numbers(), attrs=attrs)
