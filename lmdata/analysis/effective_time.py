"""A layer against the flow of attention: the time of the flow that fits it best, and what that leaves unexplained."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.energy import ROUNDING, interaction_energies
from lmdata.analysis.given_attention import given_attention
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import Among, check_order, check_whole
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.models.sphere_attention import SphereAttention
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics.arrays import apply
from lmdata.numerics.checks import as_number

type Floats = NDArray[np.float64]

Flow = Literal["SA", "USA", "given"]
FLOWS = ("SA", "USA", "given")
NAMES = ("effective_time", "flow_residual", "dissipation_residual")
SOURCE = "self-attention on the sphere, arXiv 2312.10794; its energy, arXiv 2501.03096"

AT_REST = 1e-14
"""Angles below this, root mean square over the tokens, are rounding of directions; so are forces, over their length."""

_OPPOSITE = 1e-12


class Layer(NamedTuple):
    """What happens between two frames of unit vectors.

    Attributes
    ----------
    start : (n, d)
        The tokens before.
    way : (n, d)
        Velocities with which great circles lead to the tokens after, in a time of one.
    pull : (n, d)
        The mean of what each token attends to under SA, less the token.
    weight : (n,)
        Z_i e^(-beta) / n, with Z_i of `effective_time`.
    energy, rise
        Relative energy before, and how much it rises.
    """

    start: Floats
    way: Floats
    pull: Floats
    weight: Floats
    energy: float
    rise: float


def great_circles(before: Floats, after: Floats) -> Floats:
    """Return the velocities (n, d) at unit vectors with which great circles reach others in a time of one.

    NaN where the two are opposite, to which no shortest way leads.

    Examples
    --------
    >>> great_circles(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) / np.pi
    array([[0. , 0.5]])
    """
    chord = after - before  # of which small angles keep their digits
    across = chord - (before * chord).sum(axis=-1, keepdims=True) * before
    sine, cosine = np.sqrt((across * across).sum(axis=-1)), (before * after).sum(axis=-1)
    stretch = np.divide(np.arctan2(sine, cosine), sine, out=np.ones_like(sine), where=sine > 0)
    stretch[(sine <= _OPPOSITE) & (cosine < 0)] = np.nan
    return across * stretch[:, None]


def layer_of(before: NDArray[np.floating], after: NDArray[np.floating], inverse_temperature: float) -> Layer | None:
    """Return the layer between the directions of tokens (n, d), or None where there is none.

    That is where a state is absent, a token is at the origin, or one turns to the opposite side.

    Examples
    --------
    >>> layer_of(np.eye(2), np.array([[2.0, 0.0], [3.0, 3.0]]), 1.0).way.round(3).tolist()
    [[0.0, 0.0], [0.785, 0.0]]
    """
    if not (present(before) and present(after)):
        return None
    start, end = (np.ascontiguousarray(directions(state)) for state in (before, after))
    way = great_circles(start, end)
    if np.isnan(way).any() or not (start.any(axis=-1) & end.any(axis=-1)).all():
        return None
    pull, mass = attend(start[None], start[None], start[None], np.array([inverse_temperature]))
    first, last = (
        interaction_energies(state, inverse_temperature=inverse_temperature, relative=True).item()
        for state in (start, end)
    )
    # mass is Z_i over the largest exponential of the row, which is the token's own, e^beta
    return Layer(start, way, pull[0], mass[0] / len(start), first, last - first)


def fit(layer: Layer, velocity: Floats, inverse_temperature: float) -> tuple[float, float, float]:
    """Return the effective time, and what the flow with velocities (n, d) leaves of the way and of the energy's rise.

    The velocities need not be tangent yet. See `effective_time`.

    Examples
    --------
    >>> layer = layer_of(np.eye(2), np.array([[2.0, 0.0], [3.0, 3.0]]), 1.0)
    >>> [round(part, 3) for part in fit(layer, layer.way, 1.0)]
    [1.0, 0.0, 0.236]
    """
    start, way = layer.start, layer.way
    force = velocity - (start * velocity).sum(axis=-1, keepdims=True) * start
    n, moved, pushed = len(start), float((way * way).sum()), float((force * force).sum())
    size = float((velocity * velocity).sum())
    if pushed <= AT_REST**2 * size:
        return np.nan, np.nan if moved <= n * AT_REST**2 else 1.0, np.nan
    time = max(0.0, float((way * force).sum()) / pushed)
    left = way - time * force
    rest = float((left * left).sum()) / moved if moved > n * AT_REST**2 else np.nan
    slope = 2.0 * inverse_temperature / n * float((layer.weight[:, None] * layer.pull * force).sum())
    scale = max(abs(layer.rise), abs(time * slope))
    dissipation = (layer.rise - time * slope) / scale if scale > ROUNDING * layer.energy else np.nan
    return time, rest, dissipation


def fits(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
    *,
    inverse_temperature: float,
    flow: Flow,
) -> tuple[Floats, Floats, Floats]:
    """Return effective times, flow residuals and dissipation residuals (...), NaN where there is no layer.

    Parameters
    ----------
    before, after : (..., n, d)
        States on both sides of layers; one that is NaN is absent.
    weights : (..., n, n), optional
        Attention weights; given for the flow ``"given"``, and for it alone.
    inverse_temperature, flow
        As for `effective_time`.

    Examples
    --------
    >>> start = np.eye(2)
    >>> [part.round(3).item() for part in fits(start, start[::-1] + start, inverse_temperature=0.0, flow="SA")]
    [1.571, 0.0, nan]
    """
    given = [before, after] if weights is None else [before, after, weights]
    loop = np.broadcast_shapes(*(array.shape[:-2] for array in given))
    found = np.full((3, *loop), np.nan)
    whole = [np.broadcast_to(array, (*loop, *array.shape[-2:])) for array in given]
    ends, layer = None, None
    for place in np.ndindex(loop):
        now = np.stack([array[place] for array in whole[:2]])
        if ends is None or not np.array_equal(now, ends):  # heads, which come last, share their layer
            ends, layer = now, layer_of(now[0], now[1], inverse_temperature)
        if layer is None:
            continue
        velocity = layer.pull
        if flow == "USA":
            velocity = np.exp(inverse_temperature) * layer.weight[:, None] * layer.pull
        elif flow == "given":
            matrix = np.ascontiguousarray(whole[2][place], dtype=np.float64)
            if np.isnan(matrix).all():
                continue
            if not np.isfinite(matrix).all():
                raise InvalidInput(f"attention{list(place)} has weights that are not finite beside others that are")
            velocity = apply(matrix, layer.start.T).T
        found[(slice(None), *place)] = fit(layer, velocity, inverse_temperature)
    return found[0], found[1], found[2]


@measure(
    Variable("effective_time", ("*", "seed", "time"), "float64", "time of the attention flow nearest to the layer"),
    Variable("flow_residual", ("*", "seed", "time"), "float64", "share of the way that the attention flow leaves"),
    Variable(
        "dissipation_residual",
        ("*", "seed", "time"),
        "float64",
        "rise of the energy beyond that of the attention flow, over the larger of the two",
    ),
)
def effective_time(
    ds: xr.Dataset, *, flow: Flow = "SA", inverse_temperature: float = 1.0, among: Among = "run"
) -> xr.Dataset:
    r"""Measure every layer against the flow of attention on the sphere: how long it would take, and what it leaves.

    With the directions :math:`x_i = z_i / |z_i|` of the tokens in the frame of reference that they have, :math:`v_i`
    the angle between those of a state and of the next, along the great circle that leads there, and the velocities
    (arXiv 2312.10794, V = I)

    .. math:: F_i = \mathrm{Proj}_{x_i} \sum_j P_{ij} x_j, \qquad
              \tau = \max\Big( 0, \frac{\langle v, F \rangle}{\langle F, F \rangle} \Big), \qquad
              \rho = \frac{|v - \tau F|^2}{|v|^2},

    inner products over all tokens and components: :math:`\tau F` is the one step of the flow that is nearest to what
    the layer does. The flow's energy :math:`E_\beta = n^{-2} \sum_{ij} e^{\beta (\langle x_i, x_j \rangle - 1)}` rises
    at the rate

    .. math:: \dot E_\beta = \frac{2 \beta}{n^2} \sum_{ij} e^{\beta (\langle x_i, x_j \rangle - 1)}
                  \langle x_j, F_i \rangle
                  = \frac{2 \beta e^{-\beta}}{n} \sum_i w_i |F_i|^2, \qquad
              r = \frac{\Delta E_\beta - \tau \dot E_\beta}{\max(|\Delta E_\beta|, |\tau \dot E_\beta|)},

    the second form for USA, where :math:`w_i = 1`, and for SA, where :math:`w_i = Z_i / n` with
    :math:`Z_i = \sum_j e^{\beta \langle x_i, x_j \rangle}`. On steps of size h of the flow :math:`\tau = h + O(h^2)`,
    :math:`\rho = O(h^2)` and :math:`r = O(h)`.

    A residual below 1 is no sign of attention by itself: tokens that change places go towards their mean, as the flow
    does. Compare with layers whose tokens are shuffled.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model or none.
    flow : {"SA", "USA", "given"}
        P: softmax of :math:`\beta \langle x_i, x_j \rangle` (SA), :math:`e^{\beta \langle x_i, x_j \rangle} / n`
        (USA), or the weights that came with the states, head by head.
    inverse_temperature : float
        beta > 0, of the flow and of the energy.
    among : {"run", "selection"}
        Who attends to whom: all tokens of the run (a selection of them is refused), or, on their own, the tokens and
        components that a selection has left.

    Returns
    -------
    xarray.Dataset
        Each (<swept>, seed, time), at the frame from which the layer leads to the next stored one, and NaN at the
        last; with given attention the dimension ``head`` comes after ``time``. Lazy where ``ds`` is.

        - ``effective_time``: tau, in the flow's own time; NaN where it moves no token
        - ``flow_residual``: rho, from 0 (the layer is a step of the flow) to 1 (nothing of it is); NaN where no token
          moves
        - ``dissipation_residual``: r, from -2 to 2; above 0 the energy rises more than the fitted step tells. NaN
          where neither changes by more than rounding

        NaN too where a token is at the origin or turns to the opposite side, and for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, all tokens and ascending steps, a parameter is not allowed, or attention is
        asked for that did not come with the states.

    Examples
    --------
    >>> import lmdata
    >>> flow = lmdata.SphereAttention(inverse_temperature=4.0, step_size=0.01)
    >>> ds = lmdata.simulate(flow, lmdata.tokens.sphere(6, 3), steps=2)
    >>> found = effective_time(ds, inverse_temperature=4.0).isel(seed=0, time=0)
    >>> round(found.effective_time.item(), 3), bool(found.flow_residual < 1e-4)
    (0.01, True)
    """
    if flow not in FLOWS:
        raise UnknownName.among("flow", str(flow), FLOWS)
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0, above=True)
    if flow == "USA":
        SphereAttention(inverse_temperature=beta, normalised=False)  # refuses what overflows
    position = positions(ds, "effective_time")
    check_whole(ds, "effective_time", among)
    check_order(ds, "effective_time")
    arguments = [position, position.shift(time=-1)]
    if flow == "given":
        weights = given_attention(ds, "effective_time", among)
        if weights is None:
            raise InvalidInput(
                "flow is 'given', and the dataset has no attention of its own, or is looked at under a model: give it "
                "to lmdata.from_trajectory (attention=...), or take flow='SA'"
            )
        arguments.append(weights)
    return measured(
        ds,
        fits,
        *arguments,
        names=NAMES,
        core=(("token", "component"), ("token", "component"), ("token", "key"))[: len(arguments)],
        source=SOURCE,
        comment=f"flow {flow} at beta = {beta:g}, from each stored frame to the next",
        inverse_temperature=beta,
        flow=flow,
    )
