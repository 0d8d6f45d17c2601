"""The registry: every variable of a dataset, and of what is measured on it, declared once.

A dimension written ``*`` in a declaration stands for the swept parameters, in the order of the sweep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from lmdata.errors import UnknownName

SCHEMA = 1
"""Version of the schema that this package writes (attribute ``lmdata_schema`` of a dataset)."""

GRID = ("*", "seed")
"""Dimensions of what there is once a member."""

ABSENT, COMPLETE, FAILED = 0, 1, 2
"""Values of ``status``."""

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


def _declare() -> Iterator[Variable]:
    nan = float("nan")
    time = (*GRID, "time")
    token = (*GRID, "token")
    vertex = (*GRID, "vertex")
    position = (*time, "token", "component")

    # coordinates; a swept parameter is a float64 coordinate of its own name
    yield Variable("seed", ("seed",), "int64", "seed of the member's tokens", None, "coordinate")
    yield Variable("time", ("time",), "int64", "time since the initial tokens", "step", "coordinate")
    yield Variable("token", ("token",), "int64", "token", None, "coordinate")
    yield Variable("component", ("component",), "int64", "component of a token", None, "coordinate")

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

    # measures
    yield Variable("hull_volume", time, "float64", "volume of the convex hull of the tokens")
    yield Variable("hull_rank", time, "int64", "dimension of the affine hull of the tokens")
    yield Variable(
        "hull_status", time, "uint8", "how the hull's volume was found", None, "measure", None,
        ((0, "not_finite"), (1, "compiled"), (2, "qhull"), (3, "mean_width_only"), (4, "failed")),
    )  # fmt: skip
    yield Variable("hull_decay", GRID, "float64", "fitted factor of the excess hull volume per step", "step-1")
    yield Variable("mean_width", time, "float64", "mean width of the convex hull of the tokens")
    yield Variable("mean_width_error", time, "float64", "standard error of the mean width")
    yield Variable("cluster", token, "int64", "limit cluster of the token", None)
    yield Variable("limit_position", (*token, "component"), "float64", "limit point of the token's cluster")
    yield Variable("token_vertex", token, "int64", "vertex at the token's limit cluster, or -1", None)
    yield Variable("vertex_count", GRID, "int64", "vertices of the limit polytope")
    yield Variable("vertex_position", (*vertex, "component"), "float64", "vertex of the limit polytope")
    yield Variable("vertex_size", vertex, "int64", "tokens at the vertex")
    yield Variable("gap", vertex, "float64", "smallest <A v, v - w> over the other limit points w")
    yield Variable("settled", GRID, "bool", "limit clusters no longer move", None)
    yield Variable("occupancy", (*time, "vertex"), "float64", "share of the tokens at the vertex")
    yield Variable("occupancy_entropy", time, "float64", "entropy of the occupancy", "nat")
    yield Variable("time_to_share", (*GRID, "share"), "float64", "first time of that share at vertices", "step")
    yield Variable("quiescent", (*time, "token"), "bool", "token is quiescent from here on", None)
    yield Variable("closed", (*time, "token"), "bool", "token is in a closed set of its vertex", None)
    yield Variable("entry_time", token, "float64", "time from which the token is quiescent for good", "step")
    yield Variable("s1", token, "bool", "token is in the quiescent set of a vertex", None)
    yield Variable("s1_size", time, "int64", "quiescent tokens")
    yield Variable("dwell", token, "int64", "stored steps at which the token is closed")
    yield Variable("exits", token, "int64", "times that the token ceases to be closed")
    yield Variable("vertex_share", vertex, "float64", "share of the tokens quiescent at the vertex")
    yield Variable("neighbour_count", (*time, "token"), "int64", "neighbours of the token")
    yield Variable("reciprocity", time, "float64", "share of the edges whose reverse is an edge")
    yield Variable("sink_component", (*time, "token"), "int64", "sink component of the token, or -1", None)
    yield Variable("sink_count", time, "int64", "sink components of the interaction graph")
    yield Variable("leader", (*time, "token"), "bool", "token is its own neighbour", None)
    yield Variable("displacement", time, "float64", "largest move of a token since the last stored step")
    yield Variable("rate", GRID, "float64", "fitted factor of the displacement per step", "step-1")
    yield Variable("rate_expected", ("*",), "float64", "1 / (1 + influence)", "step-1")
    yield Variable("time_to_tolerance", GRID, "float64", "first time with displacement within tolerance", "step")
    yield Variable("energy", time, "float64", "bounded-confidence energy")
    yield Variable("violations", GRID, "int64", "stored steps at which the energy rises")
    yield Variable("largest_increase", GRID, "float64", "largest rise of the energy")

    # measures of softmax, spherical and Sinkhorn attention
    yield Variable("aligned_share", time, "float64", "share of the pairs of tokens with a cosine above the threshold")
    yield Variable("cosine_density", (*time, "bin"), "float64", "density of the cosines of pairs of tokens")
    yield Variable("interaction_energy", time, "float64", "energy of the interaction of the tokens")
    yield Variable("against", GRID, "int64", "stored steps at which the energy goes against the direction")
    yield Variable("largest_against", GRID, "float64", "largest change of the energy against the direction")
    yield Variable("attention", (*time, "token", "key"), "float64", "weight with which the token attends to the key")
    yield Variable("attention_rank", time, "int64", "numerical rank of the attention matrix")
    yield Variable("effective_rank", time, "float64", "exponential of the entropy of the singular values of attention")
    yield Variable("distance_to_boolean", time, "float64", "largest distance of an attention weight from 0 or 1")
    yield Variable("row_sum", (*time, "token"), "float64", "attention that the token gives")
    yield Variable("column_sum", (*time, "token"), "float64", "attention that the token receives")
    yield Variable("attended_keys", (*time, "token"), "float64", "effective number of keys that the token attends to")
    yield Variable("attended_back", (*time, "token"), "float64", "positions that the token looks back on average")
    yield Variable("cluster_count", time, "int64", "connected components of the tokens within reach")
    yield Variable("cluster_rank", time, "int64", "rank of the matrix of pairs with a cosine above the threshold")
    yield Variable("largest_share", time, "float64", "share of the tokens in the largest cluster")
    yield Variable("merge_time", (*GRID, "clusters"), "float64", "time from which there are no more clusters", "step")
    yield Variable("plateau", (*GRID, "clusters"), "float64", "time spent at so many clusters", "step")
    yield Variable("span_dimension", time, "int64", "dimension of the linear span of the tokens")
    yield Variable("height", (*time, "token"), "float64", "component of the token along the leading direction of V")
    yield Variable("plane_count", time, "int64", "parallel hyperplanes that hold the tokens")
    yield Variable("corner_count", time, "int64", "vertices of the hull of the components in the leading eigenspace")
    yield Variable("boundary_distance", (*time, "token"), "float64", "distance in it from the boundary or the origin")
    yield Variable("subspace_dimension", time, "int64", "other dimensions along which tokens of one cluster differ")
    yield Variable("transport_distance", time, "float64", "Wasserstein-2 distance of the token clouds")
    yield Variable("cell", (*time, "token"), "int64", "vertex that the token is most aligned with", None)
    yield Variable("covariance_eigenvalue", (*time, "component"), "float64", "eigenvalue of the tokens' covariance")
    yield Variable("anisotropy", time, "float64", "share of the largest eigenvalue in the tokens' variance")


VARIABLES: Mapping[str, Variable] = MappingProxyType({spec.name: spec for spec in _declare()})
"""Every declared variable by name."""


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
