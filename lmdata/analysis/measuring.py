"""What every measure needs of a dataset: positions, the parameters of its members, and the way to measure lazily."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from lmdata.analysis.parameters import CORE, holds
from lmdata.analysis.presence import on_whole_states
from lmdata.analysis.ragged import BY_TOKEN, PLACES, on_own_tokens
from lmdata.data import registry
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.plugins import origin

LOCALMAX = "localmax dynamics, arXiv 2509.15958"
"""Source of the measures that the localmax paper defines."""


PARTICLES = "particles"
"""States whose tokens are points that move."""
DENSITIES = "densities"
"""States whose tokens are cells of a fixed grid, with their mass as the only component."""


def measure[**P, R](
    *variables: Variable, about: Sequence[str] = (PARTICLES,)
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the variables that a function on a dataset makes, and let it be a method of ``ds.lm``.

    Parameters
    ----------
    variables : Variable
        Those that no other measure makes; it may make others' too.
    about : sequence of str
        The kinds of states that the function is about (`PARTICLES`, `DENSITIES`, or what a model ``holds``); datasets
        of other kinds are refused before it is called.

    Raises
    ------
    InvalidInput
        If another function, or the dataset itself, has a variable of that name; the message names both.

    Examples
    --------
    >>> from lmdata.analysis.leaders import leaders  # decorated by the line below
    >>> measure(Variable("leader", ("*", "seed", "time", "token"), "bool", "token is its own neighbour", None))(leaders)
    <function leaders at ...>
    >>> leaders.variables, leaders.about
    (('leader',), ('particles',))
    """

    def declared(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for given in (*args, *kwargs.values()):
                if not isinstance(given, xr.Dataset):
                    continue
                _check_sizes(given, function.__name__)
                if holds(given) not in about:
                    raise InvalidInput(
                        f"{function.__name__} is about {' and '.join(about)}; the states of this dataset are "
                        f"{holds(given)}: choose a measure that is about those"
                    )
            return function(*args, **kwargs)

        registry.VARIABLES.declare(f"{function.__module__}:{function.__qualname__}", *variables)
        checked.variables = tuple(spec.name for spec in variables)  # type: ignore[attr-defined]
        checked.about = tuple(about)  # type: ignore[attr-defined]
        return checked

    return declared


def _check_sizes(ds: xr.Dataset, measure: str) -> None:
    """Refuse a dataset whose variables disagree about a dimension, as `rename_dims` and then `reindex` make one."""
    sizes: dict[Hashable, tuple[int, Hashable]] = {}
    for name, variable in ds.variables.items():
        for dim, size in variable.sizes.items():
            known, other = sizes.setdefault(dim, (size, name))
            if known != size:
                raise InvalidInput(
                    f"{measure}: {name!r} is of length {size} along {dim!r} and {other!r} of {known}: coordinates were "
                    "left behind when the dataset was reindexed; rename with rename() instead of rename_dims()"
                )


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
    if "position" not in ds.data_vars or ds["position"].dtype.kind not in "fiu":
        raise InvalidInput(
            f"{measure} needs the variable 'position', of real numbers; the dataset has "
            f"{', '.join(map(str, ds)) or 'none'}"
        )
    position = ds["position"]
    if empty := [dim for dim, size in position.sizes.items() if size == 0]:
        raise InvalidInput(f"{measure} needs at least one value of {empty[0]!r}; the selection has none")
    for dim in CORE:
        if dim not in position.dims:
            raise InvalidInput(
                f"{measure} needs the dimension {dim!r} of position, which has {position.dims}; "
                f"select with a list, such as ds.isel({dim}=[0]), to keep it"
            )
    members = [dim for dim in position.dims if dim not in CORE]
    if "status" not in ds and any(position.sizes[dim] > 1 for dim in members):
        raise InvalidInput(
            f"{measure} needs the coordinate 'status', which tells what members there are; it was dropped, or averaged "
            "away: keep it, and average the result instead of the positions"
        )
    if "status" in ds and (strange := set(ds["status"].dims) - set(members)):
        raise InvalidInput(
            f"{measure}: status has the dimension {min(map(str, strange))!r}, which the members of position have not; "
            f"they have {tuple(map(str, members))}: make both from one dataset"
        )


def positions(ds: xr.Dataset, measure: str) -> xr.DataArray:
    """Return ``position``, with NaN for every member that is not complete."""
    check(ds, measure)
    if "status" not in ds:
        return ds["position"]
    complete = ds["status"] == registry.COMPLETE
    if complete.chunks is None and bool(complete.all()):
        return ds["position"]
    return ds["position"].where(complete)


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

    The members' bookkeeping rides along: coordinates of the first argument that fit what comes out. In the block that
    is being computed, states must hold all their tokens or none (`lmdata.analysis.presence`); where the dataset says
    that runs differ in their tokens, each is measured on its own ones (`lmdata.analysis.ragged`).

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
    whole = [  # coordinates stay as they are, so that what is measured merges with what it was measured on
        argument
        if argument.chunks is None
        else argument.copy(deep=False, data=argument.variable.chunk(dict.fromkeys(dims, -1)).data)
        for argument, dims in zip(arguments, core, strict=True)
    ]
    inside = [[dim for dim in spec.dims if dim in inner] for spec in specs]
    dtypes = [np.dtype(spec.dtype) for spec in specs]
    apply = functools.partial(on_whole_states, function=function, core=core, measure=names[0])
    there = ds.coords.get(registry.PRESENT)
    if there is not None and inner.intersection((*BY_TOKEN, *PLACES)):
        sizes = {str(dim): size for dim, size in ds.sizes.items()} | {dim: len(column) for dim, column in made.items()}
        apply = functools.partial(
            on_own_tokens, function=function, core=core, measure=names[0], made=inside, sizes=sizes, dtypes=dtypes
        )
        whole, core = [*whole, _without_coords(there)], [*core, ("token",)]
    results = xr.apply_ufunc(
        apply,
        *whole,
        input_core_dims=[list(dims) for dims in core],
        output_core_dims=inside,
        output_dtypes=dtypes,
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
    coords: dict[str, Any] = {dim: np.array(column) for dim, column in made.items()}
    return out.assign_coords(coords | ({"status": ds["status"]} if "status" in ds else {}))


def measured_states(
    ds: xr.Dataset, function: Callable[..., Any], measure: str, *names: str, **options: Any
) -> xr.Dataset:
    """Apply a function of the tokens of one state to every stored state, lazily: `measured`, which takes ``options``.

    ``measure`` is the name that messages have, ``names`` are those of the variables.
    """
    return measured(ds, function, positions(ds, measure), names=names, core=(("token", "component"),), **options)


def _without_coords(array: xr.DataArray) -> xr.DataArray:
    return xr.DataArray(array.variable)
