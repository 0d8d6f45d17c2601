"""What `atlas` refuses, returns and proves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import lmdata
from lmdata.errors import InvalidInput
from lmdata.sensitivity.variables import VARIABLES

from .starts import adversarial_start, random_start
from .test_records import trajectories

CERTIFIED, AT_REST, UNRESOLVED = 1, 2, 3


def assert_proved_for_all_time(rng, tokens, influence, matrix, most=200):
    """Ends of certified intervals and a sensitivity inside: the same bits at every kept step, limits within bounds."""
    ds = lmdata.atlas(lmdata.Localmax(influence=influence, alignment=matrix), tokens)
    assert set(np.unique(ds.outcome.values)) <= {CERTIFIED, AT_REST, UNRESOLVED}
    proved = np.flatnonzero(ds.certified.values)
    proved = rng.permutation(proved)[:most]
    low, high = ds.sensitivity_from.values[proved], ds.sensitivity_to.values[proved]
    last = np.nextafter(np.minimum(high, 2 * max(1.0, low.max())), 0.0)
    inside = np.clip(low + (last - low) * rng.random(len(low)), low, last)
    steps = 2000 if influence > 0.2 else 8000
    keep = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, steps // 4, steps)
    ends = [fused_frames(tokens, delta, influence, matrix, keep) for delta in (low, inside, last)]
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])
    error = np.abs(ends[0][:, -1] - ds.limit_position.values[proved]).max(axis=(1, 2))
    assert (error <= ds.limit_error.values[proved]).all()
    return ds


def fused_frames(tokens, sensitivities, influence, matrix, keep):
    from lmdata.dynamics.kernels import fused

    count = len(sensitivities)
    delta = np.repeat(np.asarray(sensitivities)[:, None], keep[-1], axis=1)
    gains = np.full(count, influence)
    return fused.advance(np.repeat(tokens[None], count, axis=0), delta, gains, matrix, keep)[0]


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_proved_intervals_hold(seed):
    rng = np.random.default_rng(seed)
    assert_proved_for_all_time(rng, *(adversarial_start(rng) if seed % 2 else random_start(rng, most=10)), most=60)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_ten_thousand_proved_intervals_hold(seed):
    rng = np.random.default_rng(seed)
    assert_proved_for_all_time(rng, *(adversarial_start(rng) if seed % 2 else random_start(rng)))


def test_graphs_of_proved_intervals_stay():
    rng = np.random.default_rng(3)
    tokens = rng.uniform(-1, 1, (10, 2))
    ds = lmdata.atlas(lmdata.Localmax(), tokens)
    own = ds.isel(interval=np.flatnonzero(ds.certified.values)[::5])
    _, graphs = trajectories(tokens, own.sensitivity_from.values, 1.0, None, 300)
    for graph, frozen in zip(graphs, own.frozen_from.values.tolist(), strict=True):
        assert (graph[frozen:] == graph[frozen]).all()
        assert frozen == 0 or (graph[frozen - 1] != graph[frozen]).any()


def test_where_trajectories_accumulate_at_zero():
    """Tokens 1 and 1/2 on the line: the second hears itself at a step of its own in every octave of delta."""
    ds = lmdata.atlas(lmdata.Localmax(), [[1.0], [0.5]], resolution=1e-6)
    low, high, outcome = ds.sensitivity_from.values, ds.sensitivity_to.values, ds.outcome.values
    assert outcome[0] == UNRESOLVED
    assert 0.0 == low[0] < high[0] < 2e-6
    assert (outcome[1:] != UNRESOLVED).all()
    assert ds.attrs["unresolved_share"] == pytest.approx((high - low)[outcome == UNRESOLVED].sum() / low[-1])
    assert set(np.floor(np.log2(low[1:] * 1.001))) >= set(range(-19, -1)), "an octave without a breakpoint"
    limits = ds.limit_position.values[ds.certified.values, 0, 0]
    assert (np.diff(limits) != 0).all(), "another limit in every interval"
    assert (np.diff(limits[low[ds.certified.values] < 0.2]) < 0).all()


def test_where_trajectories_accumulate_at_a_limit_gap():
    """At 1, from above: a gap that comes down to 1 is heard ever later by sensitivities just above it."""
    tokens = [[5.0, 1.0, 0.0], [5.0, -1.0, 0.0], [4.8, 0.0, 2.0], [3.0, 0.0, -1.0]]
    ds = lmdata.atlas(lmdata.Localmax(), tokens, sensitivity=(0.5, 1.5), resolution=1e-6)
    low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
    unresolved = np.flatnonzero((ds.outcome.values == UNRESOLVED) & (low <= 1.0 + 1e-5) & (high >= 1.0 - 1e-5))
    assert len(unresolved) == 1
    assert low[unresolved[0]] <= 1.0 < high[unresolved[0]]
    assert high[unresolved[0]] - low[unresolved[0]] < 1e-4
    after = low[(low > 1.0) & (low < 1.3)] - 1.0
    assert len(after) > 10
    np.testing.assert_allclose(after[1:8] / after[:7], 1.5, rtol=0.05)  # 1 / rate, a token hears itself among three


@pytest.mark.parametrize("seed", range(3))
def test_the_proved_share_of_32_tokens(seed):
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(32, 2), seeds=(seed,), limits=False)
    assert ds.attrs["proved_share"] >= 0.999
    assert ds.attrs["proved_share"] + ds.attrs["unresolved_share"] == pytest.approx(1.0, abs=1e-9)


def test_counts_are_those_of_the_limits():
    """Vertices by the graph are the vertices by position, S2 tokens end at none of them."""
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), seeds=(1, 2))
    own = ds.isel(interval=np.flatnonzero(ds.outcome.values == CERTIFIED)[::40])
    model = lmdata.Localmax()
    for k in range(own.sizes["interval"]):
        one = own.isel(interval=k)
        member = lmdata.simulate(
            replace(model, alignment_sensitivity=float(one.sensitivity_from)),
            ds.initial_position.sel(seed=int(one.interval_seed)).values, steps=400, record=[0, 400],
        )  # fmt: skip
        limit = lmdata.limit_polytope(member, tolerance=1e-9).isel(seed=0)
        assert int(limit.vertex_count) == int(one.vertex_count)
        assert int((limit.token_vertex >= 0).sum()) == int(one.s1_size) == 12 - int(one.s2_size)
        assert int(limit.cluster.max()) + 1 == int(one.limit_count)
        np.testing.assert_array_equal(one.cluster.values < int(one.vertex_count), limit.token_vertex.values >= 0)


def test_every_variable_is_declared():
    both = lmdata.atlas(lmdata.Localmax(), np.eye(3)), lmdata.atlas(lmdata.Localmax(), np.eye(3), steps=2)
    for ds in both:
        for name, variable in ds.variables.items():
            assert variable.dims == VARIABLES[name].dims
            assert variable.attrs["long_name"] == VARIABLES[name].long_name
            if name != "token":
                assert variable.dtype == VARIABLES[name].dtype


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": lmdata.Softmax()}, "only localmax has an atlas"),
        ({"model": lmdata.Localmax([0.1, 0.2])}, "give steps=T"),
        ({"model": lmdata.Localmax([0.0, 0.0]), "steps": 2}, "0 at every step"),
        ({"sensitivity": (-0.1, 1)}, r"sensitivity\[0\] is -0.1; it must be at least 0"),
        ({"sensitivity": (0.2, 0.1)}, "it must ascend"),
        ({"sensitivity": 0.1}, "must be a pair"),
        ({"sensitivity": (math.inf, math.inf)}, "must be finite"),
        ({"resolution": 1.0}, "whole axis would stay unresolved"),
        ({"resolution": 0.0}, "must be above 0"),
        ({"steps": -1}, "must not be negative"),
        ({"limits": 1}, "True or False"),
        ({"progress": True}, "function"),
        ({"store": 3}, "give its path"),
        ({"tokens": [[1e200]]}, "overflow"),
        ({"model": lmdata.Localmax(alignment=np.eye(3))}, "alignment"),
        ({"tokens": lmdata.tokens.uniform(2000, 2)}, "give fewer tokens or seeds"),
    ],
)
def test_refusals_name_argument_value_and_remedy(arguments, message):
    arguments = {"model": lmdata.Localmax(), "tokens": np.eye(2)} | arguments
    model, tokens = arguments.pop("model"), arguments.pop("tokens")
    with pytest.raises(InvalidInput, match=message):
        lmdata.atlas(model, tokens, **arguments)
