"""How far the directions of tokens are from uniform: a distance, and the power in the harmonics of each degree."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.masses import cells_of, components_of
from lmdata.analysis.measuring import DENSITIES, PARTICLES, measure, measured_states
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.numerics.cells import zonal_polynomials
from lmdata.numerics.checks import as_count

type Array = NDArray[np.float64]


def mean_distance(components: int) -> float:
    r"""Return the mean distance of two uniform points of the unit sphere in d dimensions.

    .. math:: \frac{2^{d-1}\, \Gamma(d/2)^2}{\sqrt\pi\, \Gamma(d - 1/2)}

    Examples
    --------
    >>> round(mean_distance(2) * math.pi, 12), round(mean_distance(3), 12)
    (4.0, 1.333333333333)
    """
    d = components
    logarithm = (d - 1) * math.log(2) + 2 * math.lgamma(d / 2) - math.lgamma(d - 0.5)
    return math.exp(logarithm) / math.sqrt(math.pi)


def uniformities(position: NDArray[np.floating], *, cells: Array | None, degrees: int) -> tuple[Array, Array]:
    """Return distance (...) and powers (..., degrees) of particles (..., n, d), or of masses (..., n, 1) of ``cells``.

    NaN in an absent state, and where a token is at the origin, which has no direction.

    Examples
    --------
    >>> triangle = np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
    >>> distance, power = uniformities(triangle, cells=None, degrees=3)
    >>> round(float(distance**2 - 4 / np.pi + 2 / np.sqrt(3)), 12), power.round(12)
    (0.0, array([0., 0., 1.]))
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    distance, power = np.full(len(states), np.nan), np.full((len(states), degrees), np.nan)
    for index in np.flatnonzero(present(states)):
        points, weights = (
            (directions(states[index]), np.full(n, 1 / n)) if cells is None else (cells, states[index][:, 0])
        )
        if not points.any(axis=1).all():
            continue
        apart = sum((column[:, None] - column) ** 2 for column in points.T)
        square = mean_distance(points.shape[1]) - weights @ np.sqrt(apart) @ weights
        harmonics = zonal_polynomials(np.clip(scores(points, points), -1.0, 1.0), degrees, points.shape[1])[1:]
        # neither is negative in exact arithmetic
        distance[index] = math.sqrt(max(square, 0.0))
        power[index] = [max(float(weights @ harmonic @ weights), 0.0) for harmonic in harmonics]
    return distance.reshape(shape), power.reshape(*shape, degrees)


@measure(
    Variable("distance_to_uniform", ("*", "seed", "time"), "float64", "distance of the directions from uniform ones"),
    Variable(
        "harmonic_power", ("*", "seed", "time", "degree"), "float64", "power of the directions in harmonics of a degree"
    ),
    about=(PARTICLES, DENSITIES),
)
def uniformity(ds: xr.Dataset, *, degrees: int = 4) -> xr.Dataset:
    r"""Measure how far the directions of the tokens are from uniform, at every stored step.

    .. math:: W = \Big( \mathbf{E} |u - u'| - \iint |x - y|\, d\mu(x)\, d\mu(y) \Big)^{1/2}, \qquad
              p_k = \iint P_k(\langle x, y \rangle)\, d\mu(x)\, d\mu(y)

    for the distribution mu of the directions, u and u' uniform, and the zonal harmonics P_k of degree k, P_k(1) = 1.
    W is the energy distance to uniform (`energy_distance`): by Stolarsky's invariance, up to a factor, the root of the
    mean square discrepancy of caps. :math:`p_k` is the sum of the squared moments of degree k
    (:math:`|\int e^{i k \theta} d\mu|^2` on the circle; for k = 1 the square of `order_parameter`). Of them the energy
    is made: :math:`E = \frac{1}{2 \beta} \sum_k a_k N_k p_k`, with a_k of `uniform_growth` and N_k harmonics a degree.
    Both are zero for the uniform density, and of n random tokens :math:`W^2` is :math:`\mathbf{E} |u - u'| / n` in the
    mean, and each p_k is 1/n. Regular polygons have :math:`p_k = 0` for all k < n, and W as 1/n; so have densities,
    whose masses count as points in their cells.

    Parameters
    ----------
    ds
        A dataset of particles, which count by their directions and alike, or of densities.
    degrees : int
        Degrees 1 to ``degrees``.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is, dimensionless, O(n^2) a state; NaN for absent members, and where a token is at the
        origin.

        - ``distance_to_uniform`` (<swept>, seed, time): W
        - ``harmonic_power`` (<swept>, seed, time, degree): p_k, in [0, 1]

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, has one component, or not all cells of a density, or ``degrees`` is no
        integer of at least one.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, -1.0]], steps=0)
    >>> uniformity(ds).harmonic_power.values[0, 0].round(12)  # a square is uniform up to degree 3
    array([0., 0., 0., 1.])
    """
    degrees = as_count(degrees, "degrees")
    cells = cells_of(ds, "uniformity")
    components_of(ds, cells, "uniformity")
    return measured_states(
        ds,
        uniformities,
        "uniformity",
        *("distance_to_uniform", "harmonic_power"),
        new={"degree": list(range(1, degrees + 1))},
        source="energy distance and harmonics of the sphere; uniform minimisers: arXiv 2501.03096",
        cells=cells,
        degrees=degrees,
    )
