"""Tokens of which every pair has the same angle: a start whose symmetry attention keeps, so that theory follows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens.source import register
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count, as_number


@register
@dataclass(frozen=True)
class Equiangular(Specified):
    """Unit vectors with one cosine; see :func:`lmdata.tokens.equiangular`."""

    kind: ClassVar[str] = "equiangular"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int
    cosine: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", as_count(self.n, "n"))
        least = -1 / (self.n - 1) if self.n > 1 else -1.0
        object.__setattr__(self, "cosine", as_number(self.cosine, "cosine", minimum=least))
        if self.cosine > 1:
            raise InvalidInput(f"cosine is {self.cosine:g}; it must be at most 1")

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components, which is the same."""
        return self.n, self.n

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "n": self.n, "cosine": self.cosine}

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens, (n, n), dimensionless."""
        own = math.sqrt(1 - self.cosine)
        common = (math.sqrt(max(own * own + self.n * self.cosine, 0.0)) - own) / self.n
        return own * np.eye(self.n) + common


def equiangular(n: int, cosine: float = 0.0) -> Equiangular:
    r"""Return n unit vectors in n dimensions, of which every two have the same cosine.

    .. math:: x_i = a e_i + b \sum_k e_k, \qquad a = \sqrt{1 - \rho}, \qquad b = (\sqrt{a^2 + n \rho} - a) / n

    Parameters
    ----------
    n : int
        Number of tokens, and of components.
    cosine : float
        rho, between -1 / (n - 1), a regular simplex, and 1; 0 gives the standard basis.

    Returns
    -------
    TokenSource
        Draws the same (n, n) tokens whatever the seed.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> tokens = equiangular(3, 0.5).draw(seed=0)
    >>> (tokens @ tokens.T).round(12)
    array([[1. , 0.5, 0.5],
           [0.5, 1. , 0.5],
           [0.5, 0.5, 1. ]])
    """
    return Equiangular(n, cosine)
