"""The labelled dataset of a training run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lmdata.data.digest import canonical_json, dataset_digest, member_digest, member_key
from lmdata.data.registry import BOOKKEEPING, COMPLETE, FAILED, SCHEMA
from lmdata.numerics.random import ROOT_ENTROPY
from lmdata.selection.paths import Paths
from lmdata.selection.problem import Problem
from lmdata.selection.variables import VARIABLES, describe

if TYPE_CHECKING:
    from lmdata.selection.recipe import SelectionRecipe

_TRAINED = {"prompt": "prompt", "joint": "prompt", "weight": "weight"}


def assemble(recipe: SelectionRecipe, problems: list[Problem], paths: Paths) -> xr.Dataset:
    """Return the dataset of a recipe, its problems (C order of problem parameters and seeds) and its paths."""
    axes: dict[str, Any] = {**recipe.sweep, "start": range(recipe.starts.count), "seed": recipe.seeds}
    joint = recipe.model.trained == "joint"
    trained = [paths.weights, paths.values] if joint else [paths.weights]
    complete = (paths.steps_done == recipe.steps) & np.isfinite(paths.losses).all(axis=1)
    digests = [
        member_digest(member_key(dict(zip(axes, point, strict=True))), parts)
        for point, *parts in zip(product(*axes.values()), *trained, strict=True)
    ]
    members: dict[str, Any] = {
        _TRAINED[recipe.model.trained]: paths.weights if recipe.model.trained == "weight" else paths.weights[..., 0],
        **({"value": paths.values} if joint else {}),
        "loss": paths.losses,
        "status": np.where(complete, COMPLETE, FAILED).astype(np.uint8),
        "digest": np.array(digests),
        "steps_done": paths.steps_done,
    }
    data = {}
    for name, array in members.items():
        tail = VARIABLES[name].dims[3:] if name in VARIABLES else ()
        shape = (*map(len, axes.values()), *array.shape[1:])
        data[name] = ((*axes, *tail), array.reshape(shape), describe(name))
    attrs = _attributes(recipe)
    if complete.all():
        attrs["digest"] = dataset_digest(recipe.id, digests)
    made = xr.Dataset({**data, **_problem_data(recipe, problems)}, attrs=attrs).set_coords(BOOKKEEPING)
    return made.assign_coords(_coordinates(recipe, axes, made.sizes))


def _problem_data(recipe: SelectionRecipe, problems: list[Problem]) -> dict[str, Any]:
    """Return what is given about the problems: name -> (dims, values, attributes)."""
    given: dict[str, list[Any]] = {
        "token_vector": [p.tokens for p in problems],
        "token_count": [p.lengths for p in problems],
        "label": [p.labels.astype(np.int64) for p in problems],
    }
    if recipe.model.trained == "weight":
        given["query_vector"] = [p.query for p in problems]
    else:
        given["fixed_weight"] = [p.weight for p in problems]
    if recipe.model.trained != "joint":
        given["fixed_value"] = [p.value for p in problems]
    if problems[0].words is not None:
        given["word"] = [_words(p) for p in problems]
    swept = recipe.problem_sweep
    grid = (*(len(recipe.sweep[name]) for name in swept), len(recipe.seeds))
    return {
        name: ((*swept, *VARIABLES[name].dims[1:]), np.reshape(rows, (*grid, *np.shape(rows[0]))), describe(name))
        for name, rows in given.items()
    }


def _words(problem: Problem) -> Any:
    """Return the words as an array (sample, token), empty where there is no token."""
    width = problem.tokens.shape[1]
    return np.array([[*sample, *[""] * (width - len(sample))] for sample in problem.words or ()])


def _coordinates(recipe: SelectionRecipe, axes: Mapping[str, Any], sizes: Mapping[Any, int]) -> dict[str, Any]:
    made: dict[str, Any] = {
        name: (name, np.asarray(values), {"long_name": name.replace("_", " "), "units": "1"})
        for name, values in recipe.sweep.items()
    }
    columns = {"start": axes["start"], "seed": recipe.seeds, "iteration": recipe.recorded}
    for name in ("sample", "token", "feature", "query_feature"):
        if name in sizes:
            columns[name] = range(sizes[name])
    return made | {name: (name, np.array(column, np.int64), describe(name)) for name, column in columns.items()}


def _attributes(recipe: SelectionRecipe) -> dict[str, Any]:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    versions = {name: version(name) for name in ("lmdata", "numpy", "numba", "xarray")}
    return {
        "lmdata_schema": SCHEMA,
        "model": canonical_json(recipe.model.specification()),
        "tokens": canonical_json(recipe.problem.specification()),
        "recipe": canonical_json(recipe.specification()),
        "recipe_id": recipe.id,
        "root_seed": str(ROOT_ENTROPY),
        "versions": canonical_json(versions | {"python": sys.version.split()[0]}),
        "backend": "numpy:selection",
        "created": created,
        "history": f"{created} trained by lmdata {versions['lmdata']}",
    }
