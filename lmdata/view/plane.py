"""A plane to draw tokens in: the plane itself for d = 2, a fixed linear projection for d > 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.arrays import oriented

Basis = Literal["initial", "record"]


@dataclass(frozen=True)
class Plane:
    """A linear map to two coordinates, with what its axes are called.

    Parameters
    ----------
    matrix : ndarray (d, 2)
        Orthonormal columns. The map has no offset, so the origin, which localmax knows, stays at (0, 0).
    labels : (str, str)
        Axis labels, with units.
    """

    matrix: NDArray[np.float64]
    labels: tuple[str, str]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points (..., d) in the plane (..., 2)."""
        return points @ self.matrix


def plane(position: NDArray[np.float64], *, basis: Basis = "initial") -> Plane:
    r"""Return the plane in which a record is drawn.

    For d = 2 the components themselves. For d > 2 the first two principal axes :math:`v_1, v_2` of the centred tokens
    of the first frame (``initial``: models that start alike share the plane) or of all frames (``record``). Signs are
    fixed: the entry of largest magnitude of each axis is positive. A linear image of nested hulls is nested.

    Parameters
    ----------
    position : ndarray (time, token, d)
        One member, d >= 2.
    basis : {"initial", "record"}
        Frames that decide the axes.

    Examples
    --------
    >>> import numpy as np
    >>> record = np.zeros((1, 4, 3))
    >>> record[0, :, 2], record[0, :, 0] = [-3, -1, 1, 3], [1, -1, -1, 1]
    >>> plane(record).matrix.round(6).T.tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    >>> plane(record).labels[0]
    'principal axis 1 of the initial tokens, 83 % of variance (dimensionless)'
    """
    d = position.shape[-1]
    if d == 2:
        return Plane(np.eye(2), ("component 0 (dimensionless)", "component 1 (dimensionless)"))
    points = position[0] if basis == "initial" else position.reshape(-1, d)
    _, scale, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    matrix = np.zeros((d, 2))
    matrix[:, : min(2, len(axes))] = axes[:2].T
    matrix = oriented(matrix)
    shares = 100 * np.append(scale**2, 0.0)[:2] / max(float((scale**2).sum()), np.finfo(float).tiny)
    of = "the initial tokens" if basis == "initial" else "the whole record"
    first, second = (
        f"principal axis {k + 1} of {of}, {share:.0f} % of variance (dimensionless)" for k, share in enumerate(shares)
    )
    return Plane(matrix, (first, second))


def limits(points: NDArray[np.float64], *, margin: float = 0.06) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return x and y limits of equal length that hold the points (..., 2), with a margin.

    Examples
    --------
    >>> limits(np.array([[0.0, 0.0], [2.0, 1.0]]), margin=0.0)
    ((0.0, 2.0), (-0.5, 1.5))
    """
    low, high = points.reshape(-1, 2).min(axis=0), points.reshape(-1, 2).max(axis=0)
    middle = (low + high) / 2
    half = float((high - low).max()) / 2 * (1 + 2 * margin) or max(1.0, float(np.abs(middle).max()))
    (x, y) = middle
    return (float(x - half), float(x + half)), (float(y - half), float(y + half))


def padded(low: float, high: float, share: float = 0.06) -> tuple[float, float]:
    """Return limits with a margin of this share of their length on both sides; a single value gets room too.

    Examples
    --------
    >>> padded(0.0, 10.0, 0.1), padded(3.0, 3.0)
    ((-1.0, 11.0), (2.0, 4.0))
    """
    margin = share * (high - low) or 1.0
    return float(low - margin), float(high + margin)
