"""Token sources that draw at random, for each seed the same tokens on every machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics import random
from lmdata.numerics.checks import as_count, as_number


@dataclass(frozen=True)
class RandomTokens(ABC):
    """Base of the random sources: ``n`` tokens of ``d`` components for each seed, by :mod:`lmdata.numerics.random`."""

    kind: ClassVar[str]
    depends_on_seed: ClassVar[bool] = True
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int
    d: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", as_count(self.n, "n"))
        object.__setattr__(self, "d", as_count(self.d, "d"))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        return self.n, self.d

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, **vars(self)}

    @abstractmethod
    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""


@dataclass(frozen=True)
class Uniform(RandomTokens):
    """Components uniform in [low, high); see :func:`lmdata.tokens.uniform`."""

    kind: ClassVar[str] = "uniform"

    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "low", as_number(self.low, "low"))
        object.__setattr__(self, "high", as_number(self.high, "high", minimum=self.low, above=True))
        as_number(self.high - self.low, "high - low")

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return self.low + (self.high - self.low) * random.uniform(seed, self.shape)


class Normal(RandomTokens):
    """Standard normal components; see :func:`lmdata.tokens.normal`."""

    kind: ClassVar[str] = "normal"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return random.normal(seed, self.shape)


class Ball(RandomTokens):
    """Points uniform in the unit ball; see :func:`lmdata.tokens.ball`."""

    kind: ClassVar[str] = "ball"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return random.sphere(seed, (self.n, self.d + 2))[:, : self.d].copy()


class Sphere(RandomTokens):
    """Points uniform on the unit sphere; see :func:`lmdata.tokens.sphere`."""

    kind: ClassVar[str] = "sphere"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return random.sphere(seed, self.shape)
