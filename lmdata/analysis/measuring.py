"""What every measure needs of a dataset: positions, the parameters of its members, and the way to measure lazily."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.data import registry
from lmdata.data.registry import Variable
from lmdata.dynamics.model import Model, model_from_specification
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.schedules import Explicit
from lmdata.errors import InvalidInput
from lmdata.plugins import explaining, origin

CORE = ("time", "token", "component")
"""The dimensions of one member."""

LOCALMAX = "localmax dynamics, arXiv 2509.15958"
"""Source of the measures that the localmax paper defines."""


def measure[**P, R](*variables: Variable) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the variables that a function on a dataset makes, and let it be a method of ``ds.lm``.

    Parameters
    ----------
    variables : Variable
        Those that no other measure makes; it may make others' too.

    Raises
    ------
    InvalidInput
        If another function, or the dataset itself, has a variable of that name; the message names both.

    Examples
    --------
    >>> from lmdata.analysis.leaders import leaders  # decorated by the line below
    >>> measure(Variable("leader", ("*", "seed", "time", "token"), "bool", "token is its own neighbour", None))(leaders)
    <function leaders at ...>
    >>> leaders.variables
    ('leader',)
    """

    def declared(function: Callable[P, R]) -> Callable[P, R]:
        registry.VARIABLES.declare(f"{function.__module__}:{function.__qualname__}", *variables)
        function.variables = tuple(spec.name for spec in variables)  # type: ignore[attr-defined]
        return function

    return declared


def check(ds: xr.Dataset, measure: str) -> None:
    """Check that ``ds`` is a dataset of lmdata with whole members, before ``measure`` takes it.

    Raises
    ------
    InvalidInput
        If it is not a dataset of `lmdata.simulate` or `lmdata.open`, or a part of one that still has its time,
        token and component dimensions.
    """
    if not isinstance(ds, xr.Dataset):
        raise InvalidInput(f"{measure} needs an xarray.Dataset of lmdata; got {type(ds).__name__}")
    schema = ds.attrs.get("lmdata_schema")
    if schema != registry.SCHEMA:
        raise InvalidInput(
            f"{measure} needs a dataset of lmdata, with the attribute lmdata_schema = {registry.SCHEMA}; this one has "
            f"{schema!r}: make it with lmdata.simulate, or open it with lmdata.open"
        )
    for name in ("position", "status"):
        if name not in ds:
            raise InvalidInput(
                f"{measure} needs the variable {name!r}; the dataset has {', '.join(map(str, ds)) or 'none'}"
            )
    if empty := [dim for dim, size in ds["position"].sizes.items() if size == 0]:
        raise InvalidInput(f"{measure} needs at least one value of {empty[0]!r}; the selection has none")
    for dim in CORE:
        if dim not in ds["position"].dims:
            raise InvalidInput(
                f"{measure} needs the dimension {dim!r} of position, which has {ds['position'].dims}; "
                f"select with a list, such as ds.isel({dim}=[0]), to keep it"
            )


def positions(ds: xr.Dataset, measure: str) -> xr.DataArray:
    """Return ``position``, with NaN for every member that is not complete."""
    check(ds, measure)
    complete = ds["status"] == registry.COMPLETE
    if complete.chunks is None and bool(complete.all()):
        return ds["position"]
    return ds["position"].where(complete)


def model_of(ds: xr.Dataset, measure: str) -> Model:
    """Return the model in the dataset's attribute ``model``, with its own values of the swept parameters."""
    check(ds, measure)
    try:
        specification = json.loads(ds.attrs["model"])
    except (KeyError, TypeError, json.JSONDecodeError):
        raise InvalidInput(
            f"the dataset's attribute 'model' is {ds.attrs.get('model')!r:.80}; it must be the JSON of a model: "
            "make the dataset with lmdata.simulate, or open it with lmdata.open"
        ) from None
    with explaining(ds.attrs):
        return model_from_specification(specification)


def localmax_of(ds: xr.Dataset, measure: str) -> Localmax:
    """Return the dataset's model if it is localmax, whose neighbourhoods ``measure`` needs."""
    model = model_of(ds, measure)
    if not isinstance(model, Localmax):
        raise InvalidInput(
            f"{measure} is defined by localmax neighbourhoods; the dataset's model is of kind {model.kind!r}"
        )
    return model


def by_member(ds: xr.Dataset, model: Model, value: Callable[[Any], Any]) -> xr.DataArray:
    """Return ``value(member's model)`` over the swept parameters, scalars of a selection among them.

    A value that is an array of one number a stored frame gives a last dimension ``time``.

    Examples
    --------
    >>> import lmdata
    >>> model = lmdata.Localmax()
    >>> ds = lmdata.simulate(model, lmdata.tokens.uniform(4, 2), steps=1, sweep={"influence": [0.5, 1]})
    >>> by_member(ds, model, lambda member: member.influence).values
    array([0.5, 1. ])
    """
    names = [name for name in dict.fromkeys([*ds["position"].dims, *ds.coords]) if name in model.sweepable]
    swept = xr.broadcast(*(ds[name].reset_coords(drop=True) for name in names)) if names else ()
    shape = swept[0].shape if names else ()
    found = []
    for place in np.ndindex(shape):
        member = model
        for name, column in zip(names, swept, strict=True):
            member = member.with_parameter(name, float(column.values[place]))
        found.append(np.asarray(value(member), np.float64))
    values = np.stack(found).reshape((*shape, *found[0].shape))
    dims = (*swept[0].dims, "time") if names else ("time",)
    return xr.DataArray(values, dims=dims[: values.ndim])


def sensitivities(ds: xr.Dataset, model: Localmax) -> xr.DataArray:
    """Return the alignment sensitivity at every stored frame: (<swept>, time), or (time,) where none is swept.

    That of frame t takes it to t + 1. An explicit schedule, which may end before the last frame, keeps its
    last value.
    """
    stored = ds["time"].values

    def values(member: Localmax) -> NDArray[np.float64]:
        schedule = member.schedule
        steps = int(stored.max()) + 1
        if isinstance(schedule, Explicit):
            steps = min(steps, len(schedule.sequence))
        return np.asarray(schedule.values(steps)[np.minimum(stored, steps - 1)])

    return by_member(ds, model, values)


def measured(
    ds: xr.Dataset,
    function: Callable[..., Any],
    *arguments: xr.DataArray,
    names: Sequence[str],
    core: Sequence[Sequence[str]],
    new: Mapping[str, Sequence[float]] | None = None,
    comment: str = "",
    source: str = LOCALMAX,
    **parameters: Any,
) -> xr.Dataset:
    """Apply a function on arrays to labelled ones, lazily if they are, and declare what comes out.

    The ``status`` of the members rides along as a coordinate.

    Parameters
    ----------
    ds
        The dataset that is measured.
    function
        Takes the arguments' arrays, core dimensions last, and ``parameters``; returns an array for each name.
    arguments
        Their dimensions that are not core are broadcast against each other.
    names
        Declared variables. Those dimensions of a variable that are core or ``new`` come last, in its order.
    core
        Dimensions of each argument that the function needs whole.
    new
        Dimensions that the function makes, with their coordinates.
    comment, source
        Attributes of what comes out.
    """
    made = dict(new or {})
    inner = {dim for dims in core for dim in dims} | set(made)
    specs = [registry.variable(name) for name in names]
    if taken := set(names).intersection(ds.dims):
        raise InvalidInput(f"the dataset has a dimension {min(taken)!r}, the name of a variable; rename it first")
    whole = [
        argument if argument.chunks is None else argument.chunk(dict.fromkeys(dims, -1))
        for argument, dims in zip(arguments, core, strict=True)
    ]
    results = xr.apply_ufunc(
        function,
        *whole,
        input_core_dims=[list(dims) for dims in core],
        output_core_dims=[[dim for dim in spec.dims if dim in inner] for spec in specs],
        output_dtypes=[np.dtype(spec.dtype) for spec in specs],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {dim: len(column) for dim, column in made.items()}},
        keep_attrs="override",  # of the coordinates; those of the variables are set anew below
        kwargs=parameters,
    )
    out = xr.Dataset(dict(zip(names, results if len(names) > 1 else (results,), strict=True)))
    for spec in specs:
        attrs = spec.attributes() | {"source": source}
        if spec.units == "step":
            attrs["units"] = ds["time"].attrs.get("units", "step")
        if not (module := registry.VARIABLES.owner(spec.name).partition(":")[0]).startswith("lmdata."):
            attrs["package"] = origin(module)
        out[spec.name].attrs = attrs | ({"comment": comment} if comment else {})
    coords = {dim: np.array(column) for dim, column in made.items()}
    return out.assign_coords(coords | {"status": ds["status"]})
