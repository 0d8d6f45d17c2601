"""The variables of a training run and of what is measured on it, declared once.

A training run is another kind of dataset than tokens in motion, with variables of its own: ``attention`` is by sample
and token here, by token and key there, and no dataset holds both.

Besides ``*`` for the swept parameters, ``#`` stands for those of them that are parameters of the problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmdata.data import registry
from lmdata.data.registry import Variable, Variables

GRID = ("*", "start", "seed")
DATA = ("#", "seed")
SOLVED, INFEASIBLE, UNFINISHED = 0, 1, 2
"""Values of ``solution_status``."""


def _of_training_runs() -> Iterator[Variable]:
    path = (*GRID, "iteration")
    sample = (*DATA, "sample")
    token = (*sample, "token")
    solution = (*DATA, "solution")

    yield Variable("start", ("start",), "int64", "number of the start", None, "coordinate")
    yield Variable("iteration", ("iteration",), "int64", "iterations of training", "step", "coordinate")
    yield Variable("sample", ("sample",), "int64", "sample of tokens", None, "coordinate")
    yield Variable("feature", ("feature",), "int64", "feature of a token", None, "coordinate")
    yield Variable("query_feature", ("query_feature",), "int64", "feature of a query", None, "coordinate")

    yield Variable("prompt", (*path, "feature"), "float64", "trained prompt p", "1", "data")
    yield Variable("weight", (*path, "feature", "query_feature"), "float64", "trained weights W", "1", "data")
    yield Variable("value", (*path, "feature"), "float64", "trained value vector v", "1", "data")
    yield Variable("loss", path, "float64", "mean loss over the samples", "1", "data")
    yield Variable("token_vector", (*token, "feature"), "float64", "token x_it", "1", "data")
    yield Variable("token_count", sample, "int64", "tokens of the sample", "1", "data")
    yield Variable("label", sample, "int64", "label y_i, -1 or +1", None, "data")
    yield Variable("query_vector", (*sample, "query_feature"), "float64", "query z_i", "1", "data")
    yield Variable("word", token, "str", "text of the token", None, "data")
    yield Variable("fixed_weight", (*DATA, "feature", "query_feature"), "float64", "weights W", "1", "data")
    yield Variable("fixed_value", (*DATA, "feature"), "float64", "value vector v", "1", "data")

    yield Variable("attention", (*path, "sample", "token"), "float64", "softmax weight of the token")
    yield Variable("selected_token", (*solution, "sample"), "int64", "token that the solution selects, or -1", None)
    yield Variable("direction", (*solution, "feature"), "float64", "max-margin solution p_mm, its norm 1/margin")
    yield Variable("matrix_direction", (*solution, "feature", "query_feature"), "float64", "max-margin solution W_mm")
    yield Variable("value_direction", (*solution, "feature"), "float64", "max-margin separator v_mm of the labels")
    yield Variable("solution_margin", solution, "float64", "largest margin 1/|p_mm| of this selection")
    yield Variable("solution_violation", solution, "float64", "by how much a constraint is missed, in exact arithmetic")
    yield Variable(
        "solution_status", solution, "uint8", "outcome of the convex program", None, "measure", 255,
        ((SOLVED, "solved"), (INFEASIBLE, "infeasible"), (UNFINISHED, "unfinished")),
    )  # fmt: skip
    yield Variable("locally_optimal", solution, "bool", "scores above those of all supporting tokens", None)
    yield Variable("globally_optimal", solution, "bool", "every sample's token of highest score", None)
    yield Variable("direction_correlation", (*path, "solution"), "float64", "cosine with the max-margin solution")
    yield Variable("selected_mass", (*path, "solution", "sample"), "float64", "softmax weight on the selected token")
    yield Variable("path_margin", (*path, "solution"), "float64", "margin of the selection along the unit direction")
    yield Variable("norm", path, "float64", "norm of the trained parameter")
    yield Variable("value_norm", path, "float64", "norm of the trained value vector")
    yield Variable(
        "norm_growth", path, "float64", "growth of the norm per iteration since the last stored one", "step-1"
    )
    yield Variable("winner", GRID, "int64", "solution whose tokens have most weight at the end, or -1", None)


VARIABLES = Variables()
"""Variables of a training run; ``status``, ``digest`` and ``steps_done`` are those of `lmdata.data.registry`."""

VARIABLES.declare("lmdata.selection", *_of_training_runs())


def describe(name: str) -> dict[str, Any]:
    """Return the attributes of a variable.

    Examples
    --------
    >>> describe("iteration")["units"]
    'step'
    """
    return (VARIABLES.get(name) or registry.variable(name)).attributes()
