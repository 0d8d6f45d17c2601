"""Limits of stored trajectories that are proved, and their states at any later time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_order, check_stepped, check_whole, localmax_of, numbers_of
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels import canonical, fused
from lmdata.dynamics.models.localmax import Localmax
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count
from lmdata.numerics.threads import parallel_for
from lmdata.sensitivity.axis import Axis, Part, walk_part
from lmdata.sensitivity.rational import MOST_STEPS, MOST_TOKENS, prove
from lmdata.sensitivity.recipe import horizon_of
from lmdata.sensitivity.shapes import Shape, shape_of
from lmdata.sensitivity.walk import AT_REST, CERTIFIED

type Floats = NDArray[np.float64]

GRID = ("*", "seed")
TOKEN = (*GRID, "token")
BY = ((0, "none"), (1, "distance"), (2, "rest"))
"""What a limit is certified by."""
LONGER = 10
"""Steps that a proof in rational arithmetic may take beyond the one in floats: it needs hardly more."""


class Certificates(NamedTuple):
    """What `certificates` finds, for each member."""

    certified: NDArray[np.bool_]
    certified_by: NDArray[np.uint8]
    frozen_from: NDArray[np.int64]
    certified_step: NDArray[np.int64]
    certified_margin: Floats
    certified_rate: Floats
    certified_limit: Floats
    certified_error: Floats
    certified_cluster: NDArray[np.int64]
    certified_vertex_count: NDArray[np.int64]
    proved_exactly: NDArray[np.bool_]


def certificates(
    first: Floats,
    family: NDArray[np.int64],
    *,
    models: list[Localmax],
    exact: bool = False,
) -> Certificates:
    """Return the certificates of members; shapes are those of `certify`.

    Parameters
    ----------
    first : (..., n, d)
        The state at step 0; one with NaN is absent.
    family : (...)
        Which of the models is that of the member.
    models
        One model for every set of parameters.
    exact
        Repeat the proof in rational arithmetic.
    """
    *shape, n, d = first.shape
    states = np.ascontiguousarray(first.reshape(-1, n, d), np.float64)
    m = len(states)
    numbers = np.broadcast_to(family, shape).reshape(-1)
    found = Certificates(
        certified=np.zeros(m, np.bool_),
        certified_by=np.zeros(m, np.uint8),
        frozen_from=np.full(m, -1),
        certified_step=np.full(m, -1),
        certified_margin=np.full(m, np.nan),
        certified_rate=np.full(m, np.nan),
        certified_limit=np.full((m, n, d), np.nan),
        certified_error=np.full(m, np.nan),
        certified_cluster=np.full((m, n), -1),
        certified_vertex_count=np.full(m, -1),
        proved_exactly=np.zeros(m, np.bool_),
    )
    ones = np.ones(max(map(horizon_of, models), default=0) + 1)  # the shape of all constants: held once
    axes = [_axis_of(model, ones) for model in models]

    def work(begin: int, end: int) -> None:
        for member in range(begin, end):
            if not np.isnan(states[member]).any():
                own = int(numbers[member])
                _certify_member(states[member], models[own], axes[own], exact, member, found)

    parallel_for(work, m, 8)
    return Certificates._make(array.reshape((*shape, *array.shape[1:])) for array in found)


def _axis_of(model: Localmax, ones: Floats) -> Axis:
    """Return the axis of a single member: from its sensitivity, or the scale 1 of its schedule, to the next float."""
    steps = horizon_of(model)
    own = model.alignment_sensitivity
    shape = Shape(*[ones[: steps + 1]] * 3) if isinstance(own, float) else shape_of(model, steps)
    low = float(own) if isinstance(own, float) else 1.0
    matrix = np.empty((0, 0)) if model.matrix is None else np.ascontiguousarray(model.matrix)
    return Axis(matrix, model.influence, *shape, low, math.nextafter(low, math.inf), False, 0.0, True)


def _certify_member(tokens: Floats, model: Localmax, axis: Axis, exact: bool, member: int, found: Certificates) -> None:
    leaves = walk_part(tokens, axis, Part(0, axis.lower, axis.upper))
    outcome, step, frozen, _, vertices, *_ = leaves.counts[0].tolist()
    found.certified_step[member] = step
    if outcome not in (CERTIFIED, AT_REST):
        return
    found.certified[member] = True
    found.certified_by[member] = outcome
    found.frozen_from[member] = frozen
    found.certified_margin[member], found.certified_error[member] = leaves.numbers[0]
    found.certified_limit[member] = leaves.limit[0]
    found.certified_cluster[member] = leaves.clique[0]
    found.certified_vertex_count[member] = vertices
    found.certified_rate[member] = _rate(tokens, model, frozen, leaves.clique[0] >= vertices)
    if exact and isinstance(model.alignment_sensitivity, float):
        most = min(step + LONGER, MOST_STEPS)
        proof = prove(tokens, model.alignment_sensitivity, model.influence, model.matrix, most=most)
        if proof.proved and proof.limit is not None and proof.frozen_from <= frozen:
            away = np.abs(np.array(proof.limit, float) - leaves.limit[0]).max()
            allowed = leaves.numbers[0, 1] if outcome == CERTIFIED else 2.0**-30 * np.abs(tokens).max()
            same = all(
                [np.flatnonzero(row).tolist() for row in own] == graph
                for own, graph in zip(_graphs(tokens, model, proof.frozen_from), proof.graphs, strict=False)
            )
            found.proved_exactly[member] = same and away <= 2.0 * allowed


def _frames(tokens: Floats, model: Localmax, steps: int, keep: tuple[int, ...]) -> Floats:
    """Return canonical frames of one member."""
    delta = model.schedule.values(steps)[None]
    frames, _ = fused.advance(tokens[None], delta, np.array([model.influence]), model.matrix, keep, threads=1)
    found: Floats = frames[0]
    return found


def _graphs(tokens: Floats, model: Localmax, steps: int) -> NDArray[np.bool_]:
    """Return the neighbourhoods (steps + 1, n, n) at steps 0 to the last."""
    frames = _frames(tokens, model, steps, tuple(range(steps + 1)))
    return np.asarray(canonical.neighbourhoods(frames, model.schedule.values(steps + 1), model.matrix))


def _rate(tokens: Floats, model: Localmax, frozen: int, travelling: NDArray[np.bool_]) -> float:
    """Return (1 + alpha mu) / (1 + alpha), mu the largest eigenvalue in modulus of P among tokens outside cliques."""
    mu = 0.0
    if travelling.any():
        graph = _graphs(tokens, model, frozen)[frozen]
        means = graph / graph.sum(axis=1, keepdims=True)
        mu = float(np.abs(np.linalg.eigvals(means[np.ix_(travelling, travelling)])).max())
    return (1.0 + model.influence * mu) / (1.0 + model.influence)


@measure(
    Variable("certified", GRID, "bool", "limits are proved for all time", None),
    Variable("certified_by", GRID, "uint8", "what the limits are certified by", None, "measure", None, BY),
    Variable("frozen_from", GRID, "int64", "step from which no neighbourhood ever changes", "step"),
    Variable("certified_step", GRID, "int64", "steps to the proof, or that were tried", "step"),
    Variable("certified_margin", GRID, "float64", "what the proof leaves on the narrower side of the sensitivity"),
    Variable("certified_rate", GRID, "float64", "factor of the distance from the limits per step", "step-1"),
    Variable("certified_limit", (*TOKEN, "component"), "float64", "proved limit of the token"),
    Variable("certified_error", GRID, "float64", "bound of the error of every component of a proved limit"),
    Variable("certified_cluster", TOKEN, "int64", "number of the token's proved limit, those of vertices first", None),
    Variable("certified_vertex_count", GRID, "int64", "vertices of the proved limit polytope"),
    Variable("proved_exactly", GRID, "bool", "rational arithmetic proves it too", None),
)
def certify(ds: xr.Dataset, *, exact: bool = False) -> xr.Dataset:
    """Prove the limits of every member for all time, and from which step on no neighbourhood ever changes.

    The member is followed from its start until its limits' gaps keep clear of its sensitivity by more than any later
    distance from the limits allows, the rounding of all later canonical steps accounted for; or until its state
    repeats to the bit, which proves the same of the canonical floats. What is found holds for ever, however short the
    record is. What is not certified within the steps that are tried is said to be so.

    Parameters
    ----------
    ds
        A localmax dataset in float64 with the frame of step 0.
    exact : bool
        Repeat the proof in rational arithmetic, for at most eight tokens and constant sensitivities: ``proved_exactly``
        says of which members it shows the same graphs and limits. It also decides most members of sensitivity 0, whose
        gaps inside a cluster tend to the sensitivity itself.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; ``ds.merge(lmdata.certify(ds))`` lets `limit_polytope` use it.

        - ``certified`` (<swept>, seed), ``certified_by``: ``distance`` or ``rest``
        - ``frozen_from``: the step from which no neighbourhood ever changes; -1 where nothing is certified
        - ``certified_step``: steps to the proof, or that were tried
        - ``certified_margin``: distance of the sensitivity from the nearest that the proof does not cover
        - ``certified_rate``: ``(1 + alpha mu) / (1 + alpha)``
        - ``certified_limit`` (<swept>, seed, token, component), ``certified_error``: where the canonical floats end,
          within the error in every component
        - ``certified_cluster`` (<swept>, seed, token), ``certified_vertex_count``
        - ``proved_exactly``

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with the frame of step 0, its positions are not float64, or ``exact`` is
        asked of more than eight tokens.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(0.1), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], steps=3)
    >>> proof = lmdata.certify(ds, exact=True).isel(seed=0)
    >>> bool(proof.certified), bool(proof.proved_exactly), int(proof.certified_vertex_count)
    (True, True, 2)
    """
    position, models, family = _members(ds, "certify")
    if exact and ds.sizes["token"] > MOST_TOKENS:
        raise InvalidInput(
            f"exact is True for {ds.sizes['token']} tokens; rational arithmetic takes at most {MOST_TOKENS}: "
            "leave it out"
        )
    return measured(
        ds,
        certificates,
        position.isel(time=0, drop=True),
        family,
        names=Certificates._fields,
        core=(CORE[1:], ()),
        comment="proved for the canonical floats",
        models=models,
        exact=exact,
    )


def _members(ds: xr.Dataset, what: str) -> tuple[xr.DataArray, list[Localmax], xr.DataArray]:
    """Return positions, the distinct models, and which is whose, of a dataset that can be stepped again to the bit."""
    position = positions(ds, what)
    check_stepped(ds, what)
    check_whole(ds, what, "run")
    if (order := numbers_of(ds, "component", what).tolist()) != list(range(len(order))):
        raise InvalidInput(f"the components are in the order {order}; {what} steps the tokens anew: sort them")
    if position.dtype != np.float64:
        raise InvalidInput(f"positions are {position.dtype}; {what} needs those that were stepped: store float64")
    if (first := int(check_order(ds, what)[0])) != 0:
        raise InvalidInput(f"the first stored step is {first}; {what} needs the frame of step 0")
    models = localmax_of(ds, what)
    return position, [model for model in models.distinct if isinstance(model, Localmax)], models.which


def continue_to(ds: xr.Dataset, time: int) -> xr.Dataset:
    """Return the state of every certified member at any later time, in closed form.

    From the certified step on Z(t) = Z* + W^(t - s) (Z(s) - Z*), with the frozen matrix W: the time may be 10^12.

    Parameters
    ----------
    ds
        As for `certify`.
    time : int
        At least the last stored step.

    Returns
    -------
    xarray.Dataset
        ``position`` (<swept>, seed, token, component) at that time, NaN where nothing is certified, and
        ``position_error`` (<swept>, seed), a bound of its distance from the simulated one in every component.

    Raises
    ------
    InvalidInput
        If the time is before the last stored step, and as `certify`.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(0.1), [[1.0], [0.5], [-1.0]], steps=3)
    >>> lmdata.continue_to(ds, 10**12).position.values[0, :, 0]
    array([ 0.96875,  0.96875, -1.     ])
    """
    position, models, family = _members(ds, "continue_to")
    time = as_count(time, "time", minimum=int(check_order(ds, "continue_to")[-1]))
    frame, first = ["token", "component"], position.isel(time=0, drop=True)
    states, errors = xr.apply_ufunc(
        _continued,
        first if first.chunks is None else first.chunk(dict.fromkeys(frame, -1)),
        family,
        input_core_dims=[frame, []],
        output_core_dims=[frame, []],
        output_dtypes=[np.float64, np.float64],
        dask="parallelized",
        kwargs={"models": models, "time": time},
    )
    states.attrs = {"long_name": "position of a token", "units": "1"}
    errors.attrs = {"long_name": "bound of the error of every component of a position", "units": "1"}
    return xr.Dataset({"position": states, "position_error": errors}).assign_coords(time=time)


def _continued(first: Floats, family: NDArray[np.int64], *, models: list[Localmax], time: int) -> tuple[Floats, Floats]:
    found = certificates(first, family, models=models)
    *shape, n, d = first.shape
    states, numbers = first.reshape(-1, n, d), np.broadcast_to(family, shape).reshape(-1)
    result = np.full((len(states), n, d), np.nan)
    errors = np.full(len(states), np.nan)
    for member in np.flatnonzero(found.certified.reshape(-1)):
        model = models[numbers[member]]
        step = int(found.certified_step.reshape(-1)[member])
        if time <= step:
            result[member] = _frames(states[member], model, time, (time,))[0] if time else states[member]
            errors[member] = 0.0
            continue
        now = _frames(states[member], model, step, (step,))[0] if step else states[member]
        if found.certified_by.reshape(-1)[member] == AT_REST:
            result[member], errors[member] = now, 0.0
            continue
        delta = float(model.schedule.values(step + 1, start=step)[0])
        graph = np.asarray(canonical.neighbourhoods(now, delta, model.matrix))
        means = graph / graph.sum(axis=1, keepdims=True)
        matrix = (np.eye(n) + model.influence * means) / (1.0 + model.influence)
        limit = found.certified_limit.reshape(-1, n, d)[member]
        power = np.linalg.matrix_power(matrix, time - step)
        power /= power.sum(axis=1, keepdims=True)  # rows that drifted in squaring are convex weights again
        result[member] = limit + power @ (now - limit)
        rounding = 8.0 * n * (n + 8) * 2.0**-53 * math.log2(time - step + 2.0) * np.abs(now - limit).max()
        errors[member] = 2.0 * found.certified_error.reshape(-1)[member] + rounding
    return result.reshape(first.shape), errors.reshape(tuple(shape))
