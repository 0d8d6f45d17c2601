"""Cells of the circle and the sphere, where they are and how large; and the zonal polynomials of their harmonics."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lmdata.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Cells(NamedTuple):
    """A division of a surface into cells.

    Attributes
    ----------
    points : array (n, d)
        Unit vectors, one a cell.
    shares : array (n,)
        The part of the surface that each cell is; their sum is one. They are the weights of a quadrature.
    """

    points: Array
    shares: Array


@functools.lru_cache(maxsize=8)
def circle_cells(n: int) -> Cells:
    r"""Return n equal cells of the circle, at the angles :math:`-\pi + 2 \pi k / n`.

    Sums over them are the integrals of all trigonometric polynomials of a degree below n.

    Examples
    --------
    >>> circle_cells(4).points.round(12) + 0.0
    array([[-1.,  0.],
           [ 0., -1.],
           [ 1.,  0.],
           [ 0.,  1.]])
    """
    angle = 2 * np.pi * np.arange(n) / n - np.pi
    return _kept(np.stack([np.cos(angle), np.sin(angle)], axis=-1), np.full(n, 1 / n))


@functools.lru_cache(maxsize=8)
def sphere_cells(n: int) -> Cells:
    r"""Return :math:`n = 2 N^2` cells of the sphere: N latitudes of Gauss and Legendre, 2 N longitudes each.

    Sums over them are the integrals of all polynomials of a degree below 2 N, wherever the sphere is turned.

    Parameters
    ----------
    n : int
        2 N^2, for N of at least two: 8, 18, 32, 50, 72, ...

    Raises
    ------
    InvalidInput
        If n is another number, naming the nearest that are allowed.

    Examples
    --------
    >>> cells = sphere_cells(18)
    >>> (cells.shares @ cells.points**2).round(12)
    array([0.33333333, 0.33333333, 0.33333333])
    """
    latitudes = latitudes_of(n)
    height, weight = np.polynomial.legendre.leggauss(latitudes)
    longitude = np.pi * np.arange(2 * latitudes) / latitudes
    radius = np.sqrt((1 - height) * (1 + height))[:, None]
    points = np.stack(
        [
            radius * np.cos(longitude),
            radius * np.sin(longitude),
            np.broadcast_to(height[:, None], (latitudes, 2 * latitudes)),
        ],
        axis=-1,
    ).reshape(n, 3)
    shares = np.repeat(weight / weight.sum() / (2 * latitudes), 2 * latitudes)
    return _kept(points, shares)


def latitudes_of(n: int) -> int:
    """Return the N of n = 2 N^2 cells of the sphere; refuse another n.

    Examples
    --------
    >>> latitudes_of(32)
    4
    """
    latitudes = math.isqrt(n // 2)
    if latitudes < 2 or 2 * latitudes**2 != n:
        near = [2 * max(latitudes + more, 2) ** 2 for more in (0, 1)]
        raise InvalidInput(
            f"{n} cells are not 2 N^2, of N latitudes with 2 N longitudes each, N >= 2: take {near[0]} or {near[1]}"
        )
    return latitudes


def zonal_polynomials(cosine: Array, degrees: int, components: int) -> Array:
    r"""Return :math:`P_0, \ldots, P_K` at cosines, the zonal harmonics in d dimensions, :math:`P_k(1) = 1`.

    .. math:: (k + d - 2) P_{k+1}(c) = (2k + d - 2)\, c\, P_k(c) - k P_{k-1}(c)

    They are cos k theta on the circle and Legendre's polynomials on the sphere of three dimensions.

    Parameters
    ----------
    cosine : array (...)
    degrees : int
        K >= 0.
    components : int
        d >= 2.

    Returns
    -------
    array (K + 1, ...)

    Examples
    --------
    >>> zonal_polynomials(np.array([0.5]), 3, 2)[:, 0], zonal_polynomials(np.array([0.5]), 2, 3)[:, 0]
    (array([ 1. ,  0.5, -0.5, -1. ]), array([ 1.   ,  0.5  , -0.125]))
    """
    found = np.empty((degrees + 1, *cosine.shape))
    found[0] = 1.0
    if degrees:
        found[1] = cosine
    for k in range(1, degrees):
        found[k + 1] = ((2 * k + components - 2) * cosine * found[k] - k * found[k - 1]) / (k + components - 2)
    return found


def _kept(points: Array, shares: Array) -> Cells:
    """Return cells that many may hold, which nobody changes."""
    points.flags.writeable = shares.flags.writeable = False
    return Cells(points, shares)
