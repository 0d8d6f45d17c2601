"""How steep the interaction energy is at a state, in the metrics whose gradient flows attention is."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.masses import alignment_for, cells_of, components_of
from lmdata.analysis.measuring import DENSITIES, PARTICLES, measure, measured_states
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.models.parameters import refuse_overflow
from lmdata.errors import UnknownName
from lmdata.numerics.arrays import apply, inner
from lmdata.numerics.checks import as_number

type Array = NDArray[np.float64]

METRICS = ("wasserstein", "normalised", "fisher-rao")


def steepness(
    points: Array, weights: Array, *, inverse_temperature: float, alignment: Array | None, metric: str
) -> float:
    """Return the slope of the energy at unit vectors (n, d) with weights (n,); `energy_slope` says what it is.

    Examples
    --------
    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> ask = {"inverse_temperature": 1.0, "alignment": None, "metric": "wasserstein"}
    >>> round(steepness(square, np.full(4, 0.25), **ask), 12)
    0.0
    >>> round(steepness(square[:2], np.array([0.5, 0.5]), **ask), 12)  # each goes to the other at the speed 1/2
    0.5
    """
    keys = apply(alignment, points)
    kernel = np.exp(inverse_temperature * scores(points, keys))
    mass = kernel @ weights  # beta times the potential
    if metric == "fisher-rao":
        apart = (mass - weights @ mass) / inverse_temperature
        square = apart * apart
    else:
        pull = kernel @ (weights[:, None] * keys)
        along = pull - inner(points, pull)[:, None] * points
        square = inner(along, along)
        if metric == "normalised":
            square = square / mass
    return float(np.sqrt(weights @ square))


def steepnesses(
    position: NDArray[np.floating],
    *,
    cells: Array | None,
    inverse_temperature: float,
    alignment: Array | None,
    metric: str,
) -> Array:
    """Return `steepness` (...) of particles (..., n, d), or of the masses (..., n, 1) of ``cells``; NaN if absent."""
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    found = np.full(len(states), np.nan)
    for index in np.flatnonzero(present(states)):
        points, weights = (
            (directions(states[index]), np.full(n, 1 / n)) if cells is None else (cells, states[index][:, 0])
        )
        found[index] = steepness(
            points, weights, inverse_temperature=inverse_temperature, alignment=alignment, metric=metric
        )
    return found.reshape(shape)


@measure(
    Variable("energy_slope", ("*", "seed", "time"), "float64", "slope of the interaction energy"),
    about=(PARTICLES, DENSITIES),
)
def energy_slope(
    ds: xr.Dataset,
    *,
    metric: Literal["wasserstein", "normalised", "fisher-rao"] = "wasserstein",
    inverse_temperature: float = 1.0,
    alignment: ArrayLike | None = None,
) -> xr.DataArray:
    r"""Measure how steep the interaction energy is at every stored step: zero at its stationary points alone.

    Of a distribution mu of tokens on the sphere, :math:`E_D = \frac12 \int \varphi\, d\mu` with the potential
    :math:`\varphi(x) = \frac1\beta \int e^{\beta \langle x, D y \rangle} d\mu(y)` and D symmetric. Its slope is

    .. math:: |\partial E|^2 = \int |\mathrm{Proj}_x \nabla \varphi|^2 d\mu, \qquad
              \int \frac{|\mathrm{Proj}_x \nabla \varphi|^2}{\beta \varphi}\, d\mu, \qquad
              \int \Big( \varphi - \int \varphi\, d\mu \Big)^2 d\mu

    in the metric of Wasserstein, in the one that weights the square of a speed at x with :math:`\beta \varphi(x)`, the
    normalisation of the attention of x, and in that of Fisher and Rao (arXiv 2312.10794, 2501.03096). Attention is the
    steepest ascent in these: :math:`dE/dt = |\partial E|^2` along USA and `SphereGradientFlow`, along SA with V = D
    (a gradient flow in the modified metric alone), and along `CircleDensityFlow` and `SphereDensityFlow` in the
    metric that they have; in descent it is the negative of that.

    Parameters
    ----------
    ds
        A dataset of particles, which count by their directions and alike, or of densities.
    metric : {"wasserstein", "normalised", "fisher-rao"}
        See above.
    inverse_temperature : float
        beta > 0.
    alignment : array (component, component), optional
        D, symmetric; the identity by default.

    Returns
    -------
    xarray.DataArray
        ``energy_slope`` (<swept>, seed, time), the energy over a unit of the metric's length, lazy where ``ds`` is; NaN
        for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, has one component, or not all cells of a density; if beta is not positive or
        exp(beta |D|) beyond float64, or D is not symmetric.
    UnknownName
        If there is no such metric.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.SphereGradientFlow(), lmdata.tokens.sphere(6, 3), steps=400, record=[0, 5, 400])
    >>> energy_slope(ds).values[0].round(6) > 0  # tokens come together, where the energy is largest
    array([ True,  True, False])
    """
    if metric not in METRICS:
        raise UnknownName.among("metric", str(metric), METRICS)
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0, above=True)
    cells = cells_of(ds, "energy_slope")
    matrix = alignment_for(alignment, components_of(ds, cells, "energy_slope"))
    refuse_overflow(beta, 1.0 if matrix is None else float(np.linalg.norm(matrix, 2)))
    return measured_states(
        ds,
        steepnesses,
        "energy_slope",
        "energy_slope",
        source="gradient flows of the interaction energy, arXiv 2312.10794, 2501.03096",
        comment=f"metric {metric}, beta = {beta:g}",
        cells=cells,
        inverse_temperature=beta,
        alignment=matrix,
        metric=metric,
    )["energy_slope"]
