"""Rescaled time and the merging of clusters: the flow itself, three clusters of separate times, and limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lmdata
from lmdata.analysis.rescaled_time import closest_apart, merging_time, passed
from lmdata.errors import InvalidInput


def circle(angle):
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


@pytest.mark.parametrize(("normalised", "sizes"), [(True, (1, 1)), (True, (3, 1)), (False, (2, 1))])
def test_two_clusters_merge_when_they_are_to(normalised, sizes):
    """At every frame what has passed and what is left, by the cosine there, add up, in either time."""
    beta, step = 6.0, 0.02 if normalised else 2e-4
    flow = lmdata.SphereAttention(inverse_temperature=beta, normalised=normalised, step_size=step, estimate_error=False)
    ds = lmdata.simulate(flow, circle(np.repeat([0.0, 1.1], sizes)), steps=250)
    found = lmdata.rescaled_time(ds, normalised=normalised).isel(seed=0)
    apart = found.closest_cosine.notnull().values
    assert 40 < apart.sum() < 250, "they merge within the record"
    cosine = found.closest_cosine.values[apart]
    options = {"shares": np.array(sizes) / sum(sizes), "normalised": normalised}
    for own, rescaled in ((ds.time.values, False), (found.rescaled_time.values, True)):
        left = np.array([merging_time(c, beta, rescaled=rescaled, **options) for c in cosine])
        np.testing.assert_allclose(own[apart] + left, left[0], rtol=2e-4)
        assert left[-1] < 0.05 * left[0]


def test_three_clusters_merge_one_by_one():
    """Separated by e^10 in time, and by a factor of three in rescaled time: stiff integration of the angles."""
    beta, angle = 16.0, np.array([0.0, 0.8, 2.0])

    def velocity(_, at):
        apart = at[:, None] - at
        weights = np.exp(beta * (np.cos(apart) - 1.0))
        return -(weights / weights.sum(axis=1, keepdims=True) * np.sin(apart)).sum(axis=1)

    first = merging_time(np.cos(0.8), beta)
    second = merging_time(np.cos(1.6), beta, shares=(2 / 3, 1 / 3))
    found = solve_ivp(velocity, (0.0, 1.5 * second), angle, method="LSODA", rtol=1e-9, atol=1e-12)
    time, frames = found.t, circle(found.y.T)  # at the solver's own steps, which are short where clusters meet
    cosine, rescaled = passed(frames, time, beta, 1 - np.log(beta) / beta, normalised=True)
    jump = int(np.argmin(np.diff(cosine[np.isfinite(cosine)])))
    end = int(np.isfinite(cosine).sum()) - 1
    assert time[jump] == pytest.approx(first, rel=0.02)
    assert time[end] == pytest.approx(first + second, rel=0.02)
    assert second / first > 1e4
    parts = [
        merging_time(np.cos(0.8), beta, rescaled=True),
        merging_time(np.cos(1.6), beta, shares=(2, 1), rescaled=True),
    ]
    assert rescaled[jump] == pytest.approx(parts[0], rel=0.02)
    assert rescaled[-1] == pytest.approx(sum(parts), rel=0.02), "and stands still when one is left"
    assert parts[1] / parts[0] < 3.1


def test_waits_in_rescaled_time_do_not_depend_on_the_temperature():
    """SA tends to the difference of artanh over q/p + p/q, own time to its asymptotic; USA is exact."""
    share, cosine, reach = (0.7, 0.2), 0.3, 0.2
    passed_by = np.arctanh(1 - reach**2 / 2) - np.arctanh(cosine)
    limit = passed_by / (0.2 / 0.7 + 0.7 / 0.2)
    errors = [
        abs(merging_time(cosine, beta, shares=share, reach=reach, rescaled=True) / limit - 1) for beta in (300, 600)
    ]
    assert errors[1] < errors[0] < 0.01
    beta = 600.0
    own = np.exp(beta * (1 - cosine)) / (beta * (1 - cosine**2) * (0.2 / 0.7 + 0.7 / 0.2))
    assert merging_time(cosine, beta, shares=share, reach=reach) == pytest.approx(own, rel=0.01)
    for beta in (0.0, 2.0, 50.0):
        usa = merging_time(cosine, beta, shares=share, reach=reach, normalised=False, rescaled=True)
        assert usa == pytest.approx(passed_by / 0.9, rel=1e-13)


def test_pairs_that_have_merged_and_tokens_without_a_direction_do_not_count():
    state = np.array([[1.0, 0.0], [2.0, 1e-3], [0.0, 0.0], [0.0, 3.0]])
    assert closest_apart(state, 0.99).item() == pytest.approx(5e-4, rel=1e-6)
    assert np.isnan(closest_apart(state, -0.5).item())
    assert np.isnan(closest_apart(lmdata.tokens.sphere(50, 3).draw(0)[:, None], 1.0)).all(), "nor oneself"
    frames = np.stack([state[:2]] * 3)
    cosine, rescaled = passed(frames, np.arange(3.0), 4.0, 0.99, normalised=True)
    assert np.isnan(cosine).all()
    assert rescaled.tolist() == [0.0, 0.0, 0.0]


def test_each_member_has_its_own_temperature():
    flow = lmdata.SphereAttention(estimate_error=False)
    sweep = {"inverse_temperature": [2.0, 9.0]}
    ds = lmdata.simulate(flow, lmdata.tokens.sphere(4, 3), steps=8, seeds=range(2), sweep=sweep)
    found = lmdata.rescaled_time(ds)
    for beta in sweep["inverse_temperature"]:
        alone = lmdata.rescaled_time(ds.sel(inverse_temperature=[beta]), beta)
        for name in ("closest_cosine", "rescaled_time"):
            np.testing.assert_array_equal(found[name].sel(inverse_temperature=[beta]), alone[name])


def test_what_is_not_allowed_is_named():
    ds = lmdata.simulate(lmdata.Localmax(), np.eye(2), steps=1)
    for words, ask in (
        ("'localmax' has none of its own", lambda: lmdata.rescaled_time(ds)),
        ("inverse_temperature is 1, and reach", lambda: lmdata.rescaled_time(ds, 1.0)),
        ("reach is 2", lambda: lmdata.rescaled_time(ds, 4.0, reach=2)),
        ("cosine is -1.0", lambda: merging_time(-1.0, 4.0)),
        ("shares is", lambda: merging_time(0.0, 4.0, shares=(1.0, 0.0))),
    ):
        with pytest.raises(InvalidInput, match=words):
            ask()
    assert merging_time(0.999, 4.0) == 0.0
