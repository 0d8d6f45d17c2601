"""F1-F8 of localmax dynamics, as they hold for arrays: hull nesting, contraction, limits, quiescent regions.

Limits are read off runs that have come to rest in float64. Their clusters and vertices are found by brute force,
independently of the package's own measures.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lmdata.dynamics.kernels import canonical
from lmdata.dynamics.schedules import Geometric

from ..systems import System, clusters, exact_step, extreme, systems

SETTLED, APART = 1e-9, 1e-5
"""Residual motion of a limit, and the distance from which on two tokens are of different clusters."""


DECAY = Geometric(initial=1.0, ratio=0.95).values(700)


class Limit(NamedTuple):
    """Where systems of one batch member end: tokens, cluster of each, points of the clusters, which are vertices."""

    tokens: np.ndarray
    label: np.ndarray
    points: np.ndarray
    vertex: np.ndarray


def limits(tokens, deltas, influence, alignment=None):
    """Return the limit of each member of a batch, or None where it has not come to rest in the steps given."""
    steps = deltas.shape[1]
    frames, _ = canonical.advance(tokens, deltas, influence, alignment, (steps - 1, steps))
    return [limit_of(before, after) for before, after in frames]


def limit_of(before, after):
    """Return the limit that two successive states show, or None if they show none."""
    label = clusters(after, APART)
    groups = [after[label == one] for one in range(label.max() + 1)]
    moving = np.abs(after - before).max() > SETTLED
    if moving or max(np.ptp(group, axis=0).max() for group in groups) > APART / 100:
        return None
    points = np.array([group.mean(axis=0) for group in groups])
    return Limit(after, label, points, extreme(points))


def limit(system, deltas=None):
    """Return the limit of a system; hypothesis draws another where it does not come to rest."""
    deltas = np.full(1500, system.sensitivity) if deltas is None else deltas
    (found,) = limits(system.tokens[None], deltas[None], np.array([system.influence]), system.alignment)
    assume(found is not None)
    return found


def matrix_of(system):
    return np.eye(system.tokens.shape[1]) if system.alignment is None else system.alignment


@given(systems(), st.lists(st.sampled_from([0.0, 0.1, 0.5, 2.0]), min_size=1, max_size=8), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_f1_hulls_are_nested_for_any_schedule(system, deltas, seed):
    """Support functions in random directions never increase, nor do the diameter and each token's distance to it."""
    frames, _ = canonical.advance(
        system.tokens[None],
        np.array([deltas]),
        np.array([system.influence]),
        system.alignment,
        tuple(range(len(deltas) + 1)),
    )
    directions = np.random.default_rng(seed).normal(size=(16, system.tokens.shape[1]))
    support = (frames[0] @ directions.T).max(axis=1)
    diameter = np.linalg.norm(frames[0][:, :, None] - frames[0][:, None], axis=-1).max(axis=(1, 2))
    reach = np.abs(system.tokens).max(initial=0.0)
    assert (np.diff(support, axis=0) <= 64 * 2.0**-53 * reach).all()
    assert (np.diff(diameter) <= 64 * 2.0**-53 * reach).all()


@given(systems())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f1_and_f3_in_exact_arithmetic(system):
    """The new token divides the way to its neighbour mean as 1 : alpha, hence is in the hull; F3 follows exactly."""
    exact, alpha = exact_step(system), Fraction(system.influence)
    start = [[Fraction(x) for x in row] for row in system.tokens.tolist()]
    for before, mean, after in zip(start, exact.means, exact.after, strict=True):
        for z, m, new in zip(before, mean, after, strict=True):
            assert new - m == (z - m) / (1 + alpha)
            assert (new == m) == (z == m)


@given(systems())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f3_distances_to_the_mean_contract_by_one_plus_alpha(system):
    mean = canonical.neighbour_mean(system.tokens, system.sensitivity, system.alignment)
    after = canonical.step(*system.batch())[0]
    expected = (system.tokens - mean) / (1 + system.influence)
    np.testing.assert_allclose(after - mean, expected, rtol=0, atol=1e-15 * np.abs(system.tokens).max())


def check_vertex_gaps(found, system):
    """Check F4 on a limit; return the number of pairs of a vertex and another point."""
    A, pairs = matrix_of(system), 0
    for v in np.flatnonzero(found.vertex):
        for w in range(len(found.points)):
            way = found.points[v] - found.points[w]
            assert w == v or found.points[v] @ A @ way >= system.sensitivity - 1e-6
            assert w == v or not found.vertex[w] or way @ A @ way >= 2 * system.sensitivity - 1e-6
            pairs += w != v
    return pairs


@given(systems(kinds=("general", "lattice"), most_tokens=7, most_components=2))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f4_every_vertex_is_more_aligned_with_itself_by_delta(system):
    check_vertex_gaps(limit(system), system)


@given(systems(most_tokens=7))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f4_a_narrow_start_ends_in_one_point(system):
    """If the A-diameter of the start is below sqrt(2 delta), the limit is a single point."""
    A = matrix_of(system)
    ways = system.tokens[:, None] - system.tokens[None]
    width = np.einsum("ijk,kl,ijl->ij", ways, A, ways).max()
    found = limit(system._replace(sensitivity=float(0.51 * width + 1e-3)))
    assert len(found.points) == 1


def check_probes(found, system, random):
    """Check F5 with a random probe for each vertex; return how many were in a quiescent region and unheard."""
    A, alpha, probes = matrix_of(system), system.influence, 0
    for v in np.flatnonzero(found.vertex):
        at, others = found.points[v], np.delete(found.points, v, axis=0)

        def margin(x, at=at, others=others):
            return min(((at - others) @ A @ x - system.sensitivity).tolist(), default=np.inf)

        probe = random.dirichlet(np.ones(len(found.points))) @ found.points
        probe = at + random.uniform(0.0, 1.0) * (probe - at)
        together = np.vstack([found.points[found.label], probe])
        hears = canonical.neighbourhoods(together, system.sensitivity, system.alignment)
        if margin(at) < 0 or margin(probe) < 1e-4 or hears[:, -1].any():
            continue
        probes += 1
        assert np.array_equal(hears[-1, :-1], found.label == v)
        after = canonical.step(*System(together, *system[1:]).batch())[0, -1]
        np.testing.assert_allclose(after, (probe + alpha * at) / (1 + alpha), atol=1e-7)
        assert margin(after) > 0
    return probes


@given(systems(kinds=("general",), most_tokens=7, most_components=2), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f5_a_probe_in_a_quiescent_region_goes_to_its_vertex(system, seed):
    """A token in Q_v to which nobody listens has the cluster at v alone as neighbourhood, and stays in Q_v."""
    check_probes(limit(system), system, np.random.default_rng(seed))


@given(systems(kinds=("general",), most_tokens=7, most_components=2))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_f6_vanishing_sensitivity_ends_like_hardmax(system):
    """With delta(t) -> 0 the limit's vertices are at least as aligned with themselves as with any other limit."""
    found = limit(system, deltas=DECAY * max(system.sensitivity, 0.01))
    A = matrix_of(system)
    scores = found.points @ A @ found.points.T
    for v in np.flatnonzero(found.vertex):
        assert scores[v, v] >= scores[v].max() - 1e-6


@given(systems(kinds=("general", "lattice"), most_tokens=8, most_components=2))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_f7_a_limit_that_listens_elsewhere_is_the_mean_of_what_it_hears(system):
    check_limits_between_clusters(limit(system), system)


def check_limits_between_clusters(found, system):
    """Check F7 on a limit; return how many tokens end at a point that is no vertex, listening to other clusters."""
    hears = canonical.neighbourhoods(found.tokens, system.sensitivity, system.alignment)
    between = 0
    for i, own in enumerate(found.label):
        elsewhere = hears[i] & (found.label != own)
        if elsewhere.any():
            between += not found.vertex[own]
            mean = found.tokens[elsewhere].mean(axis=0)
            np.testing.assert_allclose(found.tokens[i], mean, atol=1e-6)
    return between


@pytest.mark.parametrize("members", [40, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize(("n", "d"), [(5, 1), (8, 2), (16, 2), (12, 3), (20, 4)])
def test_f4_f5_f7_on_random_systems(n, d, members):
    """The same facts on batches of systems of more tokens; each fact is met often, so that none holds for nothing."""
    random = np.random.default_rng(100 * n + d)
    factor = random.normal(size=(d, d))
    A = factor @ factor.T + 0.5 * np.eye(d)
    A = (A + A.T) / 2
    tokens = random.uniform(-1, 1, size=(members, n, d))
    delta, alpha = random.uniform(0.02, 0.6, members), np.exp(random.uniform(np.log(0.3), np.log(5), members))
    found = limits(tokens, np.repeat(delta[:, None], 600, axis=1), alpha, A)
    settled = pairs = probes = 0
    for start, one, sensitivity, influence in zip(tokens, found, delta.tolist(), alpha.tolist(), strict=True):
        if one is not None:
            system = System(start, sensitivity, influence, A)
            settled += 1
            pairs += check_vertex_gaps(one, system)
            probes += check_probes(one, system, random)
            check_limits_between_clusters(one, system)
    assert settled > 0.8 * members
    assert min(pairs, probes) >= 8


def test_f7_such_limits_occur():
    """Of 300 random systems some have limits that are no vertices: data, not noise."""
    tokens = np.random.default_rng(0).uniform(-1, 1, size=(300, 8, 2))
    found = limits(tokens, np.full((300, 400), 0.2), np.ones(300))
    system = System(tokens[0], 0.2, 1.0, None)
    between = sum(check_limits_between_clusters(one, system) > 0 for one in found if one is not None)
    assert 3 <= between <= 60


def test_f8_listening_is_not_mutual():
    tokens = np.array([[1.0, 0.0], [0.5, 0.0], [0.25, 0.25]])
    hears = canonical.neighbourhoods(tokens, 0.0)
    assert hears[1, 0]
    assert not hears[0, 1]


def test_f8_the_energy_of_symmetric_bounded_confidence_may_increase():
    """sum_ij min(|z_i - z_j|^2, 2 delta) never increases where listening is mutual; here it may."""
    delta = 0.2
    tokens = np.random.default_rng(0).uniform(-1, 1, size=(100, 8, 2))
    frames, _ = canonical.advance(tokens, np.full((100, 30), delta), np.ones(100), None, tuple(range(31)))
    ways = frames[:, :, :, None] - frames[:, :, None]
    energy = np.minimum((ways**2).sum(axis=-1), 2 * delta).sum(axis=(2, 3))
    assert (np.diff(energy, axis=1) > 1e-3).any()


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_f3_settled_targets_are_approached_at_the_rate(alpha):
    """Once neighbourhoods are frozen at a leader, the distance shrinks by 1/(1 + alpha) a step."""
    tokens = np.array([[1.0, 0.0], [0.5, 0.25]])
    frames, _ = canonical.advance(tokens[None], np.zeros((1, 8)), np.array([alpha]), None, tuple(range(9)))
    distance = np.linalg.norm(frames[0, :, 1] - frames[0, :, 0], axis=1)
    np.testing.assert_allclose(distance[1:] / distance[:-1], 1 / (1 + alpha), rtol=1e-6)
