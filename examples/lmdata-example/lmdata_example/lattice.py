"""A token source: the points of a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens import register
from lmdata.numerics.checks import as_count


@register
@dataclass(frozen=True)
class Lattice:
    """Tokens at the points of a square lattice, ``side`` a component, from -1 to 1."""

    kind: ClassVar[str] = "lattice"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    side: int
    d: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", as_count(self.side, "side"))
        object.__setattr__(self, "d", as_count(self.d, "d"))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        return self.side**self.d, self.d

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "side": self.side, "d": self.d}

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens, (n, d), the same for every seed."""
        places = np.indices((self.side,) * self.d).reshape(self.d, -1).T
        return np.asarray(2.0 * places / max(self.side - 1, 1) - 1.0)
