"""Certified limits against long simulations and rational arithmetic, and that a false certificate is caught."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import lmdata
from lmdata.dynamics.kernels import canonical, fused
from lmdata.dynamics.kernels.certificate import ERROR, FROM, SLACK, TO, certify, proof
from lmdata.dynamics.kernels.intervals import listen, load_state, prepare, scratch
from lmdata.dynamics.limits import rational
from lmdata.dynamics.limits.axis import axes_of
from lmdata.dynamics.limits.certificates import certificates
from lmdata.errors import InvalidInput

from .starts import adversarial_start, random_start

SENSITIVITIES = (0.01, 0.05, 0.2, 0.5)
SIZES = ((16, 2), (32, 2), (64, 2), (32, 3), (32, 8))


def simulated(tokens, sensitivity, influence, keep, matrix=None):
    delta = np.full((len(tokens), keep[-1]), sensitivity)
    return fused.advance(tokens, delta, np.full(len(tokens), influence), matrix, keep)[0]


def assert_limits_hold(tokens, sensitivity, influence, steps, matrix=None):
    """All certified; the states after so many steps are within the bound, and no neighbourhood changed on the way."""
    model = lmdata.Localmax(sensitivity, influence, matrix)
    ds = lmdata.simulate(model, tokens, steps=1, seeds=range(len(tokens)))
    found = lmdata.certify(ds)
    assert found.certified.values.all()
    frozen = found.frozen_from.values
    keep = tuple(sorted({*range(int(frozen.max()) + 30), *np.geomspace(50, steps, 30).astype(int).tolist()}))
    frames = simulated(tokens, sensitivity, influence, keep, matrix)
    away = np.abs(frames[:, -1] - found.certified_limit.values).max(axis=(1, 2))
    assert (away <= found.certified_error.values).all()
    for member, first in enumerate(frozen.tolist()):
        graphs = canonical.neighbourhoods(frames[member], sensitivity, matrix)
        assert (graphs[first:] == graphs[first]).all()
        assert first == 0 or (graphs[first - 1] != graphs[first]).any()
    return found


def starts(n, d, count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, n, d))


@pytest.mark.parametrize("sensitivity", SENSITIVITIES)
@pytest.mark.parametrize(("n", "d"), [(16, 2), (32, 3)])
def test_all_are_certified_and_hold(sensitivity, n, d):
    assert_limits_hold(starts(n, d, 6), sensitivity, 1.0, 600)


@pytest.mark.long
@pytest.mark.parametrize("sensitivity", SENSITIVITIES)
@pytest.mark.parametrize(("n", "d"), SIZES)
def test_sixty_starts_each_are_certified_and_hold(sensitivity, n, d):
    assert_limits_hold(starts(n, d, 60), sensitivity, 1.0, 5000)


@pytest.mark.parametrize(
    ("influence", "steps"), [(10.0, 300), (0.1, 3000), pytest.param(1e-2, 20_000, marks=pytest.mark.long)]
)
def test_limits_hold_at_any_influence(influence, steps):
    assert_limits_hold(starts(8, 2, 4), 0.1, influence, steps)


@pytest.mark.long
def test_rest_is_hundreds_of_ulp_away_at_a_tiny_influence():
    tokens = np.array([[[1.0, 0.0], [0.9, 0.1], [-1.0, 0.2]]])
    found = assert_limits_hold(tokens, 0.3, 1e-4, 900_000)
    last = simulated(tokens, 0.3, 1e-4, (900_000,))[0, 0]
    away = np.abs(last - found.certified_limit.values[0])
    assert away.max() > 20 * np.spacing(1.0), "a bound that forgets the accumulated rounding would pass"


def assert_certificate_is_sound(rng, tokens, influence, matrix):
    """Follow one member; every interval that the kernel claims is checked exactly, and loosened ones are refused."""
    n, d = tokens.shape
    delta = float(rng.choice([0.0, 0.05, 0.3])) * float(np.abs(tokens).max()) ** 2
    empty = np.empty((0, 0))
    room, found = scratch(n, d), proof(n, d)
    exact = [[Fraction(x) for x in row] for row in (np.eye(d) if matrix is None else matrix).tolist()]
    claims, caught = 0, 0
    state = tokens
    for _ in range(40):
        positions = load_state(state)
        prepare(positions, empty if matrix is None else matrix, n, room)
        listen(positions, delta, delta, room, axes_of(d))
        if certify(positions, room.heard, empty if matrix is None else matrix, influence, found):
            low, high, slack = (found.found[k] for k in (FROM, TO, SLACK))
            if low < high:
                claims += 1
                z = [[Fraction(x) for x in row] for row in state.tolist()]
                graph = [np.flatnonzero(row).tolist() for row in canonical.neighbourhoods(state, delta, matrix)]
                above = Fraction(high) if np.isfinite(high) else Fraction(10**30)
                assert rational.holds(z, graph, Fraction(low), above, exact)
                limit = np.array(rational.limit_of(z, graph), float)
                assert np.abs(limit - found.limit).max() <= max(found.found[ERROR], 1e-15 * np.abs(tokens).max())
                wide = 10 * Fraction(slack)
                loose = [rational.holds(z, graph, Fraction(low), above + wide, exact)] if np.isfinite(high) else []
                loose += [rational.holds(z, graph, Fraction(low) - wide, above, exact)] if low > 0 else []
                if slack > 1e-6 * np.abs(tokens).max() ** 2:  # else the safe side outweighs the slack
                    assert not any(loose)
                    caught += len(loose)
        state = fused.advance(state[None], np.array([[delta]]), np.array([influence]), matrix, (1,))[0][0, 0]
    return claims, caught


def test_certificates_are_sound_and_loosened_ones_are_caught():
    counted = np.zeros(2, int)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        tokens, influence, matrix = random_start(rng, most=6)
        counted += assert_certificate_is_sound(rng, tokens[:6], influence, matrix)
    assert (counted > 20).all()


@pytest.mark.long
def test_adversarial_certificates_are_sound():
    claims = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tokens, influence, matrix = adversarial_start(rng)
        claims += assert_certificate_is_sound(rng, tokens[:7], influence, matrix)[0]
    assert claims > 500


def followed(rng, copies):
    """Certify near copies of an adversarial start, and follow them: no neighbourhood changes; return how many."""
    tokens, influence, matrix = adversarial_start(rng)
    scale = float(np.abs(tokens).max())
    near = tokens + rng.normal(0, 1e-4, (copies, *tokens.shape)) * scale
    delta = float(rng.choice([0.01, 0.05, 0.3])) * scale**2
    found = certificates(near, np.zeros(copies, int), models=[lmdata.Localmax(delta, influence, matrix)])
    last = int(found.certified_step.max()) + 1000
    keep = tuple(sorted({*range(min(last, 40)), *np.geomspace(1, last, 40).astype(int).tolist()}))
    frames = simulated(near, delta, influence, keep, matrix)
    away = np.abs(frames[:, -1] - found.certified_limit).max(axis=(1, 2))
    assert (away[found.certified] <= found.certified_error[found.certified]).all()
    for member in np.flatnonzero(found.certified):
        graphs = canonical.neighbourhoods(frames[member], delta, matrix)
        assert (graphs[np.array(keep) >= found.frozen_from[member]] == graphs[-1]).all()
    return int(found.certified.sum())


def test_no_neighbourhood_of_certified_members_changes_later():
    assert sum(followed(np.random.default_rng(seed), 5) for seed in range(30)) >= 145


@pytest.mark.long
def test_no_neighbourhood_of_ten_thousand_certified_members_changes_later():
    assert sum(followed(np.random.default_rng(seed), 30) for seed in range(1000, 1360)) >= 10_000


def assert_hardmax_is_certified(count, further):
    """Sensitivity 0: all are certified, by rest, and none is wrong."""
    for n, d in SIZES:
        tokens = starts(n, d, count)
        found = certificates(tokens, np.zeros(count, int), models=[lmdata.Localmax()])
        assert found.certified.mean() == 1.0
        assert (found.certified_by == 2).all()
        last = int(found.certified_step.max()) + further
        frames = simulated(tokens, 0.0, 1.0, (last,))[:, 0]
        np.testing.assert_array_equal(frames, found.certified_limit)


def test_hardmax_is_certified_by_rest():
    assert_hardmax_is_certified(4, 500)


@pytest.mark.long
def test_three_hundred_starts_of_hardmax_are_certified_by_rest():
    assert_hardmax_is_certified(60, 5000)


@pytest.mark.long
def test_the_share_of_hardmax_that_rational_arithmetic_proves():
    """What is left are chains, whose targets move themselves."""
    shares = []
    for n in (4, 6, 8):
        ds = lmdata.simulate(lmdata.Localmax(), starts(n, 2, 60), steps=0, seeds=range(60))
        shares.append(float(lmdata.certify(ds, exact=True).proved_exactly.mean()))
    assert min(shares) >= 0.9, shares


def test_a_tampered_atlas_is_caught():
    """An interval drawn over the next breakpoint, or a limit moved by ten times its bound, does not hold."""
    rng = np.random.default_rng(0)
    tokens = rng.uniform(-1, 1, (8, 2))
    ds = lmdata.atlas(lmdata.Localmax(), tokens)
    place = np.flatnonzero(ds.certified.values)[5]
    low, high = float(ds.sensitivity_from[place]), float(ds.sensitivity_to[place])
    inside = simulated(tokens[None], low, 1.0, (200,))[0, 0]
    beyond = simulated(tokens[None], high, 1.0, (200,))[0, 0]
    limit, error = ds.limit_position.values[place], float(ds.limit_error[place])
    assert np.abs(inside - limit).max() <= error
    assert (inside != beyond).any()
    assert np.abs(inside - (limit + 10 * error)).max() > error


def assert_rational_proof_agrees(seed):
    """Return whether floats and rationals have one and the same proof; if not, that rounding decided an exact tie."""
    rng = np.random.default_rng(seed)
    tokens, influence, matrix = random_start(rng, most=8)
    delta = float(rng.choice([0.01, 0.1, 0.5]))
    ds = lmdata.simulate(lmdata.Localmax(delta, influence, matrix), tokens, steps=0)
    found = lmdata.certify(ds, exact=True).isel(seed=0)
    assert bool(found.certified)
    exact = rational.prove(tokens, delta, influence, matrix, most=int(found.certified_step) + 10)
    assert exact.proved, "every system is proved in rational arithmetic"
    if bool(found.proved_exactly):
        away = np.abs(np.array(exact.limit, float) - found.certified_limit.values).max()
        assert away <= max(2 * float(found.certified_error), 2.0**-29)
        return True
    assert_rounding_decides_a_tie(tokens, delta, influence, matrix, exact)
    return False


def assert_rounding_decides_a_tie(tokens, delta, influence, matrix, exact):
    """Floats are another system here: where the graphs first differ, the gaps are delta to the letter."""
    steps = len(exact.graphs) - 1
    frames = simulated(tokens[None], delta, influence, tuple(range(steps + 1)), matrix)[0]
    graphs = canonical.neighbourhoods(frames, delta, matrix)
    z = [[Fraction(x) for x in row] for row in tokens.tolist()]
    a = [[Fraction(x) for x in row] for row in (np.eye(tokens.shape[1]) if matrix is None else matrix).tolist()]
    for graph, near in zip(graphs, exact.graphs, strict=True):
        apart = [(i, j) for i, own in enumerate(near) for j in range(len(z)) if bool(graph[i, j]) != (j in own)]
        if apart:
            for i, j in apart:
                scores = [sum(x * y for x, y in zip(image(a, z[i]), row, strict=True)) for row in z]
                assert max(scores) - scores[j] == Fraction(delta)
            return
        means = [[sum(z[j][k] for j in own) / len(own) for k in range(len(a))] for own in near]
        alpha = Fraction(influence)
        z = [[(x + alpha * m) / (1 + alpha) for x, m in zip(*rows, strict=True)] for rows in zip(z, means, strict=True)]
    raise AssertionError("the graphs are the same at every step")


def image(matrix, token):
    return [sum(x * y for x, y in zip(row, token, strict=True)) for row in matrix]


def test_rational_proofs_agree():
    assert sum(map(assert_rational_proof_agrees, range(1, 7))) == 6


def test_a_tie_that_rounding_decides_is_another_system():
    """Tokens on a lattice of halves: at step 1 a gap is 1/2 to the letter, and the floats, rounded twice, miss it."""
    assert not assert_rational_proof_agrees(127)


@pytest.mark.long
def test_two_hundred_rational_proofs_agree_but_for_one_tie():
    """All 200 are proved in both arithmetics; 199 are the same system, and in the other rounding decides a tie."""
    assert sum(map(assert_rational_proof_agrees, range(200))) == 199


def test_hardmax_is_proved_by_segments():
    """Sensitivity 0, where no distance decides: every start here is proved in rational arithmetic."""
    tokens = starts(6, 2, 20)
    ds = lmdata.simulate(lmdata.Localmax(), tokens, steps=0, seeds=range(20))
    found = lmdata.certify(ds, exact=True)
    assert (found.certified_by == 2).all()
    assert found.proved_exactly.values.mean() >= 0.9
    frames = simulated(tokens, 0.0, 1.0, (400,))[:, 0]
    proved = found.proved_exactly.values
    np.testing.assert_array_equal(found.certified_limit.values[proved], frames[proved])


def test_the_state_at_any_later_time():
    tokens = starts(10, 2, 8)
    model = lmdata.Localmax(0.2, 0.05)
    ds = lmdata.simulate(model, tokens, steps=2, seeds=range(8))
    for time in (2, 20, 150, 700, 3000):
        later = lmdata.continue_to(ds, time)
        there = simulated(tokens, 0.2, 0.05, (time,))[:, 0]
        away = np.abs(later.position.values - there).max(axis=(1, 2))
        assert (away <= later.position_error.values).all()
        assert later.position_error.values.max() < 1e-10
    for_ever = lmdata.continue_to(ds, 10**15).position.values
    limit = lmdata.certify(ds)
    np.testing.assert_allclose(for_ever, limit.certified_limit.values, atol=1e-12)


def test_the_rate_is_the_slowest_that_is_seen():
    """A token between two clusters that hears itself is slower than 1 / (1 + alpha)."""
    tokens = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.05]])
    ds = lmdata.simulate(lmdata.Localmax(0.2), tokens, steps=60)
    found = lmdata.certify(ds).isel(seed=0)
    assert float(found.certified_rate) == pytest.approx((1 + 1 / 3) / 2)
    seen = lmdata.convergence(ds).isel(seed=0)
    assert float(seen.rate) == pytest.approx(float(found.certified_rate), rel=1e-6)


def test_schedules_are_certified_where_bounds_on_all_later_sensitivities_exist():
    tokens = starts(8, 2, 10)
    shares = {}
    for name, schedule in {
        "periodic": lmdata.schedules.Periodic((0.3, 0.25)),
        "switched": lmdata.schedules.Piecewise((0.0, 0.3), (4,)),
        "vanishing": lmdata.schedules.Geometric(0.3, 0.5),
        "given": lmdata.schedules.Explicit([0.3] * 40),
    }.items():
        ds = lmdata.simulate(lmdata.Localmax(schedule), tokens, steps=2 if name != "given" else 40, seeds=range(10))
        shares[name] = float(lmdata.certify(ds).certified.mean())
    assert shares["periodic"] > 0.5
    assert shares["switched"] == 1.0
    assert shares["given"] == 0.0, "nothing is known of what follows"


def test_sweeps_failed_members_and_laziness():
    ds = lmdata.simulate(
        lmdata.Localmax(), lmdata.tokens.uniform(6, 2), steps=3, seeds=(0, 4),
        sweep={"alignment_sensitivity": [0.1, 0.5], "influence": [0.5, 1.0]},
    )  # fmt: skip
    found = lmdata.certify(ds)
    assert found.certified.dims == ("alignment_sensitivity", "influence", "seed")
    lazy = lmdata.certify(ds.chunk(seed=1))
    assert lazy.certified.chunks is not None
    assert lazy.compute().equals(found)
    one = lmdata.certify(ds.isel(alignment_sensitivity=[1], influence=[0], seed=[1]))
    assert one.certified_limit.equals(found.certified_limit.isel(alignment_sensitivity=[1], influence=[0], seed=[1]))
    ds.status[0, 0, 0] = 2
    assert not bool(lmdata.certify(ds).certified[0, 0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign(position=ds.position.astype(np.float32)), "store float64"),
        (lambda ds: ds.isel(time=[1, 2]), "frame of step 0"),
    ],
)
def test_refusals(change, message):
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(9, 2), steps=2)
    with pytest.raises(InvalidInput, match=message):
        lmdata.certify(change(ds))
    with pytest.raises(InvalidInput, match="at most 8"):
        lmdata.certify(ds, exact=True)
    with pytest.raises(InvalidInput, match="time is 1"):
        lmdata.continue_to(ds, 1)
