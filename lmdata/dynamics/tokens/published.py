"""The four hardmax configurations of arXiv 2407.01602 (figures of its dynamics), as token sources.

Points that the authors placed are written as fractions. Points that they drew with a legacy generator of numpy are
written out: their decimal digits are the shortest that give the same float64. The authors ran each with influence 1/2
for 30 steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens.source import register
from lmdata.errors import UnknownName
from lmdata.markup import Specified

CONFIGURATIONS: dict[str, tuple[tuple[float, float], ...]] = {
    "emerging-leader": (
        (1, 1 / 3), (-1 / 12, 1 / 12), (-1, -1), (0, 1 / 4), (-3 / 10, -7 / 10), (-3 / 5, -9 / 10),
        (4 / 5, 1 / 10), (3 / 5, 3 / 20),
    ),
    "triangle": (
        (1, 1), (1 / 2, -1 / 2), (-1, -1),
        (0.5488135039273248, 0.6027633760716439), (0.7151893663724195, 0.5448831829968969),
        (-0.5763452006610953, -0.5624127887373075), (-0.3541058869333439, -0.10822699921792023),
        (3 / 10, -1 / 5), (1 / 10, -1 / 5),
    ),
    "square": (
        (1, 1), (1, -1), (-1, -1), (-1, 1),
        (0.4636627605010293, -0.42896394180211306), (-0.1165584811742223, -0.4128707002984593),
        (0.2917250380826646, -0.4797816025596743), (0.02889491975290448, 0.332619845547938),
        (0.06804456109393231, 0.2781567509498505), (0.42559663829266103, 0.37001214824681916),
    ),
    "followed-token": (
        (1, 1), (1, -1), (-1, -1), (-1, 1), (-1 / 2, 0), (1 / 2, 0),
        (0.478618342232764, -0.3817255741310668), (0.2991585642167236, 0.13992102132752382),
        (-0.038520637747068154, -0.3566467125909536), (0.28052917628645546, 0.4446689170495839),
    ),
}  # fmt: skip
"""Each configuration's tokens, (n, 2): a token becomes a leader on the way; leaders at the corners of a triangle; of a
square; and tokens that gather round one which is no leader."""


@register
@dataclass(frozen=True)
class ConfigurationTokens(Specified):
    """A published configuration; see :func:`lmdata.tokens.configuration`."""

    kind: ClassVar[str] = "configuration"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in CONFIGURATIONS:
            raise UnknownName.among("configuration", self.name, CONFIGURATIONS)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        return len(CONFIGURATIONS[self.name]), 2

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "name": self.name}

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens, (n, 2), dimensionless."""
        return np.array(CONFIGURATIONS[self.name], dtype=np.float64)


def configuration(name: str) -> ConfigurationTokens:
    """Return a published configuration of hardmax dynamics (arXiv 2407.01602).

    Parameters
    ----------
    name : {"emerging-leader", "triangle", "square", "followed-token"}
        The authors ran each with influence 0.5 for 30 steps.

    Returns
    -------
    TokenSource
        Draws the published (n, 2) tokens, whatever the seed.

    Raises
    ------
    UnknownName
        If there is no configuration of that name.

    Examples
    --------
    >>> configuration("triangle").draw(seed=0)[:3]
    array([[ 1. ,  1. ],
           [ 0.5, -0.5],
           [-1. , -1. ]])
    """
    return ConfigurationTokens(name)
