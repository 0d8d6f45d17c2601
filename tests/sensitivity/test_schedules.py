"""Sensitivities that change for ever: what is proved of their limits, against thousands of further canonical steps."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

import lmdata
from lmdata.dynamics.kernels import canonical, fused
from lmdata.dynamics.kernels.certificate import CLIQUES, ERROR, TO, enclose, proof
from lmdata.dynamics.kernels.intervals import listen, load_state, prepare, scratch
from lmdata.dynamics.limits.axis import axes_of
from lmdata.dynamics.limits.certificates import certificates
from lmdata.dynamics.limits.shapes import model_at
from lmdata.dynamics.schedules import Constant, Geometric, Periodic, Piecewise, Power, Scaled, Schedule

from .starts import adversarial_start

DISTANCE, REST, ENCLOSURE = 1, 2, 3
FURTHER = 2000

KINDS = {
    "fast": Geometric(0.3, 0.5),
    "slow": Geometric(0.3, 0.9),
    "very slow": Geometric(0.3, 0.99),
    "root": Power(0.3, 0.5),
    "harmonic": Power(0.3, 1.0),
    "square": Power(0.3, 2.0),
    "nearly constant": Periodic((0.3, 0.25)),
    "pulsed": Periodic((0.3, 0.0)),
    "switched on": Piecewise((0.0, 0.3), (4,)),
    "switched off": Piecewise((0.3, 0.0), (4,)),
    "scaled": Scaled(Periodic((1.0, 0.2, 0.7)), 0.25),
}


def assert_proofs_hold(schedule, influence, starts, matrix=None, further=FURTHER):
    """Certify starts (m, n, d) and follow them; return the proofs."""
    model = lmdata.Localmax(schedule, influence, matrix)
    found = certificates(starts, np.zeros(len(starts), int), models=[model])
    last = int(found.certified_step.max()) + further
    keep = tuple(sorted({*range(min(last, 60)), *np.geomspace(1, last, 60).astype(int).tolist()}))
    delta = schedule.values(last + 1)
    deltas, influences = np.repeat(delta[None, :last], len(starts), axis=0), np.full(len(starts), influence)
    frames, _ = fused.advance(starts, deltas, influences, matrix, keep)
    for member in np.flatnonzero(found.certified):
        graphs = canonical.neighbourhoods(frames[member], delta[list(keep)], matrix)
        limit, error = found.certified_limit[member], found.certified_error[member]
        assert np.abs(frames[member, -1] - limit).max() <= error
        if found.certified_by[member] == ENCLOSURE:
            since = np.array(keep) >= found.certified_step[member]
            assert (np.abs(frames[member, since] - limit).max(axis=(1, 2)) <= error).all()
            cluster = found.certified_cluster[member]
            assert not graphs[since][:, cluster[:, None] != cluster].any(), "a token listened to another group"
            assert found.frozen_from[member] == -1
        else:
            since = np.array(keep) >= found.frozen_from[member]
            assert (graphs[since] == graphs[-1]).all()
    return found


@pytest.mark.parametrize("influence", [1.0, *(pytest.param(a, marks=pytest.mark.long) for a in (0.2, 5.0))])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_proved_holds_for_thousands_of_further_steps(kind, influence):
    starts = np.random.default_rng(1).uniform(-1, 1, (20, 10, 2))
    found = assert_proofs_hold(KINDS[kind], influence, starts)
    if influence <= 2.0:  # beyond, boxes are sure to nest on coarse grids alone
        assert found.certified.mean() >= 0.95


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_adversarial_starts_under_schedules(seed):
    rng = np.random.default_rng(seed)
    tokens, influence, matrix = adversarial_start(rng)
    starts = tokens + rng.normal(0, 1e-3, (4, *tokens.shape)) * np.abs(tokens).max()
    scale = float(np.abs(tokens).max()) ** 2
    for schedule in rng.permutation(np.array([*KINDS.values()], object))[:4]:
        assert_proofs_hold(Scaled(schedule, scale) if not isinstance(schedule, Scaled) else schedule, influence, starts,
                           matrix)  # fmt: skip


def test_how_each_kind_is_proved():
    """Bounds on all later sensitivities: a distance where they stay apart from 0, rest or a box where they vanish."""
    starts = np.random.default_rng(2).uniform(-1, 1, (20, 8, 2))
    by = {kind: assert_proofs_hold(schedule, 1.0, starts, further=50).certified_by for kind, schedule in KINDS.items()}
    assert (by["nearly constant"] == DISTANCE).all()
    assert (by["switched on"] == DISTANCE).all()
    assert (by["switched off"] == REST).all()
    for kind in ("slow", "very slow", "root", "harmonic", "square", "pulsed"):
        assert np.isin(by[kind], (REST, ENCLOSURE)).mean() >= 0.95, kind


def test_the_limit_of_a_sensitivity_that_falls_at_once_is_that_of_hardmax_after_the_first_step():
    tokens = np.random.default_rng(3).uniform(-1, 1, (20, 8, 2))
    found = assert_proofs_hold(Geometric(0.3, 1e-9), 1.0, tokens)
    assert found.certified.all()
    first = fused.advance(tokens, np.full((20, 1), 0.3), np.ones(20), None, (1,))[0][:, 0]
    end = fused.advance(first, np.zeros((20, 400)), np.ones(20), None, (400,))[0][:, 0]
    np.testing.assert_allclose(found.certified_limit, end, atol=1e-12)


def test_the_limit_of_a_sensitivity_that_falls_hardly_is_that_of_a_constant():
    """Where every token ends at a vertex; one between several waits until the sensitivity has fallen, and is open."""
    tokens = np.random.default_rng(3).uniform(-1, 1, (20, 8, 2))
    found = assert_proofs_hold(Power(0.3, 1e-7), 1.0, tokens)
    own = certificates(tokens, np.zeros(20, int), models=[lmdata.Localmax(0.3)])
    at_vertices = (own.certified_cluster < own.certified_vertex_count[:, None]).all(axis=1)
    assert (found.certified == at_vertices).all()
    assert 0 < at_vertices.sum() < 20
    np.testing.assert_allclose(found.certified_limit[at_vertices], own.certified_limit[at_vertices], atol=1e-6)


def test_what_alternates_for_ever_is_not_certified():
    """A token between two others listens to one, then to both, and so for ever: it never comes to rest."""
    tokens = np.array([[[1.0, 0.0], [-1.0, 0.0], [0.01, 0.0]]])
    found = assert_proofs_hold(Periodic((0.0, 0.5)), 1.0, tokens)
    frames, _ = fused.advance(tokens, np.tile([[0.0, 0.5]], 500), np.ones(1), None, (998, 999, 1000))
    moves = np.abs(np.diff(frames[0, :, 2, 0]))
    assert found.certified[0] == (moves.max() < 1e-12)
    wide = np.array([[[1.0, 0.2], [-1.0, 0.2], [0.1, 0.0]]])
    restless = assert_proofs_hold(Periodic((0.0, 0.5)), 1.0, wide)
    frames, _ = fused.advance(wide, np.tile([[0.0, 0.5]], 500), np.ones(1), None, (999, 1000))
    assert restless.certified[0] == (np.abs(frames[0, 1] - frames[0, 0]).max() < 1e-12)


@dataclass(frozen=True)
class Unheard(Schedule):
    """Of another package: nothing is known of it but its values."""

    kind = "unheard"

    def _over(self, steps):
        return np.full(len(steps), 0.3)


def test_nothing_is_claimed_of_schedules_that_are_not_known():
    tokens = np.random.default_rng(0).uniform(-1, 1, (4, 6, 2))
    by = [certificates(tokens, np.zeros(4, int), models=[lmdata.Localmax(kind)]) for kind in (Unheard(), Constant(0.3))]
    assert not by[0].certified.any()
    assert by[1].certified.all()
    never = certificates(tokens, np.zeros(4, int), models=[lmdata.Localmax(Periodic((0.0, 0.0)))])
    assert never.certified.all(), "a schedule that is 0 for ever is hardmax"


def exact_gap(tokens, cluster, matrix):
    """Return the least <A z_i, z_v - z_j> with v of the group of i and j of another, exactly."""
    z = [[Fraction(x) for x in row] for row in tokens.tolist()]
    a = [[Fraction(x) for x in row] for row in matrix.tolist()]
    found = []
    for i, own in enumerate(z):
        key = [sum(x * y for x, y in zip(row, own, strict=True)) for row in a]
        scores = [sum(x * y for x, y in zip(key, row, strict=True)) for row in z]
        mine = min(scores[v] for v in range(len(z)) if cluster[v] == cluster[i])
        found += [mine - scores[j] for j in range(len(z)) if cluster[j] != cluster[i]]
    return min(found)


def test_boxes_are_sound_and_loosened_ones_are_caught():
    """What keeps groups apart is below the exact gap of every token, and by little; boxes hold all their tokens."""
    caught = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 4))
        root = rng.integers(-2, 3, (d, d))
        matrix = root @ root.T / 4 + np.eye(d) / 4
        centres = rng.uniform(-1, 1, (3, d))
        tokens = centres[rng.integers(0, 3, 8)] + rng.uniform(-1, 1, (8, d)) * 2.0**-44
        room, found, positions = scratch(8, d), proof(8, d), load_state(tokens)
        prepare(positions, matrix, 8, room)
        listen(positions, 1e-9, 1e-9, room, axes_of(d))
        if not enclose(positions, room.heard, matrix, 1.0, found) or found.found[CLIQUES] < 2:
            continue
        assert (np.abs(tokens - found.limit) <= found.found[ERROR]).all()
        exact, stop = exact_gap(tokens, found.clique.tolist(), matrix), Fraction(found.found[TO])
        assert stop <= exact
        slack = Fraction(1e-10)
        assert exact - stop <= slack, "a bound so loose that it would prove nothing"
        caught += stop + 10 * slack > exact
    assert caught >= 10


@pytest.mark.parametrize("shape", [Geometric(1.0, 0.9), Power(1.0, 1.0), Power(1.0, 0.5)])
def test_the_atlas_of_a_vanishing_schedule(shape):
    """Nearly all of the axis is proved; thousands of steps later, the limits of intervals are within their bounds."""
    rng = np.random.default_rng(5)
    tokens, model = rng.uniform(-1, 1, (8, 2)), lmdata.Localmax(shape)
    ds = lmdata.atlas(model, tokens, resolution=1e-5)
    assert ds.attrs["proved_share"] > 0.99
    assert "enclosed" in ds.outcome.attrs["flag_meanings"]
    enclosed = np.flatnonzero(ds.outcome.values == 6)
    assert len(enclosed) > 20
    assert bool(ds.certified.values[enclosed].all())
    assert (ds.frozen_from.values[enclosed] == -1).all()
    for place in rng.permutation(enclosed)[:12].tolist():
        low, high = float(ds.sensitivity_from[place]), float(ds.sensitivity_to[place])
        steps, ends = int(ds.steps_done[place]), []
        for delta in (low, np.nextafter(min(high, 2 * low + 1), 0.0)):
            values = model_at(model, float(delta)).schedule.values(steps + FURTHER)
            keep = (steps, steps + FURTHER)
            ends.append(fused.advance(tokens[None], values[None], np.ones(1), None, keep)[0][0])
            away = np.abs(ends[-1] - ds.limit_position.values[place]).max()
            assert away <= float(ds.limit_error[place])
        np.testing.assert_array_equal(ends[0][0], ends[1][0])


def test_the_state_at_any_later_time_of_a_vanishing_sensitivity():
    tokens, model = np.random.default_rng(7).uniform(-1, 1, (1, 8, 2)), lmdata.Localmax(Power(0.3, 1.0))
    ds = lmdata.simulate(model, tokens, steps=2)
    for time in (5, 60, 3000):
        later = lmdata.continue_to(ds, time)
        there = lmdata.simulate(model, tokens, steps=time, record=[time]).position.values[0, 0]
        assert np.abs(later.position.values[0] - there).max() <= float(later.position_error[0])
    assert float(later.position_error[0]) < 1e-11
