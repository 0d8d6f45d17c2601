"""Limits of stored trajectories that are proved, and their states at any later time."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_order, check_stepped, check_whole, localmax_of, numbers_of
from lmdata.data.layout import PROVED
from lmdata.data.registry import CERTIFICATES
from lmdata.dynamics.kernels import canonical
from lmdata.dynamics.limits.certificates import BY, Certificates, certificates, frames_of
from lmdata.dynamics.limits.rational import MOST_TOKENS
from lmdata.dynamics.limits.walk import AT_REST, ENCLOSED
from lmdata.dynamics.models.localmax import Localmax
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count

type Floats = NDArray[np.float64]


@measure(*CERTIFICATES)
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

        - ``certified`` (<swept>, seed), ``certified_by``: ``distance``, ``rest`` or ``enclosure``
        - ``frozen_from``: the step from which no neighbourhood ever changes; -1 where nothing is certified, or limits
          are by enclosure
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
        comment=PROVED,
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
        first
        if first.chunks is None
        else first.copy(deep=False, data=first.variable.chunk(dict.fromkeys(frame, -1)).data),
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
            result[member] = frames_of(states[member], model, time, (time,))[0] if time else states[member]
            errors[member] = 0.0
            continue
        now = frames_of(states[member], model, step, (step,))[0] if step else states[member]
        by = found.certified_by.reshape(-1)[member]
        if by == BY[AT_REST]:
            result[member], errors[member] = now, 0.0
            continue
        if by == BY[ENCLOSED]:
            result[member] = found.certified_limit.reshape(-1, n, d)[member]
            errors[member] = found.certified_error.reshape(-1)[member]
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
