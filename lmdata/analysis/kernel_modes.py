"""Modes of the kernel density estimate of the tokens: how many peaks their smoothed density has."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number
from lmdata.numerics.compiled import compiled
from lmdata.numerics.elementary import exp
from lmdata.wording import counted

PLACES = 16
"""Places a bandwidth at which the slope of the density is known."""
MOST_PLACES = 10_000_000
"""More than these would take minutes a state."""


@compiled()
def slopes(places: NDArray[np.float64], points: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Return the slope of the logarithm of the density at places (g, d), d = 1 on the line and 2 on the circle.

    Weights are relative to the largest, so that the sign is right where the density itself underflows.

    Parameters
    ----------
    places : (g, d)
    points : (n, d)
    beta
        Inverse square of the bandwidth.

    Examples
    --------
    >>> slopes(np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [2.0]]), 1.0).round(3)
    array([ 0.238,  0.   , -0.238])
    """
    count, n = len(places), len(points)
    circle = points.shape[1] == 2
    found, score = np.empty(count), np.empty(n)
    for g in range(count):
        top = -math.inf
        for j in range(n):
            if circle:
                score[j] = beta * (places[g, 0] * points[j, 0] + places[g, 1] * points[j, 1])
            else:
                score[j] = -0.5 * beta * (points[j, 0] - places[g, 0]) ** 2
            top = max(top, score[j])
        total = pull = 0.0
        for j in range(n):
            weight = exp(score[j] - top)
            total += weight
            if circle:
                pull += weight * (places[g, 0] * points[j, 1] - places[g, 1] * points[j, 0])
            else:
                pull += weight * (points[j, 0] - places[g, 0])
        found[g] = beta * pull / total
    return found


def peaks(position: NDArray[np.floating], *, inverse_temperature: float) -> NDArray[np.int64]:
    """Return how many modes (...) the density has in states (..., n, d), as `kernel_modes` defines it; -1 if absent.

    Raises
    ------
    InvalidInput
        If the tokens are spread over too many bandwidths.

    Examples
    --------
    >>> state = np.array([[0.0], [1.0], [3.0]])
    >>> [int(peaks(state, inverse_temperature=beta)) for beta in (0.5, 3.0, 10.0)]
    [1, 2, 3]
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    found = np.full(len(states), -1, np.int64)
    for index in np.flatnonzero(present(states)):
        state = states[index]
        extent = 2 * np.pi if d == 2 else float(np.ptp(state))
        wanted = extent * math.sqrt(inverse_temperature) * PLACES
        if wanted > MOST_PLACES:
            raise InvalidInput(
                f"inverse_temperature is {inverse_temperature:g}: the tokens are spread over {wanted / PLACES:.3g} "
                f"bandwidths, more than {MOST_PLACES / PLACES:g}; lower it, or scale the tokens"
            )
        count = math.ceil(wanted) + PLACES
        if d == 2:
            angle = 2 * np.pi * (np.arange(count) + 0.5) / count  # apart from the axes, on which symmetric tokens peak
            places = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            slope = slopes(places, directions(state), inverse_temperature)
            slope = slope[slope != 0]
            found[index] = np.count_nonzero((slope > 0) & (np.roll(slope, -1) < 0))
        else:
            places = np.linspace(state.min(), state.max(), count)[1:-1, None]
            slope = slopes(places, np.ascontiguousarray(state), inverse_temperature)
            slope = np.concatenate([[1.0], slope[slope != 0], [-1.0]])  # beyond the tokens it points to them
            found[index] = np.count_nonzero((slope[:-1] > 0) & (slope[1:] < 0))
    return found.reshape(shape)


@measure(Variable("kernel_modes", ("*", "seed", "time"), "int64", "modes of the kernel density estimate of the tokens"))
def kernel_modes(ds: xr.Dataset, *, inverse_temperature: float = 1.0) -> xr.DataArray:
    r"""Count the modes of the smoothed density of tokens on the line or the circle, at every stored step.

    .. math:: \sum_j e^{-\frac{\beta}{2} (x - x_j)^2} \quad (d = 1), \qquad
              \sum_j e^{\beta \langle x, x_j \rangle}, \ |x| = 1 \quad (d = 2)

    Of n normal numbers the expected number of modes goes as :math:`\sqrt{\beta \log \beta}`, for beta between powers
    of n (arXiv 2412.09080): as many clusters as the attention of that temperature sees. On the line it never
    falls as beta grows, for a Gaussian adds no sign changes.

    Parameters
    ----------
    ds
        A dataset of lmdata with one component, or with two, whose tokens count by their directions.
    inverse_temperature : float
        beta > 0, the inverse square of the bandwidth.

    Returns
    -------
    xarray.DataArray
        ``kernel_modes`` (<swept>, seed, time), lazy where ``ds`` is; -1 for absent members. Modes and the dips beside
        them are told apart down to a sixteenth of a bandwidth.

    Raises
    ------
    InvalidInput
        If ``ds`` has another number of components or has not whole members, or the temperature is not positive; when
        computed, if the tokens are spread over more than 625,000 bandwidths.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[0.0], [1.0], [3.0]], steps=0)
    >>> kernel_modes(ds, inverse_temperature=3.0).item()
    2
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0, above=True)
    position = positions(ds, "kernel_modes")
    if position.sizes["component"] > 2:
        raise InvalidInput(
            f"kernel_modes counts on the line or the circle; the tokens have "
            f"{counted(position.sizes['component'], 'component')}: select one, or two, such as ds.isel(component=[0])"
        )
    return measured(
        ds,
        peaks,
        position,
        names=("kernel_modes",),
        core=(CORE[1:],),
        source="modes of a Gaussian kernel density estimate, arXiv 2412.09080",
        comment=f"beta = {beta:g}",
        inverse_temperature=beta,
    )["kernel_modes"]
