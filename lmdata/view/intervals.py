"""The intervals of an atlas as pages show them: starts with limits, trajectories, and what is to be said."""

from __future__ import annotations

import json
import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.dynamics.model import model_from_specification
from lmdata.sensitivity.atlas import atlas
from lmdata.sensitivity.functions import STEPS, check_atlas, slices, trajectory
from lmdata.sensitivity.recipe import ATLAS
from lmdata.view import naming
from lmdata.view.members import Member
from lmdata.wording import counted

MOST_FRAMES = 120
"""Frames of a trajectory; of more steps, evenly chosen ones are kept."""
SETTLED = 7.0
"""A trajectory goes on after its proof until tokens are exp(-7) of their distance from the limits."""
KEPT = 256
"""Trajectories that are kept in memory; the least recently shown goes first."""


def is_atlas(dataset: xarray.Dataset) -> bool:
    """Return whether a dataset is an atlas.

    Examples
    --------
    >>> import lmdata
    >>> is_atlas(lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [-1.0, 0.0]]))
    True
    """
    return bool(dataset.attrs.get("lmdata_atlas") == ATLAS)


class Intervals:
    """An atlas, with what its pages show of it, found when first asked for and shared by all visitors.

    Parameters
    ----------
    dataset : Dataset
        An atlas, perhaps lazy.

    Examples
    --------
    >>> import lmdata
    >>> shown = Intervals(lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]]))
    >>> shown.at(0, 0.3), shown.member(0, shown.at(0, 0.3)).position.shape[1:]
    (36, (3, 2))
    """

    def __init__(self, dataset: xarray.Dataset) -> None:
        check_atlas(dataset, "dashboard")
        self.dataset = dataset
        self.start = lru_cache(maxsize=8)(self._start)
        self.member = lru_cache(maxsize=KEPT)(self._member)

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds of its starts."""
        found: list[int] = self.dataset["seed"].values.tolist()
        return found

    @cached_property
    def numbers(self) -> list[str]:
        """The whole numbers by which bands can be coloured."""
        return [name for name in STEPS if name in self.dataset]

    @cached_property
    def bands(self) -> xarray.Dataset:
        """What bands are drawn from, in memory: the atlas without the limits of tokens."""
        return self.dataset.drop_vars(["limit_position", "last_position", "cluster"], errors="ignore").load()

    def _start(self, seed: int) -> xarray.Dataset:
        """Return the atlas of one start, with its limits; where they were not kept, its axis is walked again."""
        number = self.seeds.index(seed)
        one = self.dataset.isel(seed=[number], interval=slices(self.dataset)[number]).load()
        if "limit_position" in one or one.attrs["steps"] >= 0:
            return one
        recipe = json.loads(one.attrs["recipe"])
        low, high = recipe["sensitivity"]
        model: Any = model_from_specification(recipe["model"])
        tokens = one["initial_position"].drop_attrs()
        whole = atlas(
            model, tokens, seeds=[seed], sensitivity=(low, math.inf if high is None else high),
            resolution=recipe["resolution"],
        )  # fmt: skip
        return whole.assign_coords(token=one["token"])

    def at(self, seed: int, sensitivity: float) -> int:
        """Return the number of the interval that a sensitivity lies in; of the nearest if it is outside the range."""
        begins = self.start(seed)["sensitivity_from"].values
        return max(0, int(np.searchsorted(begins, sensitivity, side="right")) - 1)

    def first(self, seed: int) -> int:
        """Return the interval that is shown at first: the widest of those with at least two vertices, if there are."""
        one = self.start(seed)
        width = one["sensitivity_to"].values - one["sensitivity_from"].values
        width[~np.isfinite(width)] = 0.0
        if "vertex_count" in one and (one["vertex_count"].values > 1).any():
            width[one["vertex_count"].values < 2] = 0.0
        return int(width.argmax())

    def next_band(self, seed: int, number: int, of: str, step: int) -> int:
        """Return the first interval of the next band, or of the last one (``step`` -1), past what is not proved."""
        one = self.start(seed)
        values = one[of].values
        known = np.ones(len(values), np.bool_) if one.attrs["steps"] >= 0 else one["certified"].values
        new = np.ones(len(values), np.bool_)
        new[1:] = values[1:] != values[:-1]
        begins = np.flatnonzero(new & known)
        beyond = begins[begins > number] if step > 0 else begins[begins < number]
        if not len(beyond):
            return number
        return int(beyond[0] if step > 0 else beyond[-1])

    def _member(self, seed: int, number: int) -> Member:
        """Return the trajectory of an interval, simulated at its ``sensitivity_from``, with the limits of the atlas."""
        one = self.start(seed)
        steps = one.attrs["steps"]
        if steps < 0:
            steps = max(1, int(one["steps_done"][number])) + next_steps(json.loads(one.attrs["model"])["influence"])
        record = (
            None if steps < MOST_FRAMES else np.unique(np.linspace(0, steps, MOST_FRAMES).astype(np.int64)).tolist()
        )
        run = trajectory(one, number, steps=steps, record=record).assign_coords(token=one["token"])
        run.attrs["catalogue_name"] = naming.dataset_name(self.dataset)
        if "cluster" in one and bool(one["certified"][number]):
            run = run.assign(limits_of(one, number))
        return Member(run)

    def tell(self, seed: int, number: int) -> str:
        """Return what an interval is, in one line."""
        one = self.start(seed).isel(interval=number)
        low, high = float(one["sensitivity_from"]), float(one["sensitivity_to"])
        said = [f"seed {seed}", f"interval {number + 1:,} of {self.start(seed).sizes['interval']:,}"]
        said.append(f"δ from {low:.8g} up to {high:.8g}" if math.isfinite(high) else f"δ from {low:.8g} on")
        if one.attrs["steps"] >= 0:
            return " · ".join([*said, f"record of {counted(one.attrs['steps'], 'step')}"])
        if not bool(one["certified"]):
            return " · ".join([*said, "not proved: several trajectories; drawn is the first"])
        said.append(counted(int(one["vertex_count"]), "vertex", plural="vertices"))
        if int(one["s2_size"]) > 0:
            said.append(f"{counted(int(one['s2_size']), 'token')} at none")
        said.append(f"proved after {counted(int(one['steps_done']), 'step')}")
        return " · ".join(said)


def next_steps(influence: float) -> int:
    """Return how many steps a trajectory goes on after its proof.

    Examples
    --------
    >>> next_steps(1.0), next_steps(0.1)
    (11, 74)
    """
    return math.ceil(SETTLED / math.log1p(influence))


def limits_of(one: xarray.Dataset, number: int) -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    """Return the limit vertices of an interval, as `lmdata.limit_polytope` names them."""
    cluster, count = one["cluster"].values[number], int(one["vertex_count"][number])
    places = one["limit_position"].values[number]
    corners = np.array([places[np.flatnonzero(cluster == vertex)[0]] for vertex in range(count)])
    return {
        "token_vertex": (("seed", "token"), np.where(cluster < count, cluster, -1)[None]),
        "vertex_position": (("seed", "vertex", "component"), corners[None]),
    }
