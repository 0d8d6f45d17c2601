"""Masses of the cells of the circle or the sphere: the start of a density, uniform or disturbed by zonal harmonics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.tokens.source import register
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.cells import circle_cells, sphere_cells, zonal_polynomials
from lmdata.numerics.checks import as_count, as_real_array

SURFACES = ("circle", "sphere")


@register
@dataclass(frozen=True)
class Density(Specified):
    """Masses of cells; see :func:`lmdata.tokens.density`."""

    kind: ClassVar[str] = "density"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int
    coefficients: tuple[float, ...] = ()
    surface: str = "circle"

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", as_count(self.n, "n"))
        if self.surface not in SURFACES:
            raise InvalidInput(f"surface is {self.surface!r}; it must be one of {', '.join(map(repr, SURFACES))}")
        given = as_real_array(self.coefficients, "coefficients") if len(self.coefficients) else np.zeros(0)
        if given.ndim != 1:
            raise InvalidInput(f"coefficients has shape {given.shape}; it must be a sequence of numbers")
        object.__setattr__(self, "coefficients", tuple((given + 0.0).tolist()))
        _, relative = self._shares_and_density()
        if (least := float(relative.min())) < 0:
            raise InvalidInput(
                f"coefficients is {list(self.coefficients)}: the density would be {least:.3g} times the "
                "uniform one somewhere; masses are not negative: lower the coefficients"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """The number of cells, and one component."""
        return self.n, 1

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "n": self.n, "coefficients": list(self.coefficients), "surface": self.surface}

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the masses, (n, 1), whatever the seed."""
        shares, relative = self._shares_and_density()
        masses = shares * relative
        return np.asarray(masses / masses.sum())[:, None]

    def _shares_and_density(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        points, shares = circle_cells(self.n) if self.surface == "circle" else sphere_cells(self.n)
        axis = 0 if self.surface == "circle" else 2
        harmonics = zonal_polynomials(points[:, axis], len(self.coefficients), points.shape[1])
        relative = np.ones(self.n)
        for coefficient, harmonic in zip(self.coefficients, harmonics[1:], strict=True):
            relative = relative + coefficient * harmonic
        return shares, relative


def density(n: int, coefficients: Sequence[float] = (), *, surface: str = "circle") -> Density:
    r"""Return the masses of n cells of the circle or the sphere, of the density :math:`1 + \sum_k c_k P_k`.

    It is relative to the uniform one. P_k are the zonal harmonics of degree k = 1, 2, ...: :math:`\cos k \theta` on the
    circle, about the angle 0, and Legendre's polynomials of the third component on the sphere. Masses are those of the
    cells of `CircleDensityFlow` and `SphereDensityFlow`.

    Parameters
    ----------
    n : int
        Number of cells; on the sphere 2 N^2, for N of at least two.
    coefficients : sequence of float
        c_1, c_2, ...; none gives the uniform density.
    surface : {"circle", "sphere"}
        What is divided into cells.

    Returns
    -------
    TokenSource
        Draws the same (n, 1) masses whatever the seed; their sum is one.

    Raises
    ------
    InvalidInput
        If a cell would have a negative mass, n is not allowed, or there is no such surface.

    Examples
    --------
    >>> density(4, [0.5]).draw(seed=0)[:, 0]  # at the angles -180, -90, 0 and 90 degrees
    array([0.125, 0.25 , 0.375, 0.25 ])
    """
    return Density(n, tuple(coefficients), surface)
