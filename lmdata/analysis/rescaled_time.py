"""Time rescaled by the closest pair of clusters, in which metastable clusters merge after waits of order one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, models_of, times_of
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number, as_numbers

SOURCE = "metastable clusters of self-attention, arXiv 2410.06833"
_PAIRS_AT_ONCE = 2**18
"""Pairs of tokens whose cosine is known at a time."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def closest_apart(position: NDArray[np.floating], bound: ArrayLike) -> NDArray[np.float64]:
    """Return the largest cosine below ``bound`` of two tokens, (...), of states (..., n, d); NaN where there is none.

    Examples
    --------
    >>> state = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> [closest_apart(state, bound).item() for bound in (1.0, 0.7, 0.0)]
    [0.8, 0.6, nan]
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d)
    bounds = np.broadcast_to(bound, shape).reshape(-1, 1, 1)
    found = np.full(len(states), np.nan)
    size = max(1, _PAIRS_AT_ONCE // n**2)
    for begin in range(0, len(states), size):
        block = states[begin : begin + size]
        here = present(block)
        unit = directions(np.where(here[:, None, None], block, 0.0))
        cosine = scores(unit, unit)
        there = (unit != 0).any(axis=-1)  # a token at the origin is near to none
        pairs = ~np.eye(n, dtype=bool) & there[:, :, None] & there[:, None, :]
        counts = pairs & (cosine < bounds[begin : begin + size])
        largest = np.where(counts, cosine, -np.inf).max(axis=(1, 2))
        found[begin : begin + size] = np.where(np.isfinite(largest), largest, np.nan)
    return found.reshape(shape)


def passed(
    position: NDArray[np.floating],
    time: NDArray[np.float64],
    beta: ArrayLike,
    bound: ArrayLike,
    *,
    normalised: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cosine of the closest pair and the rescaled time, (..., t) each, of members (..., t, n, d).

    ``beta`` and ``bound`` are of the shape (...), or broadcast to it.

    Examples
    --------
    >>> still = np.broadcast_to(np.array([[1.0, 0.0], [0.0, 1.0]]), (3, 2, 2))
    >>> cosine, rescaled = passed(still, np.array([0.0, 1.0, 3.0]), 1.0, 0.9, normalised=True)
    >>> cosine.tolist(), rescaled.round(4).tolist()
    ([0.0, 0.0, 0.0], [0.0, 0.3679, 1.1036])
    """
    cosine = closest_apart(position, np.asarray(bound)[..., None])
    exponent = np.asarray(beta)[..., None] * (cosine - 1.0 if normalised else cosine)
    begin, end = exponent[..., :-1], exponent[..., 1:]
    change = np.where(np.isnan(end), 0.0, end - begin)
    flat = np.abs(change) < 1e-8
    # the inverse of the integrand goes linearly with time where two clusters merge: the mean of 1 / (a + b t)
    mean = np.exp(begin) * np.where(flat, 1.0 + change / 2.0, change / -np.expm1(np.where(flat, 1.0, -change)))
    steps = np.where(np.isnan(begin), 0.0, mean * np.diff(time))
    total = np.concatenate([np.zeros((*cosine.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    return cosine, np.where(present(position), total, np.nan)


@measure(
    Variable("closest_cosine", ("*", "seed", "time"), "float64", "cosine of the closest two tokens that are apart"),
    Variable("rescaled_time", ("*", "seed", "time"), "float64", "time, rescaled by the closest pair that is apart"),
)
def rescaled_time(
    ds: xr.Dataset, inverse_temperature: float | None = None, *, reach: float | None = None, normalised: bool = True
) -> xr.Dataset:
    r"""Measure time on the scale on which the closest two clusters merge (arXiv 2410.06833).

    .. math:: s(t) = \int_0^t e^{-\beta (1 - C(u))}\, du \ \text{(SA)}, \qquad
              s(t) = \int_0^t e^{\beta C(u)}\, du \ \text{(USA)},

    with C the largest cosine of two tokens that are apart. Clusters wait for times that are exponentially long in beta,
    each longer than all before it. In rescaled time the wait of two clusters of the shares p and q of all tokens tends
    to :math:`\Delta \operatorname{artanh} C / (q/p + p/q)` for SA, and is
    :math:`\Delta \operatorname{artanh} C / (p + q)` for USA, as long as others are far: of order one, so that the
    energy climbs in stairs of like lengths (`merging_time`). Where no two tokens are apart any more it stands still.

    Parameters
    ----------
    ds
        A dataset of `SphereAttention` or another flow on the sphere; tokens count by their directions.
    inverse_temperature : float, optional
        beta >= 0; by default each member's own.
    reach : float, optional
        Distance up to which tokens are not apart: merging, or merged. By default cosines from
        :math:`1 - \log \beta / \beta` on, as in the published code, from which a pair is quick; that needs beta > 1.
    normalised : bool
        SA, or USA.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; NaN for absent members.

        - ``closest_cosine`` (<swept>, seed, time): C; NaN where no two tokens are apart
        - ``rescaled_time`` (<swept>, seed, time): s, with the inverse of the integrand linear between frames, as it
          nearly is where two clusters merge; in the interval in which they do, it is off by less than that over beta

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members in the order of time, or an argument is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> flow = lmdata.SphereAttention(inverse_temperature=8.0)
    >>> ds = lmdata.simulate(flow, [[1.0, 0.0], [0.6, 0.8]], steps=150)
    >>> found = rescaled_time(ds).isel(seed=0)
    >>> found.closest_cosine.dropna("time").time[-1].round(1).item(), found.rescaled_time[-1].round(2).item()
    (1.9, 0.14)
    """
    position = positions(ds, "rescaled_time")
    if inverse_temperature is None:
        beta = models_of(ds, "rescaled_time").values(_own_temperature)
    else:
        beta = xr.DataArray(inverse_temperature)
    bounds = [_bound(value, reach) for value in beta.values.ravel().tolist()]
    return measured(
        ds,
        passed,
        position,
        times_of(ds, "rescaled_time").astype(np.float64),
        beta,
        beta.copy(data=np.reshape(bounds, beta.shape)),
        names=("closest_cosine", "rescaled_time"),
        core=(CORE, ("time",), (), ()),
        source=SOURCE,
        comment=f"{'SA' if normalised else 'USA'}; apart are tokens of a cosine below {min(bounds):g}"
        + (f" to {max(bounds):g}" if max(bounds) > min(bounds) else ""),
        normalised=normalised,
    )


def _own_temperature(model: Any) -> float:
    """Return a model's beta."""
    beta = getattr(model, "inverse_temperature", None)
    if beta is None:
        raise InvalidInput(
            f"rescaled_time needs an inverse temperature, and {model.kind!r} has none of its own: give one"
        )
    return float(beta)


def merging_time(
    cosine: float,
    inverse_temperature: float,
    *,
    shares: Sequence[float] = (0.5, 0.5),
    reach: float | None = None,
    normalised: bool = True,
    rescaled: bool = False,
) -> float:
    r"""Return how long two clusters take to merge, others being far.

    The cosine r of two clusters that hold the shares p and q of all tokens follows

    .. math:: r' = (1 - r^2)\, g(r), \qquad
              g = \frac{q}{p\, e^{\beta (1 - r)} + q} + \frac{p}{q\, e^{\beta (1 - r)} + p} \ \text{(SA)}, \qquad
              g = (p + q)\, e^{\beta r} \ \text{(USA)},

    so that it takes :math:`\int dr / ((1 - r^2)\, g)`, about
    :math:`e^{\beta (1 - r)} / (\beta (1 - r^2) (q/p + p/q))` from r on for SA at large beta.

    Parameters
    ----------
    cosine : float
        That at the start, above -1.
    inverse_temperature : float
        beta >= 0.
    shares : two floats
        p and q, above 0; only their ratio matters for SA.
    reach, normalised
        As in `rescaled_time`: when they count as merged, and SA or USA.
    rescaled : bool
        The time of `rescaled_time`, or the model's own.

    Returns
    -------
    float
        0 where they are not apart.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> [round(merging_time(0.6, beta), 1) for beta in (8.0, 16.0, 32.0)]
    [2.0, 33.1, 9477.8]
    >>> [round(merging_time(0.6, beta, rescaled=True, reach=0.1), 4) for beta in (8.0, 16.0, 32.0)]
    [1.8337, 1.6648, 1.5064]
    """
    start = as_number(cosine, "cosine")
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    pair = as_numbers(shares, "shares", minimum=0)
    if len(pair) != 2 or 0.0 in pair:
        raise InvalidInput(f"shares is {shares!r}; give the shares of two clusters, both above 0")
    if not -1.0 < start <= 1.0:
        raise InvalidInput(
            f"cosine is {start!r}; it must be above -1, from where nothing draws two clusters, and at most 1"
        )
    bound = _bound(beta, reach)
    if start >= bound:
        return 0.0
    begin, end = math.atanh(start), math.atanh(bound)
    panels = math.ceil((1.0 + beta) * (end - begin))  # along artanh r the exponent changes by less than one in each
    edges = np.linspace(begin, end, panels + 1)
    middle, half = (edges[1:] + edges[:-1]) / 2, (end - begin) / panels / 2
    r = np.tanh(middle[:, None] + half * _NODES)
    p, q = pair
    far = beta * (1.0 - r)
    if normalised:  # both over e^far, which may overflow
        small = np.exp(-far)
        inverse = 1.0 / (q / (p + q * small) + p / (q + p * small))
        exponent = np.zeros_like(far) if rescaled else far
    else:
        inverse, exponent = np.full_like(far, 1.0 / (p + q)), np.zeros_like(far) if rescaled else -beta * r
    return float(half * (np.exp(exponent) * inverse * _WEIGHTS).sum())


def _bound(inverse_temperature: float, reach: float | None) -> float:
    """Return the cosine from which on two tokens are not apart."""
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    if reach is not None:
        reach = as_number(reach, "reach", minimum=0, above=True)
        if reach >= 2.0:
            raise InvalidInput(f"reach is {reach:g}; no two directions are farther than 2 apart")
        return 1.0 - reach * reach / 2.0
    if beta <= 1.0:
        raise InvalidInput(
            f"inverse_temperature is {beta:g}, and reach is left out, which is the root of 2 log(beta) / beta by "
            "default and needs a beta above 1: give the distance up to which tokens are not apart"
        )
    return 1.0 - math.log(beta) / beta
