"""Token sources that draw at random, for each seed the same tokens on every machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens.source import register
from lmdata.markup import Specified
from lmdata.numerics import random
from lmdata.numerics.checks import as_count, as_number


@dataclass(frozen=True)
class RandomTokens(ABC, Specified):
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

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return self.draw_batch([seed])[0]  # type: ignore[no-any-return]

    @abstractmethod
    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""


@register
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

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""
        return self.low + (self.high - self.low) * random.uniform(seeds, self.shape)


@register
class Normal(RandomTokens):
    """Standard normal components; see :func:`lmdata.tokens.normal`."""

    kind: ClassVar[str] = "normal"

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""
        return random.normal(seeds, self.shape)


@register
class Ball(RandomTokens):
    """Points uniform in the unit ball; see :func:`lmdata.tokens.ball`."""

    kind: ClassVar[str] = "ball"

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""
        return random.sphere(seeds, (self.n, self.d + 2))[..., : self.d].copy()


@register
class Sphere(RandomTokens):
    """Points uniform on the unit sphere; see :func:`lmdata.tokens.sphere`."""

    kind: ClassVar[str] = "sphere"

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""
        return random.sphere(seeds, self.shape)


def uniform(n: int, d: int, low: float = -1.0, high: float = 1.0) -> Uniform:
    """Return a source of ``n`` tokens whose ``d`` components are uniform in [low, high).

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.
    low, high : float
        Bounds of each component, low < high.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer, or low and high are no finite numbers with low < high.

    Examples
    --------
    >>> uniform(2, 2).draw(seed=0)
    array([[ 0.3679844 ,  0.97835016],
           [ 0.4105408 , -0.65363235]])
    """
    return Uniform(n, d, low, high)


def normal(n: int, d: int) -> Normal:
    """Return a source of ``n`` tokens with ``d`` independent standard normal components.

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> normal(16, 2).draw(seed=0).shape
    (16, 2)
    """
    return Normal(n, d)


def ball(n: int, d: int) -> Ball:
    """Return a source of ``n`` tokens uniform in the unit ball of R^d.

    They are the first d components of points uniform on the sphere of R^(d+2) (Barthe et al., math/0503650).

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> bool((np.linalg.norm(ball(16, 3).draw(seed=0), axis=1) < 1).all())
    True
    """
    return Ball(n, d)


def sphere(n: int, d: int) -> Sphere:
    """Return a source of ``n`` tokens uniform on the unit sphere of R^d.

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> np.linalg.norm(sphere(3, 4).draw(seed=0), axis=1).round(12)
    array([1., 1., 1.])
    """
    return Sphere(n, d)
