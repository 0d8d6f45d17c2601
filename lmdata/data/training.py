"""The layout of a training run: members by start and seed, their paths by iteration, and the problems beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.digest import array_digest, sha256_of_json
from lmdata.data.grid import Grid
from lmdata.data.layout import check_columns, check_sizes, check_swept, chosen_chunk
from lmdata.errors import InvalidInput

PARTS = (("prompt",), ("weight",), ("prompt", "value"), ("key_matrix", "query_matrix"))
"""What may be trained, and is covered by a member's digest."""


@dataclass(frozen=True, eq=False)
class TrainingLayout(Grid):
    """Everything about a training run but its paths.

    Parameters
    ----------
    swept
        Values of each swept parameter, in the order of the dimensions.
    starts, seeds
        Numbers of the starts, and seeds.
    iteration : (iteration,) int64
        Iterations that are kept.
    trained
        What is trained: one of `PARTS`.
    features
        Size d of a token.
    width
        Columns of the factors K and Q; 0 where there are none.
    problems
        What the problems are, by name: dimensions and values, as declared in `lmdata.data.registry.TRAINING`. It is
        read with the layout, and covered by its digest.
    attrs
        Attributes of the dataset (JSON values).
    chunk
        Size of a storage chunk along each swept parameter, start, seed and iteration; chosen by size without it.

    Raises
    ------
    InvalidInput
        If a coordinate is empty or has duplicates, or something does not fit the sizes.

    Examples
    --------
    >>> layout = TrainingLayout(swept={"step": (0.1, 0.2)}, starts=(0, 1), seeds=(7,), iteration=np.arange(5),
    ...                         trained=("prompt",), features=3)
    >>> layout.shape, layout.key(1), layout.tail("prompt")
    ((2, 2, 1), '{"seed":7,"start":1.0,"step":0.1}', (3,))
    """

    form: ClassVar[str] = "training"

    swept: Mapping[str, tuple[float, ...]]
    starts: tuple[int, ...]
    seeds: tuple[int, ...]
    iteration: NDArray[np.int64]
    trained: tuple[str, ...]
    features: int
    problems: Mapping[str, tuple[tuple[str, ...], NDArray[Any]]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    chunk: tuple[int, ...] = ()
    width: int = 0
    dtype: str = "float64"
    diagnostics: tuple[str, ...] = ("loss",)

    def __post_init__(self) -> None:
        if self.trained not in PARTS:
            raise InvalidInput(f"trained is {self.trained}; it is one of {PARTS}")
        if self.features < 1:
            raise InvalidInput(f"features is {self.features}; at least 1 is needed")
        if (self.width > 0) != ("key_matrix" in self.trained):
            raise InvalidInput(f"width is {self.width} where {self.trained} are trained; factors have one, others 0")
        check_columns({**self.axes, "iteration": self.iteration})
        check_swept(self.swept, {*registry.of_data(registry.TRAINING), "seed", "token", *registry.BOOKKEEPING})
        for name, (dims, values) in self.problems.items():
            shape = tuple(self.sizes[dim] for dim in dims)
            if values.shape != shape:
                raise InvalidInput(f"{name} has shape {values.shape}; its dimensions {dims} have the sizes {shape}")
        check_sizes(self, "use fewer features")
        if not self.chunk:
            object.__setattr__(self, "chunk", chosen_chunk(self))
        elif len(self.chunk) != len(self.shape) + 1 or min(self.chunk) < 1:
            raise InvalidInput(f"chunk is {self.chunk}; give a size along each swept parameter, start, seed, iteration")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it, the numbers of the problems among it."""
        return sha256_of_json(
            {
                **{name: getattr(self, name) for name in ("starts", "seeds", "trained", "features", "attrs", "chunk")},
                "swept": list(self.swept.items()),
                "iteration": self.iteration.tolist(),
                "problems": {name: [dims, *array_digest(values)] for name, (dims, values) in self.problems.items()},
                **({"width": self.width} if self.width else {}),
            }
        )

    @cached_property
    def axes(self) -> dict[str, Sequence[Any]]:
        """Swept values, starts and seeds."""
        return {**self.swept, "start": self.starts, "seed": self.seeds}

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of every dimension."""
        sizes = {name: len(values) for name, values in self.axes.items()}
        sizes |= {"iteration": len(self.iteration), "feature": self.features, "query_feature": self.features}
        if self.width:
            sizes["width"] = self.width
        for dims, values in self.problems.values():
            for dim, size in zip(dims, values.shape, strict=True):
                sizes.setdefault(dim, size)
        return sizes

    @property
    def parts(self) -> tuple[str, ...]:
        """What is trained."""
        return self.trained

    @property
    def frames(self) -> int:
        """Number of kept iterations."""
        return len(self.iteration)

    def variable(self, name: str) -> registry.Variable:
        """Return a declaration of `lmdata.data.registry.TRAINING`; what is kept once a member stands at its start."""
        own = registry.TRAINING.get(name)
        return own or replace(registry.variable(name), dims=registry.TRAINING_GRID)

    def coords(self) -> dict[str, Any]:
        """Return the coordinates as xarray takes them: name -> (dims, values, attributes)."""
        made: dict[str, Any] = {
            name: ((name,), np.asarray(values, np.float64), {"long_name": name.replace("_", " "), "units": "1"})
            for name, values in self.swept.items()
        }
        columns = {"start": self.starts, "seed": self.seeds, "iteration": self.iteration}
        there = {dim for dims, _ in self.problems.values() for dim in dims}
        there |= {dim for name in self.parts for dim in self.dimensions(name)}
        for name in ("sample", "token", "feature", "query_feature", "width"):
            if name in there:
                columns[name] = np.arange(self.sizes[name])
        for name, column in columns.items():
            made[name] = ((name,), np.asarray(column, np.int64), self.variable(name).attributes())
        return made

    def given(self) -> dict[str, Any]:
        """Return the problems, as `coords` does."""
        return {
            name: (dims, values, registry.TRAINING[name].attributes()) for name, (dims, values) in self.problems.items()
        }
