"""The model of each member, the step of each frame, and who was there: what the data themselves say, or a refusal.

Labels may be anything by the time that a measure is asked for: renamed, rescaled, sorted, dropped. What is read here
are the coordinates that follow the positions (`lmdata.data.identity`), checked against the dataset's attributes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.data.identity import model_ids, recipe_of, swept_values
from lmdata.dynamics.model import Model, model_from_specification
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.schedules import Explicit
from lmdata.errors import InvalidInput, UnknownName
from lmdata.plugins import explaining
from lmdata.wording import counted

CORE = ("time", "token", "component")
"""The dimensions of one member."""

Among = Literal["run", "selection"]
"""Whom a measure of the dynamics is about: all tokens of the run, or those that a selection has left."""


@dataclass(frozen=True)
class Models:
    """The models of a dataset's members: the distinct ones, and which is whose.

    Parameters
    ----------
    distinct
        At least one.
    which : (<swept>[, seed])
        Number of each member's model among them; without the seed where it makes no difference, and without any
        dimension where all members have one.
    """

    distinct: tuple[Model, ...]
    which: xr.DataArray

    def values(self, value: Callable[[Any], Any]) -> xr.DataArray:
        """Return ``value(model)`` of each member.

        A value that is an array of one number a stored frame gives a last dimension ``time``.

        Examples
        --------
        >>> import lmdata
        >>> tokens = lmdata.tokens.uniform(4, 2)
        >>> ds = lmdata.simulate(lmdata.Localmax(), tokens, steps=1, sweep={"influence": [0.5, 1]})
        >>> models_of(ds, "an example").values(lambda model: model.influence).values
        array([0.5, 1. ])
        """
        found = np.stack([np.asarray(value(model), np.float64) for model in self.distinct])[self.which.values]
        dims = (*self.which.dims, "time")[: found.ndim]
        return xr.DataArray(found, dims=dims)


def model_of(ds: xr.Dataset, measure: str) -> Model:
    """Return the model in the dataset's attribute ``model``, with its own values of the swept parameters."""
    with explaining(ds.attrs):
        return model_from_specification(_specification(ds, measure))


def holds(ds: xr.Dataset) -> str:
    """Return what the states of a dataset are: ``particles``, or what its model says; particles without a model."""
    if "model" not in ds.attrs:
        return "particles"
    try:
        model = model_of(ds, "the measure")
    except UnknownName:  # a model of a package that is not here: what it calls tokens is taken for tokens
        return "particles"
    return str(getattr(model, "holds", "particles"))


def models_of(ds: xr.Dataset, measure: str) -> Models:
    """Return the model of each member, by the coordinate ``model_id``: labels and attributes have to agree with it.

    Raises
    ------
    InvalidInput
        If the coordinate was dropped, averaged or padded, a dimension is not explained by it, or a member's model is
        not that of the attributes at any point of its sweep.
    """
    specification, base = _specification(ds, measure), model_of(ds, measure)
    swept = {name: values for name, values in swept_values(ds.attrs).items() if name in base.sweepable}
    members = [dim for dim in ds["position"].dims if dim not in CORE]
    if "model_id" not in ds.coords:
        raise InvalidInput(
            f"{measure} needs the parameters of each member, and the coordinate 'model_id' that tells them was dropped"
            ": select with drop=False, squeeze without drop, and keep the coordinate; average the results, not members"
        )
    ids = ds.coords["model_id"]
    values = ids.compute(scheduler="synchronous").values
    if not all(isinstance(value, str) for value in values.ravel().tolist()):
        raise InvalidInput(
            f"{measure}: the coordinate 'model_id' is missing for some members: the dataset was padded or reindexed to "
            "members that there are not; select those that there are"
        )
    values = values.astype(np.str_)
    _check_explained(ds, ids, members, measure)
    distinct, first, which = np.unique(values, return_index=True, return_inverse=True)
    points = _points(distinct, specification, swept)
    for row, place in enumerate(first.tolist()):
        if points[row] is None:
            points[row] = _label_point(ds, ids, place, specification, base, str(distinct[row]))
    if None in points:
        raise InvalidInput(
            f"{measure}: a member was not made by the model in the dataset's attribute 'model' ({base.kind}), at any "
            "point of its sweep: datasets of several models were put together. Measure them apart and put the results "
            "together; of models that differ in one parameter, concatenate along a dimension of its name"
        )
    models = [_at(base, point) for point in points if point is not None]
    number = xr.DataArray(which.reshape(values.shape), dims=ids.dims)
    if "seed" in number.dims and (number == number.isel(seed=0)).all():
        number = number.isel(seed=0)
    return Models(tuple(models), number)


def check_stepped(ds: xr.Dataset, measure: str) -> None:
    """Refuse states that came from elsewhere, for what is about the steps that a model takes.

    Raises
    ------
    InvalidInput
        Whatever model they are looked at under.
    """
    if _from_elsewhere(ds):
        raise InvalidInput(
            f"{measure} is about runs whose model steps from each frame to the next; states that came from elsewhere "
            "were moved by something else"
        )


def _from_elsewhere(ds: xr.Dataset) -> bool:
    """Whether states were computed by something else: they have a source and no recipe (`lmdata.from_trajectory`)."""
    return "source" in ds.attrs and "recipe" not in ds.attrs


def localmax_of(ds: xr.Dataset, measure: str) -> Models:
    """Return the members' models if they are localmax, whose neighbourhoods ``measure`` needs."""
    model = model_of(ds, measure)
    if not isinstance(model, Localmax):
        raise InvalidInput(
            f"{measure} is defined by localmax neighbourhoods; the dataset's model is of kind {model.kind!r}"
        )
    return models_of(ds, measure)


def sensitivities(ds: xr.Dataset, models: Models, measure: str) -> xr.DataArray:
    """Return the alignment sensitivity at every stored frame: (<swept>, time), or (time,) where all have one.

    That of frame t takes it to t + 1; see `sensitivities_at`. Frames have to be the run's, each once, in any order,
    also where the sensitivity is constant: the average of two is no state of the dynamics.
    """
    frames = steps_of(ds, measure)
    return models.values(lambda model: sensitivities_at(model, frames))


def sensitivities_at(model: Localmax, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the alignment sensitivity at step numbers; an explicit schedule that has ended keeps its last value.

    Such a schedule has one value a step, hence none for the frame that the last step leads to.

    Examples
    --------
    >>> sensitivities_at(Localmax([0.3, 0.2]), np.array([0, 1, 2])).tolist()
    [0.3, 0.2, 0.2]
    """
    schedule = model.schedule
    last = int(steps.max())
    if isinstance(schedule, Explicit):
        last = min(last, len(schedule.sequence) - 1)
    return np.asarray(schedule.values(last + 1)[np.minimum(steps, last)])


def steps_of(ds: xr.Dataset, measure: str) -> NDArray[np.int64]:
    """Return the step number of each frame, in whatever order the frames are.

    Raises
    ------
    InvalidInput
        If the coordinate ``step`` was dropped, averaged, interpolated or padded, has a step that the run has not, or
        has one twice, as where several runs are put one after the other.
    """
    if "step" not in ds.coords:
        raise InvalidInput(
            f"{measure} needs the step of each frame, and the coordinate 'step' that tells it was dropped: keep it"
        )
    steps = ds.coords["step"]
    if steps.dims != ("time",):
        raise InvalidInput(
            f"{measure}: the coordinate 'step' has the dimensions {steps.dims}; it must be along time alone: frames of "
            "runs with other steps were put together: measure them apart"
        )
    found = _whole_numbers(steps, measure)
    last = recipe_of(ds.attrs).get("steps", found.max())
    if found.min() < 0 or found.max() > last:
        raise InvalidInput(f"{measure}: the coordinate 'step' goes from {found.min()} to {found.max()}, of {last}")
    if np.unique(found).size < found.size:
        raise InvalidInput(
            f"{measure}: the frames are at the steps {found.tolist()!r:.60}, some of them twice: leave out the second "
            "(ds.drop_duplicates('time')), and measure runs apart that were put one after the other"
        )
    return found


def check_order(ds: xr.Dataset, measure: str) -> NDArray[np.int64]:
    """Return the step number of each frame, for a measure that follows members over time.

    Raises
    ------
    InvalidInput
        If they do not ascend without repeats, and as `steps_of`.
    """
    steps = steps_of(ds, measure)
    if (np.diff(steps) <= 0).any():
        raise InvalidInput(
            f"{measure} follows members over time, and the frames are at the steps {steps.tolist()!r:.60}: sort them "
            "with ds.sortby('step'), and leave out those that are there twice"
        )
    return steps


def times_of(ds: xr.Dataset, measure: str) -> xr.DataArray:
    """Return the times of the frames, which ascend and are those that the model has at their steps.

    Raises
    ------
    InvalidInput
        If the coordinate ``time`` has other values, or the steps do not ascend.
    """
    steps = check_order(ds, measure)
    if "model" not in ds.attrs and "time" in ds.coords and ds["time"].dtype.kind in "fiu":
        if not (np.diff(ds["time"].values) > 0).all():
            raise InvalidInput(f"{measure} tells times, and those of the dataset do not ascend: sort them")
        return xr.DataArray(ds["time"].values, dims="time")
    times = model_of(ds, measure).times(steps.tolist())
    if "time" in ds.coords and not np.array_equal(ds["time"].values, times):
        raise InvalidInput(
            f"{measure} tells times, and those of the dataset, {ds['time'].values.tolist()!r:.60}, are not the times "
            f"of its frames, {times.tolist()!r:.60}: keep the run's own, and change the labels of the result"
        )
    return xr.DataArray(times, dims="time")


def check_whole(ds: xr.Dataset, measure: str, among: Among) -> None:
    """Check that all tokens and components of the run are there, for a measure in which they act on each other.

    Raises
    ------
    UnknownName
        If ``among`` is neither ``"run"`` nor ``"selection"``.
    InvalidInput
        If some were left out or taken twice, and ``among`` is ``"run"``.
    """
    if among not in ("run", "selection"):
        raise UnknownName.among("among", str(among), ("run", "selection"))
    if among == "run":
        for dim in ("token", "component"):
            check_all(ds, dim, measure, "; or give among='selection' for the graph of what is left, on its own")


def check_all(ds: xr.Dataset, dim: str, measure: str, remedy: str = "") -> NDArray[np.int64]:
    """Return the numbers of the tokens, or components, once they are all of the run's, in any order.

    Raises
    ------
    InvalidInput
        If some were left out or taken twice, or the coordinate that tells was dropped.
    """
    numbers, count = numbers_of(ds, dim, measure), count_of(ds, dim, measure)
    if not np.array_equal(np.sort(numbers), np.arange(count)):
        raise InvalidInput(
            f"{measure} is about all {count} {dim}s of the run, which act on each other, and "
            f"{np.unique(numbers).size} of them are selected{', some twice' * (np.unique(numbers).size < numbers.size)}"
            f": measure the whole dataset, and select from the result{remedy}"
        )
    return numbers


def numbers_of(ds: xr.Dataset, dim: str, measure: str) -> NDArray[np.int64]:
    """Return the number in the run of each token or component that is left."""
    name = f"{dim}_number"
    if name not in ds.coords or ds.coords[name].dims != (dim,):
        raise InvalidInput(
            f"{measure} needs to know which {dim}s of the run these are, and the coordinate {name!r} that tells it was "
            "dropped: keep it"
        )
    return _whole_numbers(ds.coords[name], measure)


def count_of(ds: xr.Dataset, dim: str, measure: str) -> int:
    """Return how many tokens or components the run has."""
    numbers_of(ds, dim, measure)
    count = ds.coords[f"{dim}_number"].attrs.get("count")
    if count is None:
        raise InvalidInput(
            f"{measure} needs to know how many {dim}s the run has, and the attribute 'count' of the coordinate "
            f"'{dim}_number' that tells it was dropped: keep it (xarray.set_options(keep_attrs=True))"
        )
    return int(count)


def alignment_of(ds: xr.Dataset, models: Models, measure: str) -> NDArray[np.float64] | None:
    """Return the alignment matrix A of localmax members for the components that are there; None is the identity."""
    matrices = {model.alignment: model.matrix for model in models.distinct if isinstance(model, Localmax)}
    if len(matrices) > 1:
        raise InvalidInput(f"{measure}: members have different alignment matrices; measure them apart")
    (matrix,) = matrices.values()
    if matrix is None:
        return None
    kept = numbers_of(ds, "component", measure)
    return np.asarray(matrix[np.ix_(kept, kept)])


def _specification(ds: xr.Dataset, measure: str) -> dict[str, Any]:
    if "model" not in ds.attrs and _from_elsewhere(ds):
        raise InvalidInput(
            f"{measure} is about a model, and states that came from elsewhere have none: say under which, as in "
            f"{measure}(lmdata.with_model(ds, lmdata.Localmax(0.1)))"
        )
    try:
        found = json.loads(ds.attrs["model"])
    except (KeyError, TypeError, json.JSONDecodeError):
        raise InvalidInput(
            f"{measure}: the dataset's attribute 'model' is {ds.attrs.get('model')!r:.80}; it must be the JSON of a "
            "model: make the dataset with lmdata.simulate, or open it with lmdata.open. xarray drops it from the "
            "difference of two models: measure each, and take the difference of the results"
        ) from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{measure}: the dataset's attribute 'model' is {found!r:.80}; it must be a JSON object")
    return found


def _at(base: Model, point: dict[str, float]) -> Model:
    for name, value in point.items():
        base = base.with_parameter(name, value)
    return base


def _points(
    wanted: NDArray[np.str_], specification: dict[str, Any], swept: dict[str, tuple[float, ...]]
) -> list[dict[str, float] | None]:
    """Return for each model id the point of the sweep that has it, or None."""
    table = model_ids(specification, swept)
    order = np.argsort(table, axis=None)
    row = order[np.minimum(np.searchsorted(table.ravel()[order], wanted), order.size - 1)]
    places = np.stack(np.unravel_index(row, table.shape), axis=-1) if swept else np.zeros((len(row), 0), np.int64)
    return [
        {name: values[i] for (name, values), i in zip(swept.items(), place, strict=True)} if found else None
        for place, found in zip(places.tolist(), table.ravel()[row] == wanted, strict=True)
    ]


def _label_point(
    ds: xr.Dataset, ids: xr.DataArray, place: int, specification: dict[str, Any], base: Model, wanted: str
) -> dict[str, float] | None:
    """Return what the labels of a member say of its parameters, if its model id bears them out; else None."""
    where = dict(zip(ids.dims, np.unravel_index(place, ids.shape), strict=True))
    labels: dict[str, float] = {}
    for name in base.sweepable:
        label = ds.coords.get(name)
        if label is not None and label.dtype.kind in "fiu" and set(label.dims) <= set(ids.dims):
            labels[name] = float(label.isel({dim: int(i) for dim, i in where.items() if dim in label.dims}).values)
    if not np.isfinite(list(labels.values())).all():
        return None
    true = model_ids(specification, {name: (value,) for name, value in labels.items()}).item() == wanted
    return labels if true else None


def _check_explained(ds: xr.Dataset, ids: xr.DataArray, members: list[Any], measure: str) -> None:
    """Check that the members' ids are along the dimensions of the members."""
    if strange := [dim for dim in ids.dims if dim not in members]:
        raise InvalidInput(
            f"{measure}: the coordinate 'model_id' has the dimension {strange[0]!r}, which the members of position "
            f"have not: frames or members of several models were put together: measure them apart"
        )
    for dim in members:
        if dim not in ids.dims and ds.sizes[dim] > 1:
            raise InvalidInput(
                f"{measure}: nothing tells which model the {counted(ds.sizes[dim], 'member')} along {dim!r} "
                "have: measure the datasets apart, and concatenate or expand the results (or "
                "concatenate with coords='different')"
            )


def _whole_numbers(column: xr.DataArray, measure: str) -> NDArray[np.int64]:
    """Return a coordinate of whole numbers, read if it is lazy; refuse what is left of an average or a padding."""
    if column.dtype.kind not in "iu":
        raise InvalidInput(
            f"{measure}: the coordinate {column.name!r} has dtype {column.dtype} and holds no whole numbers any more: "
            "positions were averaged, interpolated or padded; measure first, then average the result"
        )
    return np.asarray(column.compute(scheduler="synchronous").values, np.int64)
