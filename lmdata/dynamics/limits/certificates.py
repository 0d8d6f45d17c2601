"""Limits of members that are proved: each is followed from its start until its graph is sure never to change again."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels import canonical, fused
from lmdata.dynamics.limits.axis import Axis, Part, walk_part
from lmdata.dynamics.limits.rational import MOST_STEPS, prove
from lmdata.dynamics.limits.shapes import Shape, horizon_of, shape_for_ever
from lmdata.dynamics.limits.walk import AT_REST, CERTIFIED, ENCLOSED
from lmdata.dynamics.models.localmax import Localmax
from lmdata.numerics.threads import parallel_for

type Floats = NDArray[np.float64]

BY = {CERTIFIED: 1, AT_REST: 2, ENCLOSED: 3}
"""What ``certified_by`` says of an outcome; see `lmdata.data.registry.CERTIFICATES`."""
LONGER = 10
"""Steps that a proof in rational arithmetic may take beyond the one in floats: it needs hardly more."""


class Certificates(NamedTuple):
    """What `certificates` finds, for each member."""

    certified: NDArray[np.bool_]
    certified_by: NDArray[np.uint8]
    frozen_from: NDArray[np.int64]
    certified_step: NDArray[np.int64]
    certified_margin: Floats
    certified_rate: Floats
    certified_limit: Floats
    certified_error: Floats
    certified_cluster: NDArray[np.int64]
    certified_vertex_count: NDArray[np.int64]
    proved_exactly: NDArray[np.bool_]


def certificates(
    first: Floats,
    family: NDArray[np.int64],
    *,
    models: list[Localmax],
    exact: bool = False,
) -> Certificates:
    """Return the certificates of members; shapes are those of `certify`.

    Parameters
    ----------
    first : (..., n, d)
        The state at step 0; one with NaN is absent.
    family : (...)
        Which of the models is that of the member.
    models
        One model for every set of parameters.
    exact
        Repeat the proof in rational arithmetic.
    """
    *shape, n, d = first.shape
    states = np.ascontiguousarray(first.reshape(-1, n, d), np.float64)
    m = len(states)
    numbers = np.broadcast_to(family, shape).reshape(-1)
    found = Certificates(
        certified=np.zeros(m, np.bool_),
        certified_by=np.zeros(m, np.uint8),
        frozen_from=np.full(m, -1),
        certified_step=np.full(m, -1),
        certified_margin=np.full(m, np.nan),
        certified_rate=np.full(m, np.nan),
        certified_limit=np.full((m, n, d), np.nan),
        certified_error=np.full(m, np.nan),
        certified_cluster=np.full((m, n), -1),
        certified_vertex_count=np.full(m, -1),
        proved_exactly=np.zeros(m, np.bool_),
    )
    ones = np.ones(max(map(horizon_of, models), default=0) + 1)  # the shape of all constants: held once
    axes = [_axis_of(model, ones) for model in models]

    def work(begin: int, end: int) -> None:
        for member in range(begin, end):
            if not np.isnan(states[member]).any():
                own = int(numbers[member])
                _certify_member(states[member], models[own], axes[own], exact, member, found)

    parallel_for(work, m, 8)
    return Certificates._make(array.reshape((*shape, *array.shape[1:])) for array in found)


def _axis_of(model: Localmax, ones: Floats) -> Axis:
    """Return the axis of a single member: from its sensitivity, or the scale 1 of its schedule, to the next float."""
    steps = horizon_of(model)
    own = model.alignment_sensitivity
    shape = Shape(*[ones[: steps + 1]] * 3) if isinstance(own, float) else shape_for_ever(model.schedule, steps)
    low = float(own) if isinstance(own, float) else 1.0
    matrix = np.empty((0, 0)) if model.matrix is None else np.ascontiguousarray(model.matrix)
    return Axis(matrix, model.influence, *shape, low, math.nextafter(low, math.inf), False, 0.0, True)


def _certify_member(tokens: Floats, model: Localmax, axis: Axis, exact: bool, member: int, found: Certificates) -> None:
    leaves = walk_part(tokens, axis, Part(0, axis.lower, axis.upper))
    outcome, step, frozen, _, vertices, *_ = leaves.counts[0].tolist()
    found.certified_step[member] = step
    if outcome not in BY:
        return
    found.certified[member] = True
    found.certified_by[member] = BY[outcome]
    found.certified_margin[member], found.certified_error[member] = leaves.numbers[0]
    found.certified_limit[member] = leaves.limit[0]
    found.certified_cluster[member] = leaves.clique[0]
    found.certified_vertex_count[member] = vertices
    if outcome == ENCLOSED:  # within its box a token may listen to others yet
        return
    found.frozen_from[member] = frozen
    found.certified_rate[member] = _rate(tokens, model, frozen, leaves.clique[0] >= vertices)
    if exact and isinstance(model.alignment_sensitivity, float):
        most = min(step + LONGER, MOST_STEPS)
        proof = prove(tokens, model.alignment_sensitivity, model.influence, model.matrix, most=most)
        if proof.proved and proof.limit is not None and proof.frozen_from <= frozen:
            away = np.abs(np.array(proof.limit, float) - leaves.limit[0]).max()
            allowed = leaves.numbers[0, 1] if outcome == CERTIFIED else 2.0**-30 * np.abs(tokens).max()
            same = all(
                [np.flatnonzero(row).tolist() for row in own] == graph
                for own, graph in zip(graphs_of(tokens, model, proof.frozen_from), proof.graphs, strict=False)
            )
            found.proved_exactly[member] = same and away <= 2.0 * allowed


def frames_of(tokens: Floats, model: Localmax, steps: int, keep: tuple[int, ...]) -> Floats:
    """Return canonical frames of one member."""
    delta = model.schedule.values(steps)[None]
    frames, _ = fused.advance(tokens[None], delta, np.array([model.influence]), model.matrix, keep, threads=1)
    found: Floats = frames[0]
    return found


def graphs_of(tokens: Floats, model: Localmax, steps: int) -> NDArray[np.bool_]:
    """Return the neighbourhoods (steps + 1, n, n) at steps 0 to the last."""
    frames = frames_of(tokens, model, steps, tuple(range(steps + 1)))
    return np.asarray(canonical.neighbourhoods(frames, model.schedule.values(steps + 1), model.matrix))


def _rate(tokens: Floats, model: Localmax, frozen: int, travelling: NDArray[np.bool_]) -> float:
    """Return (1 + alpha mu) / (1 + alpha), mu the largest eigenvalue in modulus of P among tokens outside cliques."""
    mu = 0.0
    if travelling.any():
        graph = graphs_of(tokens, model, frozen)[frozen]
        means = graph / graph.sum(axis=1, keepdims=True)
        mu = float(np.abs(np.linalg.eigvals(means[np.ix_(travelling, travelling)])).max())
    return (1.0 + model.influence * mu) / (1.0 + model.influence)
