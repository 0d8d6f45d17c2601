"""What keeps the parts of a dataset what they are, whatever their labels become: coordinates beside the positions.

xarray carries attributes through everything, a selection, a mean, a concatenation with another run, and lets anybody
relabel, reorder or drop a coordinate. So a dataset carries, as coordinates that follow the numbers themselves, the
model of each member (`model_ids`), the step of each frame, and the number of each token and component in the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.data.digest import canonical_json, dataset_digest

if TYPE_CHECKING:
    import xarray as xr

BITS = 2**64 - 1
"""A model id is a whole number below 2^64, written as 16 hexadecimal digits: text, which nobody can average."""


def model_ids(model: Mapping[str, Any], swept: Mapping[str, Sequence[float]]) -> NDArray[np.str_]:
    """Return an id of the model of each point of a sweep, (<swept>): its own parameters and all others decide it.

    The id is the sum, modulo 2^64, of a hash of each parameter and its value. So a model has one id, whether a
    parameter has its value from a sweep or from the model itself.

    Parameters
    ----------
    model
        A model's specification, plain JSON values; that of an inner model under the key ``model``.
    swept
        Values that override the model's own.

    Examples
    --------
    >>> model = {"kind": "localmax", "alignment_sensitivity": 0.0, "influence": 1.0}
    >>> ids = model_ids(model, {"influence": [0.5, 1.0]})
    >>> bool(ids[1] == model_ids(model, {})), bool(ids[0] == ids[1])
    (True, False)
    """
    paths = dict(_parameters(model))
    own = {name: _path(paths, name) for name in swept}
    fixed = sum(_hash(path, value) for path, value in paths.items() if path not in own.values())
    found = np.asarray(fixed & BITS, np.uint64)
    for name, values in swept.items():
        column = np.array([_hash(own[name], float(value) + 0.0) for value in values], np.uint64)
        found = np.add.outer(found, column)
    return np.array([f"{number:016x}" for number in found.ravel().tolist()]).reshape(found.shape)


def _parameters(model: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the parameters of a model and of the model in it, by path."""
    for name, value in model.items():
        if name == "model" and isinstance(value, Mapping):
            yield from _parameters(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _path(paths: Mapping[str, Any], name: str) -> str:
    """Return where a sweepable parameter stands: outermost first; at the top if the specification leaves it out."""
    return min((path for path in paths if path.rpartition("/")[2] == name), key=len, default=name)


def _hash(path: str, value: Any) -> int:
    text = f"{path}={canonical_json(value)}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def recorded_steps(record: int | Sequence[int] | None, steps: int) -> tuple[int, ...]:
    """Return the step numbers that ``record`` keeps of a run of ``steps`` steps.

    Examples
    --------
    >>> recorded_steps(4, 10)
    (0, 4, 8, 10)
    >>> recorded_steps((0, 10), 10)
    (0, 10)
    """
    if isinstance(record, Sequence):
        return tuple(record)
    every = record or 1
    kept = tuple(range(0, steps + 1, every))
    return kept if kept[-1] == steps else (*kept, steps)


def swept_values(attrs: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the sweep of the recipe in a dataset's attributes, by parameter; empty without a recipe.

    Examples
    --------
    >>> swept_values({"recipe": '{"sweep":[["influence",[0.5,1.0]]]}'})
    {'influence': (0.5, 1.0)}
    """
    return {str(name): tuple(map(float, values)) for name, values in dict(recipe_of(attrs).get("sweep") or {}).items()}


def recipe_of(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe in a dataset's attributes, plain values; empty if there is none that can be read."""
    try:
        found = json.loads(attrs.get("recipe", "{}"))
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def steps_of(attrs: Mapping[str, Any], time: NDArray[Any], unit: str) -> NDArray[np.int64] | None:
    """Return the step number of each frame, (time,); None where the recipe does not tell.

    Parameters
    ----------
    attrs
        Attributes of the dataset, the recipe among them.
    time, unit
        Its times and their unit; a map's times are step numbers, and data of no recipe are numbered.

    Examples
    --------
    >>> steps_of({"recipe": '{"steps":4,"record":2}'}, np.array([0.0, 0.2, 0.4]), "1").tolist()
    [0, 2, 4]
    """
    recipe = recipe_of(attrs)
    if isinstance(recipe.get("steps"), int):
        kept = recorded_steps(recipe.get("record"), recipe["steps"])
        if len(kept) == len(time):
            return np.array(kept, np.int64)
    if unit == "step" and time.dtype.kind in "iu":
        return time.astype(np.int64)
    return np.arange(len(time)) if not recipe else None


NAMES = ("catalogue_name", "recipe_id", "digest", "snapshot")
"""Attributes that identify a dataset; xarray carries them to its parts, and to what is put together or averaged."""


def names_of(ds: xr.Dataset) -> dict[str, str]:
    """Return the attributes that identify a dataset, if they still do: none of a part, a mean or a concatenation.

    What has no positions has nothing to compare: its attributes are taken as they stand.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, seeds=(0, 1))
    >>> sorted(names_of(ds)), names_of(ds.isel(seed=[0])), names_of(ds.mean("seed"))
    (['digest', 'recipe_id'], {}, {})
    """
    found = {name: str(ds.attrs[name]) for name in NAMES if name in ds.attrs}
    return found if "position" not in ds or _as_recorded(ds) else {}


def part_of(ds: xr.Dataset) -> dict[str, str]:
    """Return the attributes that identify the dataset which this is a selection of; none if it is none.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, seeds=(0, 1))
    >>> part_of(ds.isel(seed=[0]))["digest"] == ds.attrs["digest"], part_of(ds.mean("seed"))
    (True, {})
    """
    found = {name: str(ds.attrs[name]) for name in NAMES if name in ds.attrs}
    if "position" not in ds or "digest" not in ds.coords:
        return {}
    grid = {"seed": tuple(recipe_of(ds.attrs).get("seeds", ())), **swept_values(ds.attrs)}
    for dim in ds["position"].dims:
        if dim in grid:
            labels = ds[dim].values.tolist() if dim in ds.coords else [None]
            if not set(labels) <= set(grid[str(dim)]) or len(set(labels)) < len(labels):
                return {}
        elif dim not in ("time", "token", "component"):
            return {}
    return found


def _as_recorded(ds: xr.Dataset) -> bool:
    """Return whether all members, frames, tokens and components of the recipe are there, in its order."""
    if "digest" not in ds.coords or not all(_all_numbers(ds, dim) for dim in ("token", "component")):
        return False
    recipe = recipe_of(ds.attrs)
    grid = {**swept_values(ds.attrs), "seed": tuple(recipe.get("seeds", ()))}
    members = [str(dim) for dim in ds["position"].dims if dim not in ("time", "token", "component")]
    if isinstance(recipe.get("steps"), int):
        steps = recorded_steps(recipe.get("record"), recipe["steps"])
        expected = {**grid, "step": steps}
        if set(members) != set(grid) or any(
            name not in ds.coords or ds[name].values.tolist() != list(values) for name, values in expected.items()
        ):
            return False
        members = list(grid)
    if "digest" not in ds.attrs:
        return True  # incomplete: the snapshot names it
    if set(ds["digest"].dims) != set(members):
        return False
    digests = ds["digest"].transpose(*members).values.ravel().tolist()
    return bool(dataset_digest(str(ds.attrs.get("recipe_id", "")), map(str, digests)) == ds.attrs["digest"])


def _all_numbers(ds: xr.Dataset, dim: str) -> bool:
    number = ds.coords.get(f"{dim}_number")
    return number is not None and number.values.tolist() == list(range(int(number.attrs.get("count", -1))))
