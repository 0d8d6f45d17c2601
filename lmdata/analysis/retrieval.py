"""Retrieval: how much of each token's first state the last token of a sequence holds, and what linear theory says."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_all, steps_of
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number, as_real_array

SOURCE = "retrieval under causal attention with a bias by distance, arXiv 2605.09213"
WIDTH = math.pi / 8
"""Width of what counts as the same content: an eighth of the half circle."""
MODES = 20
"""Fourier modes that are summed."""


def mode_weights(width: float, modes: int) -> NDArray[np.float64]:
    r"""Return :math:`w_k = e^{-k^2 s^2 / 2}` for k = 1 to ``modes``, the Fourier coefficients of a bump of width s.

    Examples
    --------
    >>> mode_weights(np.pi / 8, 3).round(4)
    array([0.9258, 0.7346, 0.4996])
    """
    order = np.arange(1, modes + 1)
    return np.asarray(np.exp(-((order * width) ** 2) / 2))


def overlaps(
    position: NDArray[np.floating], tokens: NDArray[np.int64], step: NDArray[np.int64], *, width: float, modes: int
) -> NDArray[np.float64]:
    """Return the overlap of the last token with the start of each, (..., t, n), of members (..., t, n, d).

    Parameters
    ----------
    position : (..., t, n, d)
    tokens : (n,)
        Number of each token in the sequence.
    step : (t,)
        Step numbers, one of them 0.
    width, modes
        As in `retrieval_profile`.

    Examples
    --------
    >>> start = np.array([[[1.0, 0.0], [0.0, 1.0]]])  # one frame of two tokens
    >>> overlaps(start, np.arange(2), np.zeros(1, int), width=1.0, modes=1).round(4)
    array([[0.    , 0.6065]])
    """
    last, first = int(tokens.argmax()), int(step.argmin())
    here = present(position)
    unit = directions(np.where(here[..., None, None], position, 0.0))
    start = np.broadcast_to(unit[..., first, None, :, :], unit.shape)
    cosine = (unit[..., last, None, :] * start).sum(axis=-1).clip(-1.0, 1.0)
    before, now, total = np.ones_like(cosine), cosine, np.zeros_like(cosine)
    for weight in mode_weights(width, modes):  # Chebyshev's recurrence for the cosine of multiples of an angle
        total = total + weight * now
        before, now = now, 2.0 * cosine * now - before
    return np.where(here[..., None], total, np.nan)


@measure(
    Variable(
        "retrieval", ("*", "seed", "time", "token"), "float64", "overlap of the last token with the token's first state"
    ),
)
def retrieval_profile(ds: xr.Dataset, *, width: float = WIDTH, modes: int = MODES) -> xr.DataArray:
    r"""Measure how much of each token's start the last token of the sequence holds, at every stored step.

    .. math:: R_j(t) = \sum_{k=1}^{K} w_k \cos k \angle(x_n(t), x_j(0)), \qquad w_k = e^{-k^2 s^2 / 2},

    a bump of width s round the first state of token j, without its mean, at the place of the last token. Of tokens that
    start independently and uniformly on the circle its mean over seeds is 0 where the last token knows nothing of
    token j, and :math:`\sum_k w_k` where it is its copy. Under causal attention it is large for the last token itself
    (it keeps its state), and in the course of time for the first ones; where weights by distance are averaged, for the
    nearest ones too: a U, the middle lost (arXiv 2307.03172, 2605.09213). `retrieval_theory` is its mean in linear
    theory, `retrieval_limit` that of an endless sequence; average over ``seed`` to compare.

    Parameters
    ----------
    ds
        A dataset of lmdata with the frame at step 0.
    width : float
        s > 0, in radians; by default pi/8.
    modes : int
        K >= 1.

    Returns
    -------
    xarray.DataArray
        ``retrieval`` (<swept>, seed, time, token), lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, all tokens and the frame at step 0, or an argument is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.PositionalAttention(), lmdata.tokens.sphere(3, 2), steps=5)
    >>> retrieval_profile(ds).isel(seed=0, time=0).values.round(3)
    array([-0.5  ,  0.188,  2.692])
    """
    width = as_number(width, "width", minimum=0, above=True)
    modes = as_count(modes, "modes")
    position = positions(ds, "retrieval_profile")
    tokens = xr.DataArray(check_all(ds, "token", "retrieval_profile"), dims="token")
    steps = steps_of(ds, "retrieval_profile")
    if 0 not in steps:
        raise InvalidInput(
            f"retrieval_profile compares with the start, and the frames are at the steps {steps.tolist()!r:.60}: keep "
            "the one at step 0"
        )
    return measured(
        ds,
        overlaps,
        position,
        tokens,
        xr.DataArray(steps, dims="time"),
        names=("retrieval",),
        core=(CORE, ("token",), ("time",)),
        source=SOURCE,
        comment=f"width {width:g}, {modes} modes",
        width=width,
        modes=modes,
    )["retrieval"]


def retrieval_theory(
    time: ArrayLike,
    inverse_temperature: float,
    *,
    tokens: int,
    slope: float,
    averaged: bool = False,
    width: float = WIDTH,
    modes: int = MODES,
) -> NDArray[np.float64]:
    r"""Return the mean retrieval of `PositionalAttention` on the circle, strict and unnormalised, in linear theory.

    To first order a mode k of the density of token i moves by :math:`\rho_i' = a_k \sum_j K_{ij} \rho_j`, with
    :math:`a_k = k^2 I_k(\beta) / \beta` and the factors by distance :math:`K_{ij} = e^{-\lambda (i - j - 1)}, j < i`,
    or these over their sum, so that the last token n holds

    .. math:: R_j(t) = \sum_k w_k \big( e^{a_k t K} \big)_{nj} = \sum_k w_k \sum_r \frac{(a_k t)^r}{r!} (K^r)_{nj}.

    Exact for many tokens at each position; for one at each, to first order in t. Averaged, it is right at all times for
    many tokens in all, since each is then moved by many: `retrieval_limit` (arXiv 2605.09213).

    Parameters
    ----------
    time : array (t,)
        Times >= 0 of the model.
    inverse_temperature : float
        beta >= 0.
    tokens : int
        n >= 1.
    slope : float
        lambda >= 0.
    averaged : bool
        As in `PositionalAttention`.
    width, modes
        As in `retrieval_profile`.

    Returns
    -------
    array (t, n)
        In the order of the sequence: the last token's own comes last.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> retrieval_theory([0.0, 4.0], 1.0, tokens=3, slope=1.0).round(3)
    array([[0.   , 0.   , 2.692],
           [5.786, 4.142, 2.692]])
    """
    times = as_real_array(time, "time")
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    n = as_count(tokens, "tokens")
    slope = as_number(slope, "slope", minimum=0)
    modes = as_count(modes, "modes")
    weights = mode_weights(as_number(width, "width", minimum=0, above=True), modes)
    if times.ndim != 1 or (times < 0).any():
        raise InvalidInput("time must be a sequence of times >= 0")
    apart = np.subtract.outer(np.arange(n), np.arange(n))
    kernel = np.where(apart > 0, np.exp(-slope * np.maximum(apart - 1.0, 0.0)), 0.0)
    if averaged:
        kernel[1:] /= kernel[1:].sum(axis=1, keepdims=True)
    passed = (uniform_growth(beta, modes) * times[:, None])[..., None]
    term = np.zeros((times.size, modes, n))
    term[..., n - 1] = 1.0
    total = term.copy()
    for r in range(1, n):  # the matrix is strictly triangular, so that its powers end
        term = passed / r * (term @ kernel)
        total += term
        if (term <= 1e-18 * total).all():
            break
    return np.asarray(np.einsum("k,tkn->tn", weights, total))


def retrieval_limit(
    place: ArrayLike,
    time: float,
    inverse_temperature: float,
    *,
    slope: float,
    width: float = WIDTH,
    modes: int = MODES,
) -> NDArray[np.float64]:
    r"""Return n times the mean retrieval of n tokens, averaged and with the slope lambda / n, as n tends to infinity.

    .. math:: \lim_n n R_{\lceil sn \rceil}(t) = \frac{\lambda e^{\lambda s}}{e^\lambda - 1}
              \sum_k w_k\, \psi_{a_k t} \Big( \log \frac{e^\lambda - 1}{e^{\lambda s} - 1} \Big), \qquad
              \psi_c(y) = \sum_{r \ge 0} \frac{c^{r + 1} y^r}{r!\, (r + 1)!}

    with :math:`a_k = k^2 I_k(\beta) / \beta` (arXiv 2605.09213, in a time that is beta times shorter). It is infinite
    at the first place, s = 0. Before `retrieval_turn` it falls from there to one minimum and rises to the last place,
    s = 1: a U, the middle lost. From that time on it falls at the last place, and for small slopes all the way.

    Parameters
    ----------
    place : array
        Places s in the sequence, above 0 and up to 1.
    time : float
        t >= 0, of the model.
    inverse_temperature : float
        beta >= 0.
    slope : float
        lambda >= 0, over the whole sequence.
    width, modes
        As in `retrieval_profile`.

    Returns
    -------
    array
        Of the shape of ``place``.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> retrieval_limit([0.001, 0.25, 0.5, 0.75, 1.0], 2.0, 1.0, slope=4.0).round(2)
    array([4.23, 1.8 , 2.98, 5.09, 8.44])
    """
    from scipy.special import hyp0f1

    places = as_real_array(place, "place")
    time = as_number(time, "time", minimum=0)
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    slope = as_number(slope, "slope", minimum=0)
    modes = as_count(modes, "modes")
    weights = mode_weights(as_number(width, "width", minimum=0, above=True), modes)
    if not ((places > 0) & (places <= 1)).all():
        raise InvalidInput("place must be places in the sequence, above 0 and up to 1")
    if slope == 0:
        density, passed = np.ones_like(places), -np.log(places)
    else:  # of e^lambda and e^(lambda s) over e^lambda, which do not overflow
        density = slope * np.exp(slope * (places - 1)) / -math.expm1(-slope)
        passed = np.log(-math.expm1(-slope) / -np.expm1(-slope * places)) + slope * (1 - places)
    grown = uniform_growth(beta, modes) * time
    return np.asarray(density * ((grown * hyp0f1(2.0, grown * passed[..., None])) @ weights))


def retrieval_turn(inverse_temperature: float, *, slope: float, width: float = WIDTH, modes: int = MODES) -> float:
    r"""Return the time at which the last token begins to hold more of the token but one before it than of the next.

    .. math:: t_c = 2 (1 - e^{-\lambda}) \frac{\sum_k w_k a_k}{\sum_k w_k a_k^2}, \qquad
              a_k = \frac{k^2 I_k(\beta)}{\beta}, \quad w_k = e^{-k^2 s^2 / 2},

    from :math:`R_1 = R_2` of `retrieval_theory`: before it the profile falls with distance (recency), from it on it
    begins to rise towards the first tokens. It is also the time from which on `retrieval_limit`, with lambda over the
    whole sequence, is no U any more: its slope at the last place changes sign. In the time of
    :math:`\theta' = \partial_\theta e^{\beta \cos\theta}`, in which arXiv 2605.09213 has it
    (:math:`a_k = k^2 I_k(\beta)`), it is beta times shorter.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    slope : float
        lambda >= 0.
    width, modes
        As in `retrieval_profile`.

    Returns
    -------
    float
        In the model's time.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> round(retrieval_turn(1.0, slope=1.0), 6)
    2.457489
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    slope = as_number(slope, "slope", minimum=0)
    modes = as_count(modes, "modes")
    weights = mode_weights(as_number(width, "width", minimum=0, above=True), modes)
    rates = uniform_growth(beta, modes)
    return float(2 * -math.expm1(-slope) * (weights @ rates) / (weights @ rates**2))
