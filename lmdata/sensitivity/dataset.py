"""The dataset of an atlas: intervals of every start, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.data.digest import canonical_json
from lmdata.dynamics.limits.walk import AT_REST, CERTIFIED, ENCLOSED, RECORDED, Leaves
from lmdata.sensitivity.recipe import ATLAS, AtlasRecipe
from lmdata.sensitivity.variables import OUTCOMES, attributes

type Floats = NDArray[np.float64]


def assemble(recipe: AtlasRecipe, starts: Floats, found: list[Leaves]) -> xr.Dataset:
    """Return the dataset of an atlas, from the leaves of every start (seed, token, component)."""
    counts = np.array([len(leaves.bounds) for leaves in found], np.int64)
    bounds, numbers, integers, limit, cluster = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    n, d = recipe.tokens.shape
    outcome = integers[:, 0].astype(np.uint8)
    proved = np.isin(outcome, (CERTIFIED, AT_REST, ENCLOSED))
    known = np.isin(outcome, (CERTIFIED, AT_REST, RECORDED))
    values: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        "interval_count": (("seed",), counts),
        "interval_seed": (("interval",), np.repeat(np.array(recipe.seeds, np.int64), counts)),
        "initial_position": (("seed", "token", "component"), starts),
        "sensitivity_from": (("interval",), bounds[:, 0]),
        "sensitivity_to": (("interval",), bounds[:, 1]),
        "outcome": (("interval",), outcome),
        "certified": (("interval",), proved),
        "steps_done": (("interval",), integers[:, 1]),
        "frozen_from": (("interval",), np.where(known, integers[:, 2], -1)),
    }
    if recipe.steps is None:
        values |= {
            "margin": (("interval",), numbers[:, 0]),
            "limit_error": (("interval",), numbers[:, 1]),
            "vertex_count": (("interval",), integers[:, 4]),
            "s1_size": (("interval",), integers[:, 5]),
            "s2_size": (("interval",), np.where(proved, n - integers[:, 5], -1)),
            "limit_count": (("interval",), integers[:, 6]),
        }
    if recipe.limits:
        token = ("interval", "token")
        if recipe.steps is None:
            values["cluster"] = (token, cluster)
            values["limit_position"] = ((*token, "component"), np.where(proved[:, None, None], limit, np.nan))
        else:
            values["last_position"] = ((*token, "component"), limit)
    labels = recipe.tokens.labels
    ds = xr.Dataset(
        {name: (dims, array, attributes(name)) for name, (dims, array) in values.items()},
        coords={
            "seed": ("seed", np.array(recipe.seeds, np.int64), attributes("seed")),
            "token": ("token", np.arange(n) if labels is None else np.array(labels), attributes("token")),
            "component": ("component", np.arange(d), attributes("component")),
        },
    )
    ds["interval_count"].attrs["sample_dimension"] = "interval"
    ds.attrs = _attributes(recipe, starts, ds)
    return ds


def _attributes(recipe: AtlasRecipe, starts: Floats, ds: xr.Dataset) -> dict[str, Any]:
    width = shares(ds)
    by_outcome = {
        meaning: float(width[ds["outcome"].values == value].sum() / len(starts)) for value, meaning in OUTCOMES
    }
    return {
        "lmdata_atlas": ATLAS,
        "recipe": canonical_json(recipe.specification()),
        "recipe_id": recipe.id,
        "model": canonical_json(recipe.model.specification()),
        "tokens": canonical_json(recipe.tokens.specification()),
        "resolution": recipe.resolution,
        "steps": -1 if recipe.steps is None else recipe.steps,
        "proved_share": sum(by_outcome[meaning] for meaning in ("certified", "at_rest", "enclosed")),
        "unresolved_share": by_outcome["unresolved"],
    }


def shares(ds: xr.Dataset) -> Floats:
    """Return each interval's share of its start's axis, up to where the last interval begins."""
    low, high = ds["sensitivity_from"].values, ds["sensitivity_to"].values
    found = []
    begin = 0
    for count in ds["interval_count"].values.tolist():
        own = slice(begin, begin + count)
        top = high[own][-1] if np.isfinite(high[own][-1]) else low[own][-1]
        if top > low[own][0]:
            found.append((np.minimum(high[own], top) - np.minimum(low[own], top)) / (top - low[own][0]))
        else:  # one interval to infinity
            found.append(np.ones(count))
        begin += count
    return np.concatenate(found)
