"""The variables of what is measured on a training run, declared beside those of the run itself.

A training run is another kind of dataset than tokens in motion, with variables of its own: ``attention`` is by sample
and token here, by token and key there, and no dataset holds both.

Besides ``*`` for the swept parameters, ``#`` stands for those of them that are parameters of the problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmdata.data import registry
from lmdata.data.registry import TRAINING_GRID as GRID
from lmdata.data.registry import Variable

DATA = ("#", "seed")
SOLVED, INFEASIBLE, UNFINISHED = 0, 1, 2
"""Values of ``solution_status``."""


def _of_measures() -> Iterator[Variable]:
    path = (*GRID, "iteration")
    solution = (*DATA, "solution")

    yield Variable("attention", (*path, "sample", "token"), "float64", "softmax weight of the token")
    yield Variable("selected_token", (*solution, "sample"), "int64", "token that the solution selects, or -1", None)
    yield Variable("direction", (*solution, "feature"), "float64", "max-margin solution p_mm, its norm 1/margin")
    yield Variable("matrix_direction", (*solution, "feature", "query_feature"), "float64", "max-margin solution W_mm")
    yield Variable("value_direction", (*solution, "feature"), "float64", "max-margin separator v_mm of the labels")
    yield Variable("solution_margin", solution, "float64", "largest margin 1/|p_mm| of this selection")
    yield Variable("solution_violation", solution, "float64", "by how much a constraint is missed, in exact arithmetic")
    outcome = ((SOLVED, "solved"), (INFEASIBLE, "infeasible"), (UNFINISHED, "unfinished"))
    yield Variable(
        "solution_status", solution, "uint8", "outcome of the convex program", None, "measure", 255, outcome,
    )  # fmt: skip
    yield Variable(
        "token_support",
        (*solution, "sample", "token"),
        "bool",
        "the token is at the margin from the selected one",
        None,
    )
    yield Variable("value_support", (*solution, "sample"), "bool", "the sample is at the margin of the labels", None)
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
    yield Variable(
        "token_score", (*path, "sample", "token"), "float64", "score y_i <x_it, v> of the token for the label"
    )
    yield Variable("label_margin", (*path, "sample"), "float64", "margin y_i f(X_i) of the label")
    yield Variable(
        "value_correlation", (*path, "solution"), "float64", "cosine of v with the separator v_mm of the labels"
    )
    yield Variable("composed", (*GRID, "sample", "token"), "bool", "the token is attended to in the end", None)
    yield Variable("composition_direction", (*GRID, "feature"), "float64", "generalised max-margin solution")
    yield Variable("composition_matrix", (*GRID, "feature", "query_feature"), "float64", "generalised solution of W")
    yield Variable("composition_margin", GRID, "float64", "largest margin of the composition")
    yield Variable(
        "composition_status", GRID, "uint8", "outcome of the convex program", None, "measure", 255, outcome,
    )  # fmt: skip
    yield Variable("composition_correlation", path, "float64", "cosine with the generalised max-margin solution")
    yield Variable("winner", GRID, "int64", "solution whose tokens have most weight at the end, or -1", None)


VARIABLES = registry.TRAINING
"""Variables of a training run; ``status``, ``digest`` and ``steps_done`` are those of tokens in motion."""

VARIABLES.declare("lmdata.selection", *_of_measures())


def describe(name: str) -> dict[str, Any]:
    """Return the attributes of a variable.

    Examples
    --------
    >>> describe("iteration")["units"]
    'step'
    """
    return (VARIABLES.get(name) or registry.variable(name)).attributes()
