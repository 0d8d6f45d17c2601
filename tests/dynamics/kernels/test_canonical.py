"""The canonical step: its definition, its exactness, and what follows to the bit."""

import tracemalloc
from fractions import Fraction

import array_api_strict
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lmdata.dynamics.kernels import canonical

from ..systems import System, exact_step, literal_step, rounding_bound, systems

STRICT_DEVICES = [array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")]
many = settings(max_examples=100, deadline=None, derandomize=True)


def same(first, second):
    """Whether two float64 arrays have the same bits."""
    return first.shape == second.shape and np.array_equal(first.view(np.uint64), second.view(np.uint64))


def run(tokens, sensitivity, influence=1.0, alignment=None, steps=None, **options):
    """Return all frames (steps + 1, n, d) of one member whose sensitivity is a number or a sequence."""
    deltas = np.full(steps, sensitivity) if np.ndim(sensitivity) == 0 else np.asarray(sensitivity, dtype=float)
    keep = tuple(range(len(deltas) + 1))
    frames, _ = canonical.advance(tokens[None], deltas[None], np.array([influence]), alignment, keep, **options)
    return frames[0]


# --- the definition ---


@given(systems())
@many
def test_step_is_its_definition_in_loops(system):
    """Vectorised, blocked, by matrix products: the same bits as scalar loops that sum in the opposite order."""
    assert same(canonical.step(*system.batch())[0], literal_step(system))


@given(systems())
@many
def test_neighbourhoods_agree_with_exact_arithmetic_beyond_the_rounding_bound(system):
    exact, bounds = exact_step(system), rounding_bound(system)
    computed = canonical.neighbourhoods(system.tokens, system.sensitivity, system.alignment)
    for i, row in enumerate(exact.scores):
        threshold = max(row) - Fraction(system.sensitivity)
        for j, score in enumerate(row):
            if abs(score - threshold) > bounds[i]:
                assert computed[i, j] == (score >= threshold)


@given(systems(kinds=("lattice", "degenerate")))
@many
def test_neighbourhoods_on_a_lattice_are_exact_ties_included(system):
    delta = round(system.sensitivity * 4) / 4
    system = system._replace(sensitivity=delta)
    computed = canonical.neighbourhoods(system.tokens, delta, system.alignment)
    assert [np.flatnonzero(row).tolist() for row in computed] == exact_step(system).neighbours


@given(systems())
@many
def test_positions_are_within_rounding_of_exact_arithmetic(system):
    computed = canonical.neighbourhoods(system.tokens, system.sensitivity, system.alignment)
    exact = exact_step(system, [np.flatnonzero(row).tolist() for row in computed])
    after = canonical.step(*system.batch())[0]
    reach = np.abs(system.tokens).max(initial=0.0)
    np.testing.assert_allclose(after, np.array(exact.after, dtype=float), rtol=0, atol=8 * 2.0**-53 * reach)


def test_exact_ties_are_neighbours():
    tokens = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    assert canonical.neighbourhoods(tokens, 0.0).tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 1]]
    assert canonical.neighbourhoods(tokens, 0.5).tolist() == [[1, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert canonical.neighbourhoods(tokens, 0.5 - 2.0**-52).tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 1]]


def test_scores_are_summed_over_ascending_components():
    tokens = np.array([[2.0**53, 1.0, -(2.0**53)], [1.0, 1.0, 1.0]])
    assert canonical.scores(tokens, tokens)[0, 1] == 0.0  # (2^53 + 1) - 2^53 rounds to 0, not to 1


@given(systems(kinds=("general",)), st.randoms(use_true_random=False))
@many
def test_sums_of_the_halves_do_not_depend_on_their_order(system, shuffle):
    high, low = canonical.split(system.tokens[None])
    order = list(range(len(system.tokens)))
    for half in (high[0], low[0]):
        shuffle.shuffle(order)
        total, reference = np.zeros(half.shape[1]), [sum(map(Fraction, column)) for column in half.T.tolist()]
        for i in order:
            total = total + half[i]
        assert [Fraction(x) for x in total.tolist()] == reference
    reach = np.abs(system.tokens).max(initial=0.0)
    np.testing.assert_allclose(high[0] + low[0], system.tokens, rtol=0, atol=reach * 2.0**-90)


@pytest.mark.parametrize("n", [1, 2, 1000, 4097])
def test_sums_of_many_halves_are_exact_in_any_order(n):
    """Worst case: all of one sign, just below a power of two, so that sums use every spare bit."""
    random = np.random.default_rng(n)
    tokens = np.column_stack([np.nextafter(np.ones(n), 0), random.uniform(0.5, 1, n), random.normal(size=n)])
    order = random.permutation(n)
    for half in canonical.split(tokens[None]):
        exact = [float(sum(map(Fraction, column))) for column in half[0].T.tolist()]
        assert half[0].sum(axis=0).tolist() == exact
        assert half[0][order].cumsum(axis=0)[-1].tolist() == exact
        assert (np.ones((1, n)) @ half[0])[0].tolist() == exact


def test_powers_of_two_are_found_exactly():
    exponents = np.arange(-900, 512)
    powers = np.ldexp(1.0, exponents)
    for magnitude in (powers, np.nextafter(2 * powers, 0)):
        assert np.array_equal(canonical._power_above(magnitude), 2 * powers)
    assert canonical._power_above(np.zeros(1)) == 2.0**-900


# --- what follows to the bit ---


@given(systems(), st.randoms(use_true_random=False), st.integers(1, 6))
@many
def test_permuting_the_tokens_permutes_the_trajectory(system, shuffle, steps):
    order = list(range(len(system.tokens)))
    shuffle.shuffle(order)
    plain = run(*system, steps=steps)
    permuted = run(system.tokens[order], *system[1:], steps=steps)
    assert same(permuted, np.ascontiguousarray(plain[:, order]))


@given(systems(aligned=False), st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3), st.integers(1, 6))
@many
def test_flipping_axes_flips_the_trajectory(system, signs, steps):
    flip = np.array(signs)[: system.tokens.shape[1]]
    plain, flipped = run(*system, steps=steps), run(system.tokens * flip + 0.0, *system[1:], steps=steps)
    assert same(flipped, plain * flip + 0.0)


@given(systems(), st.integers(-20, 20), st.integers(1, 6))
@many
def test_scaling_by_powers_of_two_scales_the_trajectory(system, exponent, steps):
    scale = 2.0**exponent
    plain = run(*system, steps=steps)
    scaled = run(system.tokens * scale, system.sensitivity * scale**2, *system[2:], steps=steps)
    assert same(scaled, plain * scale)


@given(st.lists(systems(most_tokens=5), min_size=2, max_size=5), st.integers(1, 5), st.sampled_from([1, 7, 40, 2**16]))
@many
def test_a_member_alone_equals_the_member_in_its_batch(drawn, steps, block):
    n, d = drawn[0].tokens.shape
    tokens = np.stack([np.resize(system.tokens, (n, d)) for system in drawn])
    deltas = np.array([[system.sensitivity] * steps for system in drawn])
    alphas = np.array([system.influence for system in drawn])
    keep = (0, steps)
    batch, _ = canonical.advance(tokens, deltas, alphas, drawn[0].alignment, keep, block=block)
    for i in range(len(drawn)):
        alone, _ = canonical.advance(tokens[i : i + 1], deltas[i : i + 1], alphas[i : i + 1], drawn[0].alignment, keep)
        assert same(batch[i], alone[0])


@given(systems(), st.integers(0, 5), st.integers(0, 5))
@many
def test_running_in_two_legs_equals_running_at_once(system, first, second):
    deltas = np.resize([system.sensitivity, 0.25, 0.0], first + second)
    whole = run(system.tokens, deltas, *system[2:])
    leg = run(system.tokens, deltas[:first], *system[2:])[-1]
    assert same(run(leg, deltas[first:], *system[2:]), whole[first:])


@given(systems(), st.integers(1, 30), st.integers(1, 5))
@many
def test_block_size_does_not_change_the_result(system, block, steps):
    assert same(run(*system, steps=steps, block=block), run(*system, steps=steps))


@pytest.mark.parametrize("device", STRICT_DEVICES, ids=str)
@given(system=systems(), steps=st.integers(1, 4), block=st.sampled_from([5, 2**16]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_namespace_and_device_gives_the_same_bits(device, system, steps, block):
    tokens, delta, alpha, matrix = system.batch()
    deltas, keep = np.tile(delta, (1, steps)), (0, steps)
    there = array_api_strict.asarray(tokens, device=device)
    frames, _ = canonical.advance(there, deltas, alpha, matrix, keep, block=block)
    assert frames.device == device
    assert same(on_host(frames), canonical.advance(tokens, deltas, alpha, matrix, keep)[0])
    for function in (canonical.neighbourhoods, canonical.neighbour_mean):
        result = function(there, system.sensitivity, matrix)
        assert result.device == device
        assert np.array_equal(on_host(result), function(tokens, system.sensitivity, matrix))


def on_host(array):
    """Return a strict array as numpy, by an explicit move to the host's device."""
    return np.asarray(array_api_strict.asarray(array, device=array_api_strict.Device("CPU_DEVICE")))


# --- fixed points, blocks, shapes ---


def test_a_collapsed_cluster_stays_put_to_the_bit():
    tokens = np.full((7, 2), 0.1)
    assert same(run(tokens, 0.0, 0.7, steps=5), np.full((6, 7, 2), 0.1))


def test_tokens_below_the_finest_unit_stay_put():
    tokens = np.array([[1e-305], [-1e-305]])
    assert same(run(tokens, 1.0, steps=1)[1], tokens)


@given(systems(most_tokens=6), st.sampled_from([40, 400]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_leaving_at_a_fixed_point_changes_nothing(system, steps):
    state, delta, alpha, matrix = system.batch()
    frames = [state[0]]
    for _ in range(steps):
        state = canonical.step(state, delta, alpha, matrix)
        frames.append(state[0])
    assert same(run(*system, steps=steps), np.stack(frames))


def test_fixed_points_are_left_only_while_the_sensitivity_stays(monkeypatch):
    calls = []
    step = canonical.step
    monkeypatch.setattr(canonical, "step", lambda *a, **k: (calls.append(1), step(*a, **k))[1])
    tokens = np.array([[1.0], [-1.0]])
    run(tokens, 0.0, steps=1000)
    assert len(calls) == 1
    frames = run(tokens, np.array([0.0, 0.0, 0.0, 4.0, 4.0]))
    assert len(calls) == 1 + 5
    assert frames[:, 0, 0].tolist() == [1, 1, 1, 1, 0.5, 0.25]


def test_the_scores_of_all_pairs_are_never_held():
    n = 1500
    tokens = np.random.default_rng(0).random((n, 2))
    tracemalloc.start()
    try:
        run(tokens, 0.01, steps=1, block=2**14)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n * n  # bytes: an eighth of the scores of all pairs


def test_neighbourhoods_take_any_leading_dimensions():
    tokens = np.random.default_rng(1).normal(size=(2, 3, 5, 2))
    delta = np.array([[0.0, 0.1, 0.5], [0.2, 0.3, 9.0]])
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    together = canonical.neighbourhoods(tokens, delta, matrix)
    means = canonical.neighbour_mean(tokens, delta, matrix)
    assert together.shape == (2, 3, 5, 5)
    for index in np.ndindex(2, 3):
        assert np.array_equal(together[index], canonical.neighbourhoods(tokens[index], delta[index], matrix))
        assert same(means[index], canonical.neighbour_mean(tokens[index], delta[index], matrix))
        plain = [tokens[index][near].mean(axis=0) for near in together[index]]
        np.testing.assert_allclose(means[index], plain, atol=1e-15)


def test_neighbourhoods_of_stored_single_precision_are_those_of_its_values():
    tokens = np.random.default_rng(2).normal(size=(6, 2)).astype(np.float32)
    wide = canonical.neighbourhoods(tokens.astype(np.float64), 0.1)
    assert np.array_equal(canonical.neighbourhoods(tokens, 0.1), wide)


@given(systems(most_components=2))
@many
def test_the_whole_step_is_equivariant_under_rotations_away_from_ties(system):
    """F2: (Z Q', Q A Q', delta) gives Z(t+1) Q'; compared where no score is near its threshold."""
    exact = exact_step(system)
    gaps = [abs(s - max(row) + Fraction(system.sensitivity)) for row in exact.scores for s in row]
    assume(all(gap > 1e-9 or (gap == 0 and system.sensitivity == 0) for gap in gaps))
    assume(all(len(set(near)) == 1 or system.sensitivity > 0 for near in exact.neighbours))
    d = system.tokens.shape[1]
    turn = np.array([[0.6, -0.8], [0.8, 0.6]]) if d == 2 else -np.eye(1)
    matrix = np.eye(d) if system.alignment is None else system.alignment
    turned = turn @ matrix @ turn.T
    rotated = System(system.tokens @ turn.T, system.sensitivity, system.influence, (turned + turned.T) / 2)
    expected = canonical.step(*system.batch())[0] @ turn.T
    np.testing.assert_allclose(canonical.step(*rotated.batch())[0], expected, atol=1e-13)
