"""Where tokens live: the space, the sphere (layer normalisation) or an ellipsoid; and masses, whose sum is one.

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


ON_SURFACE = 1e-6
"""How far from one the norm of a token may be for it to count as on the surface: numbers of 7 digits are."""

EXACT = 1e-9
"""Tokens farther off than this are rounded numbers, and are brought onto the surface when a run starts."""


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

    def settle(self, points: Array) -> Array:
        """Return the points, those that are off by more than `EXACT` brought onto the surface."""
        return np.where(self.deviation(points)[..., None] > EXACT, self.retract(points), points)


@dataclass(frozen=True)
class Simplex:
    """Masses (..., n, 1) whose sum is one: the "points" are cells, and the surface binds them all.

    A velocity loses its multiple of the masses themselves, so that an error of the total decays instead of growing.

    Examples
    --------
    >>> Simplex().retract(np.array([[0.5], [1.5]]))[:, 0]
    array([0.25, 0.75])
    >>> Simplex().tangent(np.array([[0.5], [0.5]]), np.array([[2.0], [1.0]]))[:, 0]
    array([ 0.5, -0.5])
    """

    def tangent(self, points: Array, velocity: Array) -> Array:
        """Return the velocity without the part that changes the total."""
        return velocity - points * (velocity.sum(axis=-2, keepdims=True) / points.sum(axis=-2, keepdims=True))

    def retract(self, points: Array) -> Array:
        """Return the masses over their total."""
        return np.asarray(points / points.sum(axis=-2, keepdims=True))

    def geodesic(self, points: Array, displacement: Array) -> Array:
        """Return the straight step."""
        return self.retract(points + displacement)

    def deviation(self, points: Array) -> Array:
        """Return how far the total is from one, the same for every cell."""
        return np.abs(points.sum(axis=-2) - 1) + np.zeros(points.shape[:-1])
