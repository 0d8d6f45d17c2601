"""Tokens at equal distances on a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens.source import register
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count, as_number


@register
@dataclass(frozen=True)
class Spaced(Specified):
    """Tokens equally spaced on a line; see :func:`lmdata.tokens.spaced`."""

    kind: ClassVar[str] = "spaced"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", as_count(self.n, "n", minimum=2))
        object.__setattr__(self, "low", as_number(self.low, "low"))
        object.__setattr__(self, "high", as_number(self.high, "high", minimum=self.low, above=True))
        as_number((self.n - 1) * max(abs(self.low), abs(self.high)), "(n - 1) times the bounds")

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components, one."""
        return self.n, 1

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, **vars(self)}

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens, (n, 1), whatever the seed."""
        place = np.arange(self.n, dtype=np.float64)
        last = self.n - 1
        return np.asarray(((last - place) * self.low + place * self.high) / last)[:, None] + 0.0


def spaced(n: int, low: float = 0.0, high: float = 1.0) -> Spaced:
    """Return a source of ``n`` tokens on a line, equally spaced from ``low`` to ``high``.

    Token k is at ((n - 1 - k) low + k high) / (n - 1): exact where that is an integer, and symmetric to the bit where
    low = -high.

    Parameters
    ----------
    n : int
        Number of tokens, at least two.
    low, high : float
        The first and the last, low < high.

    Returns
    -------
    TokenSource
        Gives the same (n, 1) tokens for every seed.

    Raises
    ------
    InvalidInput
        If n is no integer of at least two, or low and high are no finite numbers with low < high.

    Examples
    --------
    >>> spaced(5, -2, 2).draw(seed=0)[:, 0]
    array([-2., -1.,  0.,  1.,  2.])
    """
    return Spaced(n, low, high)
