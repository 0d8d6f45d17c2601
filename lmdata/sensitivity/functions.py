"""An atlas as step functions of the sensitivity: their values, exact means and exact breakpoints."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.dynamics.limits.shapes import model_at
from lmdata.dynamics.limits.walk import AT_REST, CERTIFIED, ENCLOSED, RECORDED
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.models.localmax import Localmax
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics.checks import as_number
from lmdata.runs.simulation import simulate
from lmdata.sensitivity.recipe import ATLAS
from lmdata.sensitivity.variables import VARIABLES

type Floats = NDArray[np.float64]

STEPS = ("vertex_count", "limit_count", "s1_size", "s2_size", "frozen_from")
"""Whole numbers that an interval has one of, whatever sensitivity within it."""


def check_atlas(ds: Any, function: str) -> None:
    """Check that ``ds`` is an atlas.

    Raises
    ------
    InvalidInput
        If it is not, or a selection has left its intervals without their starts.
    """
    if not isinstance(ds, xr.Dataset) or ds.attrs.get("lmdata_atlas") != ATLAS:
        raise InvalidInput(f"{function} needs an atlas; make one with lmdata.atlas, or open one with lmdata.open")
    if "interval" not in ds.dims or int(ds["interval_count"].sum()) != ds.sizes["interval"]:
        raise InvalidInput(
            f"{function} needs all intervals of every start: take those of its result that are wanted, or make an "
            "atlas of other seeds"
        )


def slices(ds: xr.Dataset) -> list[slice]:
    """Return where each start's intervals are."""
    ends = np.cumsum(ds["interval_count"].values)
    return [slice(int(end - count), int(end)) for end, count in zip(ends, ds["interval_count"].values, strict=True)]


def at(ds: xr.Dataset, sensitivity: ArrayLike) -> xr.Dataset:
    """Return what an atlas says at sensitivities: the interval that each lies in, for every start.

    Parameters
    ----------
    ds
        An atlas.
    sensitivity : float or sequence of float
        Inside the range of the atlas.

    Returns
    -------
    xarray.Dataset
        The variables of the intervals over (seed, sensitivity), or (seed) for a single one; and ``interval``, which
        it is.

    Raises
    ------
    InvalidInput
        If ``ds`` is no atlas, or a sensitivity is outside its range.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> ds.atlas.at([0.1, 5.0]).vertex_count.values
    array([[2, 1]])
    """
    check_atlas(ds, "at")
    wanted = np.asarray(sensitivity, np.float64)
    low, high = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    if wanted.ndim > 1 or not ((wanted >= low[0]) & (wanted < high[-1])).all():
        raise InvalidInput(f"sensitivity is {sensitivity!r}; it must be numbers in [{low[0]!r}, {high[-1]!r})")
    places = np.stack([own.start + np.searchsorted(low[own], wanted, side="right") - 1 for own in slices(ds)])
    dims = ("seed", "sensitivity")[: places.ndim]
    found = ds.drop_vars(["interval_count", "interval_seed", "initial_position"]).isel(
        interval=xr.DataArray(places, dims=dims)
    )
    found["interval"] = (dims, places, {"long_name": "interval of the atlas"})
    return found.assign_coords(sensitivity=(dims[1:], wanted, {"long_name": "alignment sensitivity", "units": "1"}))


def breakpoints(ds: xr.Dataset, of: str | xr.DataArray) -> xr.Dataset:
    """Return where a whole number changes along the axis: the exact floats, and its values between them.

    Parameters
    ----------
    ds
        An atlas.
    of : str or DataArray
        One of its whole numbers, such as ``"vertex_count"``; or any number of trajectories along ``interval``, such
        as a measure of the members at ``sensitivity_from``.

    Returns
    -------
    xarray.Dataset
        Over ``piece``, contiguous ragged as the atlas is (``piece_count``, ``piece_seed``):

        - ``sensitivity_from``, ``sensitivity_to``: the value holds on [from, to)
        - ``value``, and ``known``: false where the atlas is unresolved or open; the value is then -1 and may be any

    Raises
    ------
    UnknownName, InvalidInput
        If it is not constant on the intervals: a margin contains the sensitivity itself.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> pieces = lmdata.breakpoints(ds, "vertex_count")
    >>> pieces.value.values[pieces.known.values][[0, -1]]
    array([2, 1])
    """
    check_atlas(ds, "breakpoints")
    values, known = _step_function(ds, of)
    low, high = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    marked = np.where(known, values, -1)
    begins, counts = [], []
    for own in slices(ds):
        new = np.ones(own.stop - own.start, np.bool_)
        new[1:] = (marked[own][1:] != marked[own][:-1]) | (known[own][1:] != known[own][:-1])
        begins.append(own.start + np.flatnonzero(new))
        counts.append(int(new.sum()))
    first = np.concatenate(begins)
    ends = np.concatenate(
        [np.append(own_begins[1:] - 1, own.stop - 1) for own_begins, own in zip(begins, slices(ds), strict=True)]
    )
    name = of if isinstance(of, str) else str(of.name)
    attrs = VARIABLES[of].attributes() if isinstance(of, str) else dict(of.attrs)
    return xr.Dataset(
        {
            "piece_count": (
                "seed",
                np.array(counts),
                {"long_name": "pieces of this start", "units": "1", "sample_dimension": "piece"},
            ),
            "piece_seed": ("piece", np.repeat(ds["seed"].values, counts), VARIABLES["interval_seed"].attributes()),
            "sensitivity_from": ("piece", low[first], VARIABLES["sensitivity_from"].attributes()),
            "sensitivity_to": ("piece", high[ends], VARIABLES["sensitivity_to"].attributes()),
            "value": ("piece", marked[first], attrs),
            "known": ("piece", known[first], {"long_name": "the value is proved, or of the record"}),
        },
        coords={"seed": ds["seed"]},
        attrs={"of": name},
    )


def mean(
    ds: xr.Dataset,
    of: str | xr.DataArray,
    *,
    sensitivity: tuple[float, float] | None = None,
    weight: Literal["linear", "log"] = "linear",
) -> xr.Dataset:
    """Return exact means along the axis: sums over the intervals, with what is not known as bounds.

    Parameters
    ----------
    ds
        An atlas.
    of : str or DataArray
        As for `breakpoints`.
    sensitivity : (float, float), optional
        The range; by default up to the last breakpoint of each start.
    weight : {"linear", "log"}
        Uniform in the sensitivity, or in its logarithm, for a range that begins above 0.

    Returns
    -------
    xarray.Dataset
        Over ``seed``: ``mean`` of the known part, ``known_share`` of the range, and ``least`` and ``most``, between
        which the mean over the whole range lies, whatever the unknown part is (from 0 to the number of tokens; NaN for
        a DataArray, of which nothing is known).

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> found = ds.atlas.mean("vertex_count", sensitivity=(0.001, 0.1)).isel(seed=0)
    >>> float(found["mean"]), bool(found.least <= found["mean"] <= found.most)
    (2.0, True)
    """
    check_atlas(ds, "mean")
    if weight not in ("linear", "log"):
        raise UnknownName.among("weight", str(weight), ("linear", "log"))
    values, known = _step_function(ds, of)
    bounds = [0.0, float(ds.sizes["token"])] if isinstance(of, str) and of != "frozen_from" else [math.nan, math.nan]
    low, high = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    rows = []
    for own in slices(ds):
        begin, end = _range_of(low[own], high[own], sensitivity)
        if weight == "log":
            if begin <= 0.0:
                raise InvalidInput(f"the range begins at {begin!r}; weight='log' needs one that begins above 0")
            edges = np.log(np.clip(np.append(low[own], high[own][-1]), begin, end))
        else:
            edges = np.clip(np.append(low[own], high[own][-1]), begin, end)
        width = np.diff(edges) / (edges[-1] - edges[0])
        share = float(width[known[own]].sum())
        total = float((width * values[own])[known[own]].sum())
        least, most = (total + bound * (1.0 - share) if share < 1.0 else total for bound in bounds)
        rows.append((total / share if share > 0.0 else math.nan, share, least, most))
    names = ("mean", "known_share", "least", "most")
    meanings = (
        "mean of the known part",
        "share of the range that is known",
        "lower bound of the mean",
        "upper bound of the mean",
    )
    columns = np.array(rows).T
    data = {
        name: ("seed", column, {"long_name": meaning, "units": "1"})
        for name, column, meaning in zip(names, columns, meanings, strict=True)
    }
    return xr.Dataset(data, coords={"seed": ds["seed"]}, attrs={"of": of if isinstance(of, str) else str(of.name)})


def trajectory(ds: xr.Dataset, interval: int, *, steps: int, record: Any = None) -> xr.Dataset:
    """Return the trajectory of an interval as a dataset of tokens in motion, simulated at ``sensitivity_from``.

    Parameters
    ----------
    ds
        An atlas.
    interval : int
        Its number.
    steps, record
        As for `lmdata.simulate`.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> lmdata.limit_polytope(ds.atlas.trajectory(-1, steps=50)).vertex_count.values
    array([1])
    """
    check_atlas(ds, "trajectory")
    one = ds.isel(interval=interval)
    seed = int(one["interval_seed"])
    tokens = ds["initial_position"].sel(seed=[seed]).drop_attrs().compute()
    return simulate(member_of(ds, float(one["sensitivity_from"])), tokens, steps=steps, seeds=(seed,), record=record)


def member_of(ds: xr.Dataset, sensitivity: float) -> Localmax:
    """Return the model of an atlas at one sensitivity."""
    model = model_from_specification(json.loads(ds.attrs["model"]))
    assert isinstance(model, Localmax)
    return model_at(model, as_number(sensitivity, "sensitivity", minimum=0))


def _step_function(ds: xr.Dataset, of: str | xr.DataArray) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the value on each interval, and where it is known."""
    proofs = (CERTIFIED, AT_REST, RECORDED) + (() if isinstance(of, str) and of == "frozen_from" else (ENCLOSED,))
    known = np.isin(ds["outcome"].values, proofs)
    if isinstance(of, xr.DataArray):
        if of.dims != ("interval",) or of.sizes["interval"] != ds.sizes["interval"]:
            raise InvalidInput(f"of has the dimensions {of.dims}; it must be one number an interval")
        return of.values, known
    if of not in STEPS or of not in ds:
        if of in VARIABLES:
            raise InvalidInput(
                f"of is {of!r}, which is no whole number of a trajectory alone; an interval has one value of each of "
                f"{', '.join(name for name in STEPS if name in ds)}"
            )
        raise UnknownName.among("whole number of an atlas", str(of), [name for name in STEPS if name in ds])
    return ds[of].values, known


def _range_of(low: Floats, high: Floats, sensitivity: tuple[float, float] | None) -> tuple[float, float]:
    if sensitivity is None:
        return float(low[0]), float(high[-1] if np.isfinite(high[-1]) else low[-1])
    begin, end = (as_number(value, f"sensitivity[{k}]", minimum=0) for k, value in enumerate(sensitivity))
    if not low[0] <= begin < end <= high[-1]:
        raise InvalidInput(f"sensitivity is ({begin!r}, {end!r}); it must ascend, within [{low[0]!r}, {high[-1]!r}]")
    return begin, end
