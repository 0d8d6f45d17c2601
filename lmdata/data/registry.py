"""The registry of variables: those of a dataset are declared here, those of a measure beside its function.

A dimension written ``*`` in a declaration stands for the swept parameters, in the order of the sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lmdata.errors import InvalidInput, UnknownName

SCHEMA = 1
"""Version of the schema that this package writes (attribute ``lmdata_schema`` of a dataset)."""

GRID = ("*", "seed")
"""Dimensions of what there is once a member."""

TRAINING_GRID = ("*", "start", "seed")
"""Dimensions of what there is once a member of a training run."""

ABSENT, COMPLETE, FAILED = 0, 1, 2
"""Values of ``status``."""

PRESENT = "token_present"
"""Coordinate of datasets whose runs have different numbers of tokens: which of the tokens each run has."""

BOOKKEEPING = ("status", "digest", "steps_done")
"""What a store keeps once a member; coordinates of a dataset, which no arithmetic changes."""

Role = Literal["coordinate", "data", "diagnostic", "measure"]


@dataclass(frozen=True)
class Variable:
    """What a variable is: its name, dimensions, type, units and meaning.

    Parameters
    ----------
    name, dims, dtype
        ``*`` among the dims stands for the swept parameters. Dtypes are NumPy's names.
    long_name, units
        Go into the attributes. A number without a unit has the unit ``1``; text and ids have none.
    role
        ``coordinate``, ``data`` (made by a simulation), ``diagnostic`` (a simulation's remark on its own
        computation, outside every digest) or ``measure`` (computed from a dataset by ``lmdata.analysis``).
    fill
        What stands where nothing was written. Integers fill with a value outside their range, never 0.
    flags
        Meanings of an integer's values, as (value, meaning).

    Examples
    --------
    >>> from lmdata.data.registry import variable
    >>> variable("position").dims
    ('*', 'seed', 'time', 'token', 'component')
    >>> variable("status").attributes()["flag_meanings"]
    'absent complete failed'
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    long_name: str
    units: str | None = "1"
    role: Role = "measure"
    fill: float | int | str | bool | None = None
    flags: tuple[tuple[int, str], ...] = ()

    def attributes(self) -> dict[str, Any]:
        """Return the CF attributes: ``long_name``, ``units``, and the flags where there are any."""
        attrs: dict[str, Any] = {"long_name": self.long_name}
        if self.units is not None:
            attrs["units"] = self.units
        if self.flags:
            attrs["flag_values"] = [value for value, _ in self.flags]
            attrs["flag_meanings"] = " ".join(meaning for _, meaning in self.flags)
        return attrs

    def dimensions(self, swept: tuple[str, ...]) -> tuple[str, ...]:
        """Return the dimensions with the swept parameters in their place."""
        if self.dims[:1] == ("*",):
            return (*swept, *self.dims[1:])
        return self.dims


class Variables(Mapping[str, Variable]):
    """The variables of one kind of dataset, by name: the sum of what its owners declare.

    Examples
    --------
    >>> variables = Variables()
    >>> variables.declare("example.diameter", Variable("diameter", (*GRID, "time"), "float64", "largest distance"))
    >>> variables["diameter"].units, variables.owner("diameter")
    ('1', 'example.diameter')
    """

    def __init__(self) -> None:
        self._declared: dict[str, tuple[Variable, str]] = {}

    def declare(self, owner: str, *variables: Variable) -> None:
        """Enter variables, all of them or none.

        Parameters
        ----------
        owner : str
            Full name of what makes them, such as ``package.module:function``. It may declare anew what it declared,
            as a notebook's cell does that is run again.
        variables : Variable
            Their names must be free.

        Raises
        ------
        InvalidInput
            If another owner has declared one of the names; the message names both.
        """
        for spec in variables:
            _, first = self._declared.get(spec.name, (spec, owner))
            if first != owner:
                raise InvalidInput(
                    f"variable {spec.name!r} of {owner} is declared already, by {first}; give it another name"
                )
        self._declared |= {spec.name: (spec, owner) for spec in variables}

    def owner(self, name: str) -> str:
        """Return the full name of what declares a variable."""
        return self._declared[name][1]

    def __getitem__(self, name: str) -> Variable:
        return self._declared[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)


def _of_the_data() -> Iterator[Variable]:
    nan = float("nan")
    time = (*GRID, "time")
    position = (*time, "token", "component")

    # coordinates; a swept parameter is a float64 coordinate of its own name
    yield Variable("seed", ("seed",), "int64", "seed of the member's tokens", None, "coordinate")
    yield Variable("time", ("time",), "int64", "time since the initial tokens", "step", "coordinate")
    yield Variable("token", ("token",), "int64", "token", None, "coordinate")
    yield Variable("component", ("component",), "int64", "component of a token", None, "coordinate")
    yield Variable("model_id", GRID, "<U16", "id of the member's model, all its parameters in it", None, "coordinate")
    yield Variable("step", ("time",), "int64", "number of steps since the initial tokens", "step", "coordinate")
    yield Variable("token_number", ("token",), "int64", "number of the token in the run", None, "coordinate")
    yield Variable(
        "component_number", ("component",), "int64", "number of the component in the run", None, "coordinate"
    )

    # what a simulation makes
    yield Variable("position", position, "float64", "position of a token", "1", "data", nan)
    yield Variable(
        "status", GRID, "uint8", "status of the member", None, "data", 255,
        ((ABSENT, "absent"), (COMPLETE, "complete"), (FAILED, "failed")),
    )  # fmt: skip
    yield Variable("digest", GRID, "<U64", "SHA-256 of member key and positions", None, "data", "")
    yield Variable("steps_done", GRID, "int64", "steps computed so far", "step", "data", -1)

    # what a kernel may remark on its own work
    yield Variable(
        "ambiguous_ties", time, "int64",
        "neighbour decisions within the rounding bound of the threshold", "1", "diagnostic", -1,
    )  # fmt: skip
    yield Variable(
        "marginal_error", time, "float64",
        "largest deviation of a row or column sum of the weights from one", "1", "diagnostic", nan,
    )  # fmt: skip
    yield Variable("half_steps_done", time, "int64", "normalisations that Sinkhorn took", "1", "diagnostic", -1)
    yield Variable("step_error", time, "float64", "estimated error of the step begun here", "1", "diagnostic", nan)


def _of_training_runs() -> Iterator[Variable]:
    nan = float("nan")
    path = (*TRAINING_GRID, "iteration")
    problem = ("#", "seed")
    sample = (*problem, "sample")
    token = (*sample, "token")

    yield Variable("start", ("start",), "int64", "number of the start", None, "coordinate")
    yield Variable("iteration", ("iteration",), "int64", "iterations of training", "step", "coordinate")
    yield Variable("sample", ("sample",), "int64", "sample of tokens", None, "coordinate")
    yield Variable("feature", ("feature",), "int64", "feature of a token", None, "coordinate")
    yield Variable("query_feature", ("query_feature",), "int64", "feature of a query", None, "coordinate")
    yield Variable("width", ("width",), "int64", "column of the factors K and Q", None, "coordinate")

    # what training makes
    yield Variable("prompt", (*path, "feature"), "float64", "trained prompt p", "1", "data", nan)
    yield Variable("weight", (*path, "feature", "query_feature"), "float64", "trained weights W", "1", "data", nan)
    yield Variable("value", (*path, "feature"), "float64", "trained value vector v", "1", "data", nan)
    yield Variable("key_matrix", (*path, "feature", "width"), "float64", "trained K of W = K Q^T", "1", "data", nan)
    yield Variable(
        "query_matrix", (*path, "query_feature", "width"), "float64", "trained Q of W = K Q^T", "1", "data", nan
    )
    yield Variable("loss", path, "float64", "mean loss over the samples", "1", "data", nan)

    # what the problems are
    yield Variable("token_vector", (*token, "feature"), "float64", "token x_it", "1", "data")
    yield Variable("token_count", sample, "int64", "tokens of the sample", "1", "data")
    yield Variable("label", sample, "int64", "label y_i, -1 or +1", None, "data")
    yield Variable("query_vector", (*sample, "query_feature"), "float64", "query z_i", "1", "data")
    yield Variable("word", token, "str", "text of the token", None, "data")
    yield Variable("fixed_weight", (*problem, "feature", "query_feature"), "float64", "weights W", "1", "data")
    yield Variable("fixed_value", (*problem, "feature"), "float64", "value vector v", "1", "data")


def _of_trajectories() -> Iterator[Variable]:
    nan = float("nan")
    token = (*GRID, "token")
    yield Variable("head", ("head",), "int64", "attention head", None, "coordinate")
    yield Variable("key", ("key",), "int64", "token that is attended to", None, "coordinate")
    yield Variable(PRESENT, token, "bool", "the run has this token; others pad it", None, "coordinate", False)
    yield Variable("word", token, "str", "text of the token in its run", None, "coordinate", "")
    yield Variable(
        "attention", (*GRID, "time", "head", "token", "key"), "float64",
        "weight with which the token attends to the key", "1", "data", nan,
    )  # fmt: skip


TRAINING = Variables()
"""Variables of a training run, and of the measures that have been imported; besides those kept once a member.

``#`` stands for those of the swept parameters that are parameters of the problem.
"""


TRAJECTORY = Variables()
"""What trajectories that were computed elsewhere may have besides the variables of a dataset of tokens in motion."""


_TOKEN = (*GRID, "token")
_BY = ((0, "none"), (1, "distance"), (2, "rest"), (3, "enclosure"))

CERTIFICATES = (
    Variable("certified", GRID, "bool", "limits are proved for all time", None),
    Variable("certified_by", GRID, "uint8", "what the limits are certified by", None, "measure", None, _BY),
    Variable("frozen_from", GRID, "int64", "step from which no neighbourhood ever changes", "step"),
    Variable("certified_step", GRID, "int64", "steps to the proof, or that were tried", "step"),
    Variable("certified_margin", GRID, "float64", "what the proof leaves on the narrower side of the sensitivity"),
    Variable("certified_rate", GRID, "float64", "factor of the distance from the limits per step", "step-1"),
    Variable("certified_limit", (*_TOKEN, "component"), "float64", "proved limit of the token"),
    Variable("certified_error", GRID, "float64", "bound of the error of every component of a proved limit"),
    Variable("certified_cluster", _TOKEN, "int64", "number of the token's proved limit, those of vertices first", None),
    Variable("certified_vertex_count", GRID, "int64", "vertices of the proved limit polytope"),
    Variable("proved_exactly", GRID, "bool", "rational arithmetic proves it too", None),
)
"""What is proved of the limits of members: `lmdata.certify` measures it, and a run may hold it beside its members."""


VARIABLES = Variables()
"""Variables of a dataset of tokens in motion, and of the measures that have been imported."""

OWNER = "lmdata.data"
VARIABLES.declare(OWNER, *_of_the_data())
TRAINING.declare(OWNER, *_of_training_runs())
TRAJECTORY.declare(OWNER, *_of_trajectories())


def of_data(variables: Variables = VARIABLES) -> dict[str, Variable]:
    """Return the variables that lmdata itself declares for the data, whatever measures and models were imported."""
    return {name: spec for name, spec in variables.items() if variables.owner(name) == OWNER}


def variable(name: str) -> Variable:
    """Return the declaration of a variable.

    Raises
    ------
    UnknownName
        If no variable has this name; the message suggests the nearest.

    Examples
    --------
    >>> variable("steps_done").fill
    -1
    """
    try:
        return VARIABLES[name]
    except KeyError:
        raise UnknownName.among("variable", name, VARIABLES) from None
