"""The variables of an atlas, declared once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmdata.data.registry import Variable, Variables
from lmdata.dynamics.limits.walk import AT_REST, CERTIFIED, ENCLOSED, OPEN, RECORDED, UNRESOLVED

INTERVAL = ("interval",)
OUTCOMES = (
    (CERTIFIED, "certified"),
    (AT_REST, "at_rest"),
    (UNRESOLVED, "unresolved"),
    (RECORDED, "recorded"),
    (OPEN, "open"),
    (ENCLOSED, "enclosed"),
)
"""How an interval ends; the first two and the last are proofs."""


def _of_atlases() -> Iterator[Variable]:
    nan = float("nan")
    token = ("interval", "token")
    place = (*token, "component")
    units = "1"

    yield Variable("seed", ("seed",), "int64", "seed of the start", None, "coordinate")
    yield Variable("token", ("token",), "int64", "token", None, "coordinate")
    yield Variable("component", ("component",), "int64", "component of a token", None, "coordinate")
    yield Variable("interval_count", ("seed",), "int64", "number of intervals of this start", "1", "data")
    yield Variable("interval_seed", INTERVAL, "int64", "seed of the start that the interval belongs to", None, "data")
    yield Variable(
        "initial_position", ("seed", "token", "component"), "float64", "position of a token at the start", "1", "data"
    )
    yield Variable("sensitivity_from", INTERVAL, "float64", "least float sensitivity of the interval", units, "data")
    yield Variable("sensitivity_to", INTERVAL, "float64", "least float sensitivity beyond it", units, "data")
    yield Variable(
        "outcome", INTERVAL, "uint8", "how the walk over the interval ends", None, "data", None, OUTCOMES
    )  # fmt: skip
    yield Variable("certified", INTERVAL, "bool", "trajectory and limit are proved for all time", None, "data")
    yield Variable("steps_done", INTERVAL, "int64", "steps taken", "step", "data", -1)
    yield Variable("frozen_from", INTERVAL, "int64", "first step of the last graph seen", "step", "data", -1)
    yield Variable(
        "margin", INTERVAL, "float64", "what the proof leaves on either side of the interval", "1", "data", nan
    )
    yield Variable(
        "limit_error", INTERVAL, "float64", "bound of the error of every component of a limit", "1", "data", nan
    )
    yield Variable("vertex_count", INTERVAL, "int64", "vertices of the limit polytope", "1", "data", -1)
    yield Variable("limit_count", INTERVAL, "int64", "different limits of the tokens", "1", "data", -1)
    yield Variable("s1_size", INTERVAL, "int64", "tokens that end at a vertex", "1", "data", -1)
    yield Variable("s2_size", INTERVAL, "int64", "tokens that end at no vertex", "1", "data", -1)
    yield Variable("limit_position", place, "float64", "limit of the token", "1", "data", nan)
    yield Variable("last_position", place, "float64", "position of the token at the last step", "1", "data", nan)
    yield Variable("cluster", token, "int64", "number of the token's limit, those of vertices first", None, "data", -1)


VARIABLES = Variables()
"""The variables of an atlas."""

VARIABLES.declare("lmdata.sensitivity", *_of_atlases())


def attributes(name: str) -> dict[str, Any]:
    """Return the CF attributes of a variable of an atlas.

    Examples
    --------
    >>> attributes("sensitivity_from")["long_name"]
    'least float sensitivity of the interval'
    """
    return VARIABLES[name].attributes()
