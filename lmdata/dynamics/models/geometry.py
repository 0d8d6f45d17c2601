"""Where tokens live: the space, the sphere (layer normalisation) or an ellipsoid.

A geometry is three maps on arrays (..., n, d): ``tangent`` makes a velocity one along the surface, ``retract``
brings points back to it, ``geodesic`` follows it exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmdata.numerics.arrays import apply, inner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Geometry(Protocol):
    """What a model asks of the place where its tokens live."""

    def tangent(self, points: Array, velocity: Array) -> Array:
        """Return the part of the velocity that stays on the surface."""

    def retract(self, points: Array) -> Array:
        """Return the points of the surface nearest along the ray from the origin."""

    def geodesic(self, points: Array, displacement: Array) -> Array:
        """Return where a tangent displacement leads when it follows the surface."""

    def deviation(self, points: Array) -> Array:
        """Return how far each point is from the surface, zero on it."""


@dataclass(frozen=True)
class Euclidean:
    """The whole space: nothing is projected.

    Examples
    --------
    >>> Euclidean().retract(np.array([[3.0, 4.0]]))
    array([[3., 4.]])
    """

    def tangent(self, points: Array, velocity: Array) -> Array:
        """Return the velocity as it is."""
        return velocity

    def retract(self, points: Array) -> Array:
        """Return the points as they are."""
        return points

    def geodesic(self, points: Array, displacement: Array) -> Array:
        """Return the straight step."""
        return points + displacement

    def deviation(self, points: Array) -> Array:
        """Return zeros."""
        return np.zeros(points.shape[:-1])


@dataclass(frozen=True)
class Ellipsoid:
    r"""The surface :math:`\{x : \langle x, M x \rangle = 1\}`, by default the unit sphere (arXiv 2312.10794).

    .. math:: \mathrm{Proj}_x y = y - \langle x, M y \rangle x \quad (\langle x, M x \rangle = 1),
              \qquad x \mapsto x / \langle x, M x \rangle^{1/2}

    The metric is that of M: the ellipsoid is the sphere in the coordinates :math:`M^{1/2} x`.

    Parameters
    ----------
    matrix : array (d, d), optional
        M, symmetric positive definite; the identity by default.

    Examples
    --------
    >>> sphere = Ellipsoid()
    >>> sphere.retract(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    >>> sphere.tangent(np.array([[1.0, 0.0]]), np.array([[5.0, 2.0]]))
    array([[0., 2.]])
    """

    matrix: Array | None = None

    def tangent(self, points: Array, velocity: Array) -> Array:
        """Return the velocity without its radial part; points off the surface count as their retraction."""
        radial = inner(points, apply(self.matrix, velocity)) / self._square(points)
        return velocity - radial[..., None] * points

    def retract(self, points: Array) -> Array:
        """Return the points scaled onto the surface."""
        return np.asarray(points / np.sqrt(self._square(points))[..., None])

    def geodesic(self, points: Array, displacement: Array) -> Array:
        """Return the end of the great arc that a tangent displacement begins."""
        angle = np.sqrt(self._square(displacement))[..., None]
        return self.retract(np.cos(angle) * points + np.sinc(angle / np.pi) * displacement)

    def deviation(self, points: Array) -> Array:
        """Return the distance of each point's norm from one."""
        return np.abs(np.sqrt(self._square(points)) - 1)

    def _square(self, points: Array) -> Array:
        return inner(points, apply(self.matrix, points))
