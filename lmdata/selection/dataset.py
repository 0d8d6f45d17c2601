"""The layout of the dataset of a training run: what is trained, and the problems that it is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.data.registry import TRAINING
from lmdata.data.training import TrainingLayout
from lmdata.runs.road import attributes
from lmdata.selection.problem import Problem

if TYPE_CHECKING:
    from lmdata.selection.recipe import SelectionRecipe

BACKEND = "numpy:selection"
PARTS = {
    "prompt": ("prompt",),
    "weight": ("weight",),
    "joint": ("prompt", "value"),
    "factors": ("key_matrix", "query_matrix"),
}
"""What each kind of training trains."""


def layout_of(recipe: SelectionRecipe, problems: Sequence[Problem]) -> TrainingLayout:
    """Return the layout of a recipe and its problems (C order of problem parameters and seeds)."""
    features = len(problems[0].value)
    return TrainingLayout(
        swept=recipe.sweep,
        starts=tuple(range(recipe.starts.count)),
        seeds=recipe.seeds,
        iteration=np.array(recipe.recorded, np.int64),
        trained=PARTS[recipe.model.trained],
        features=features,
        width=(recipe.model.width or features) if recipe.model.trained == "factors" else 0,
        problems=problem_data(recipe, problems),
        attrs=attributes(recipe, backend=BACKEND, made="trained"),
    )


def problem_data(recipe: SelectionRecipe, problems: Sequence[Problem]) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Return what is given about the problems: name -> (dims, values)."""
    given: dict[str, list[Any]] = {
        "token_vector": [p.tokens for p in problems],
        "token_count": [p.lengths for p in problems],
        "label": [p.labels.astype(np.int64) for p in problems],
    }
    if recipe.model.of == "weight":
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
        name: ((*swept, *TRAINING[name].dims[1:]), np.reshape(rows, (*grid, *np.shape(rows[0]))))
        for name, rows in given.items()
    }


def _words(problem: Problem) -> Any:
    """Return the words as an array (sample, token), empty where there is no token."""
    width = problem.tokens.shape[1]
    return np.array([[*sample, *[""] * (width - len(sample))] for sample in problem.words or ()])
