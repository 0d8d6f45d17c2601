"""The layout of trajectories that were computed elsewhere: tokens that move, perhaps not as many in every run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.digest import sha256_of_json
from lmdata.data.layout import Layout
from lmdata.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class TrajectoryLayout(Layout):
    """A `Layout` with attention heads, tokens that some runs have not, and the words of each run.

    Parameters
    ----------
    heads
        Attention heads; 0 where there is no attention.
    present : (<swept>, seed, token) bool, optional
        Which of the tokens each run has; all of them without it. Positions of the others are NaN.
    words : (<swept>, seed, token) str, optional
        Text of the tokens in each run, where `labels` cannot say it.

    Raises
    ------
    InvalidInput
        As `Layout`; or if an array has another shape, or a run no token.

    Examples
    --------
    >>> layout = TrajectoryLayout(swept={}, seeds=(0, 1), time=np.arange(7), time_unit="layer", labels=None, tokens=3,
    ...                           components=2, present=np.array([[True, True, True], [True, False, False]]))
    >>> layout.parts, sorted(set(layout.coords()) - set(layout.sizes))
    (('position',), ['token_present'])
    """

    form: ClassVar[str] = "trajectory"

    heads: int = 0
    present: NDArray[np.bool_] | None = None
    words: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = (*self.shape, self.tokens)
        for name, values in (("present", self.present), ("words", self.words)):
            if values is not None and values.shape != shape:
                raise InvalidInput(f"{name} has shape {values.shape}; there are runs and tokens of {shape}")
        if self.present is not None and not self.present.any(axis=-1).all():
            run = np.argwhere(~self.present.any(axis=-1))[0].tolist()
            raise InvalidInput(f"present{run} is False throughout; a run has at least one token: leave the run out")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of all of it, the words and which tokens there are among it."""
        whose = [None if values is None else _hashed(values) for values in (self.present, self.words)]
        return sha256_of_json([super().digest, self.heads, *whose])

    @property
    def parts(self) -> tuple[str, ...]:
        """The positions, and the attention where there is any."""
        return ("position", "attention") if self.heads else ("position",)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of every dimension."""
        own = {"head": self.heads, "key": self.tokens} if self.heads else {}
        return super().sizes | own

    def variable(self, name: str) -> registry.Variable:
        """Return the declaration of a variable of this dataset."""
        return registry.TRAJECTORY.get(name) or super().variable(name)

    def coords(self) -> dict[str, Any]:
        """Return the coordinates as xarray takes them: name -> (dims, values, attributes)."""
        made = super().coords()
        made["seed"][2]["long_name"] = "number of the run"
        own: dict[str, Any] = {registry.PRESENT: self.present, "word": self.words}
        if self.heads:
            own |= {"head": np.arange(self.heads), "key": made["token"][1]}
        for name, values in own.items():
            if values is not None:
                made[name] = (self.dimensions(name), values, self.variable(name).attributes())
        return made


def _hashed(values: NDArray[Any]) -> str:
    return hashlib.sha256("\0".join(map(str, values.ravel().tolist())).encode()).hexdigest()
