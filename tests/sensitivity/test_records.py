"""The list of trajectories of a record, against simulations at single sensitivities and in exact arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

import lmdata
from lmdata.dynamics.kernels import canonical, fused
from lmdata.dynamics.limits import axis
from lmdata.dynamics.limits.shapes import model_at

from .starts import random_start

STEPS = 50


def trajectories(tokens, sensitivities, influence, matrix, steps):
    """Return frames (m, steps + 1, n, d) and graphs (m, steps + 1, n, n) at single sensitivities."""
    count = len(sensitivities)
    delta = np.repeat(np.asarray(sensitivities)[:, None], steps + 1, axis=1)
    frames, _ = fused.advance(
        np.repeat(tokens[None], count, axis=0), delta[:, :steps], np.full(count, influence), matrix,
        tuple(range(steps + 1)),
    )  # fmt: skip
    return frames, canonical.neighbourhoods(frames, delta, matrix)


def assert_record_is_complete(rng, deltas, steps):
    tokens, influence, matrix = random_start(rng)
    ds = lmdata.atlas(lmdata.Localmax(influence=influence, alignment=matrix), tokens, steps=steps)
    low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
    assert low[0] == 0.0
    assert high[-1] == np.inf
    np.testing.assert_array_equal(low[1:], high[:-1])
    frames, graphs = trajectories(tokens, low, influence, matrix, steps)
    np.testing.assert_array_equal(frames[:, -1], ds.last_position.values)
    top = 1.2 * max(low[-1], 1.0)
    drawn = np.concatenate([rng.uniform(0, top, deltas // 2), top * 10.0 ** rng.uniform(-12, 0, deltas - deltas // 2)])
    drawn = np.concatenate([drawn, np.nextafter(high[:-1], 0.0)])
    place = np.searchsorted(low, drawn, side="right") - 1
    for begin in range(0, len(drawn), 500):
        some = slice(begin, begin + 500)
        own, heard = trajectories(tokens, drawn[some], influence, matrix, steps)
        np.testing.assert_array_equal(own, frames[place[some]])
        np.testing.assert_array_equal(heard, graphs[place[some]])
    assert (graphs[1:] != graphs[:-1]).any(axis=(1, 2, 3)).all(), "a breakpoint at which nothing changes"


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_a_record_is_complete(seed):
    assert_record_is_complete(np.random.default_rng(seed), 100, STEPS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_records_are_complete(seed):
    assert_record_is_complete(np.random.default_rng(seed), 1000, STEPS)


def exact_walk(tokens, influence, steps):
    """Return every breakpoint of the record in rational arithmetic, jumping from gap to gap."""
    start = [[Fraction(x) for x in row] for row in tokens.tolist()]
    alpha, found, delta = Fraction(influence), [], Fraction(0)
    while True:
        z, above = start, []
        for _ in range(steps + 1):
            scores = [[sum(a * b for a, b in zip(y, x, strict=True)) for x in z] for y in z]
            gaps = [[max(row) - s for s in row] for row in scores]
            near = [[j for j, gap in enumerate(row) if gap <= delta] for row in gaps]
            above += [gap for row in gaps for gap in row if gap > delta]
            means = [[sum(z[j][k] for j in own) / len(own) for k in range(len(z[0]))] for own in near]
            z = [
                [(x + alpha * m) / (1 + alpha) for x, m in zip(*rows, strict=True)]
                for rows in zip(z, means, strict=True)
            ]
        if not above:
            return found
        delta = min(above)
        found.append(delta)


@pytest.mark.parametrize("seed", range(8))
def test_breakpoints_are_those_of_rational_arithmetic(seed):
    """Tokens in general position: no two exact breakpoints are within rounding of each other, checked below."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(-999, 1000, (4, 2)) / 1024
    exact = exact_walk(tokens, 1.0, 4)
    assert min(b - a for a, b in itertools.pairwise(exact)) > 1e-12
    ds = lmdata.atlas(lmdata.Localmax(), tokens, steps=4)
    found = ds.sensitivity_from.values[1:]
    assert len(found) == len(exact)
    assert all(abs(Fraction(own) - other) < 1e-14 for own, other in zip(found.tolist(), exact, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_breakpoints_of_lattices_are_those_of_rational_arithmetic(seed):
    """Exact ties are one breakpoint, which rounding may draw out over a few floats: within 1e-12 are both or none."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(-3, 4, (5, 2)) / 2
    tokens[0, 0] = 2.0
    exact = exact_walk(tokens, 1.0, 3)
    assert min(b - a for a, b in itertools.pairwise(exact)) > 1e-9
    found = lmdata.atlas(lmdata.Localmax(), tokens, steps=3).sensitivity_from.values[1:].tolist()
    assert all(min(abs(Fraction(own) - other) for other in exact) < 1e-12 for own in found)
    assert all(min(abs(Fraction(own) - other) for own in found) < 1e-12 for other in exact)


def every_flip(tokens, influence, matrix, steps):
    """Return every breakpoint of the record by brute force: at each, all comparisons of all steps are bisected."""
    found, delta = [], 0.0
    while True:
        frames, graphs = trajectories(tokens, [delta], influence, matrix, steps)
        keys = canonical.alignment_keys(frames[0], matrix)
        scores = canonical.scores(keys, frames[0])
        tops = np.broadcast_to(scores.max(axis=-1, keepdims=True), scores.shape)
        scores, tops = scores[~graphs[0]], tops[~graphs[0]]
        if not len(scores):
            return found
        low = np.full(len(scores), delta).view(np.int64)
        high = (4.0 * (np.abs(tops) + np.abs(scores))).view(np.int64)
        while (high - low > 1).any():
            middle = low + (high - low) // 2
            listens = scores >= tops - middle.view(np.float64)
            low, high = np.where(listens, low, middle), np.where(listens, middle, high)
        delta = float(high.view(np.float64).min())
        found.append(delta)


def assert_no_flip_is_missed(seed):
    rng = np.random.default_rng(seed)
    tokens, influence, matrix = random_start(rng, most=5)
    steps = 4
    found = lmdata.atlas(lmdata.Localmax(influence=influence, alignment=matrix), tokens, steps=steps)
    every = every_flip(tokens, influence, matrix, steps)
    assert found.sensitivity_from.values.tolist() == [0.0, *every]
    below = np.nextafter(every, 0.0)
    _, graphs = trajectories(tokens, np.concatenate([below, every]), influence, matrix, steps)
    assert (graphs[: len(every)] != graphs[len(every) :]).any(axis=(1, 2, 3)).all()
    return len(every)


def test_no_flip_of_small_systems_is_missed():
    """To the bit, lattices and duplicates among them; and floats on both sides of each have different graphs."""
    assert sum(map(assert_no_flip_is_missed, range(5))) > 100


@pytest.mark.long
def test_no_flip_of_many_small_systems_is_missed():
    assert sum(map(assert_no_flip_is_missed, range(100, 200))) > 2000


def test_a_flip_is_not_the_float_next_to_the_gap():
    """fl(max - delta) rounds at the spacing of max: the flip is the midpoint, to even, and the gap is far from it."""
    tokens = np.array([[1.0], [1.0 - 2.0**-53]])
    ds = lmdata.atlas(lmdata.Localmax(), tokens, steps=0)
    gap = 2.0**-53
    assert ds.sensitivity_from.values[1] == pytest.approx(gap / 2, rel=1e-15)
    assert ds.sensitivity_from.values[1] < gap


@pytest.mark.parametrize(
    "shape",
    [
        lmdata.schedules.Geometric(1.0, 0.9),
        lmdata.schedules.Power(1.0, 0.5),
        lmdata.schedules.Periodic((1.0, 0.0, 0.3)),
        lmdata.schedules.Piecewise((0.0, 1.0), (3,)),
        lmdata.schedules.Explicit(np.linspace(1, 0, 20)),
    ],
)
def test_schedules_with_one_scale(shape):
    rng = np.random.default_rng(1)
    tokens, model = rng.uniform(-1, 1, (6, 2)), lmdata.Localmax(shape)
    ds = lmdata.atlas(model, tokens, steps=20)
    low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
    assert len(low) > 20
    for delta in [*low[::9], *np.nextafter(high[::9], 0.0)]:
        if delta < 1e300:
            member = lmdata.simulate(model_at(model, float(delta)), tokens, steps=20)
            where = np.searchsorted(low, delta, side="right") - 1
            np.testing.assert_array_equal(member.position.values[0, -1], ds.last_position.values[where])


def test_threads_seeds_and_limits_do_not_touch_the_result():
    model, tokens = lmdata.Localmax(influence=0.5), lmdata.tokens.uniform(8, 2)
    both = lmdata.atlas(model, tokens, seeds=(3, 5), threads=1)
    for seed in (3, 5):
        alone = lmdata.atlas(model, tokens, seeds=(seed,), threads=2)
        own = both.isel(interval=both.interval_seed.values == seed)
        for name in ("sensitivity_from", "sensitivity_to", "outcome", "limit_position", "cluster", "vertex_count"):
            np.testing.assert_array_equal(own[name].values, alone[name].values)
    without = lmdata.atlas(model, tokens, seeds=(3, 5), limits=False)
    assert "limit_position" not in without
    assert without.equals(both.drop_vars(["limit_position", "cluster"]))


@pytest.mark.parametrize("parts", [1, 3, 500])
def test_the_parts_in_which_the_axis_is_walked_do_not_touch_the_result(parts, monkeypatch):
    """Also where much stays unresolved, next to the ends of parts too."""
    arguments = {"seeds": (0, 1), "resolution": 1e-2}
    whole = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), **arguments)
    assert whole.attrs["unresolved_share"] > 0.02
    monkeypatch.setattr(axis, "PARTS", parts)
    assert lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), **arguments).equals(whole)


def test_a_part_of_the_axis():
    tokens = lmdata.tokens.uniform(8, 2)
    whole = lmdata.atlas(lmdata.Localmax(), tokens, steps=10)
    part = lmdata.atlas(lmdata.Localmax(), tokens, steps=10, sensitivity=(0.1, 0.3))
    low = whole.sensitivity_from.values
    inside = low[(low > 0.1) & (low < 0.3)]
    np.testing.assert_array_equal(part.sensitivity_from.values, [0.1, *inside])
    np.testing.assert_array_equal(part.sensitivity_to.values, [*inside, 0.3])


def test_the_largest_gap_is_of_the_scores_that_the_dynamics_compare():
    """The order of a matrix product's sums depends on its size, and so would the width of what stays unresolved."""
    random = np.random.default_rng(11)
    for n, d in ((3, 2), (7, 3), (5, 9)):
        tokens, root = random.normal(size=(n, d)), random.normal(size=(d, d))
        for matrix in (np.empty((0, 0)), root @ root.T):
            asked = axis.Axis(matrix, 1.0, np.ones(1), np.ones(1), np.ones(1), 0.0, 1.0, False, 1e-9, False)
            gap = axis.largest_gap(tokens, asked)
            assert {axis.largest_gap(np.tile(tokens, (k, 1)), asked) for k in (2, 5, 8)} == {gap}
            keys = canonical.alignment_keys(tokens, matrix if matrix.size else None)
            one_by_one = [[canonical.scores(keys[[i]], tokens[[j]]).item() for j in range(n)] for i in range(n)]
            assert gap == max(max(row) - min(row) for row in one_by_one)
