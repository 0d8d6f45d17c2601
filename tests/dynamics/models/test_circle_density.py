"""A density on the circle keeps its mass by every scheme, falls in energy, and is refused where float64 ends."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.dynamics.models import CircleDensityFlow, Noisy
from lmdata.dynamics.models.density import MASS
from lmdata.errors import AccuracyWarning, InvalidInput

SCHEMES = [
    *(("wasserstein", scheme) for scheme in ("euler", "rk4", "adaptive")),
    *(("fisher-rao", scheme) for scheme in ("euler", "rk4", "exponentiated", "adaptive")),
]


def masses(seed=0, cells=6):
    drawn = np.random.default_rng(seed).random((cells, 1))
    return drawn / drawn.sum()


def run(metric, scheme, direction, steps, **others):
    model = CircleDensityFlow(
        metric=metric, scheme=scheme, direction=direction, estimate_error=False, **{"step_size": 0.05} | others
    )
    record = sorted({*range(0, steps + 1, max(1, steps // 100)), steps})
    return CircleDensityFlow.advance([model], masses()[None], start=0, record=record, seeds=[0]).position[0, :, :, 0]


def check_mass(metric, scheme, direction, steps):
    path = run(metric, scheme, direction, steps)
    assert np.abs(path.sum(axis=1) - 1).max() <= 1e-12
    assert path.min() >= -1e-9


@pytest.mark.parametrize("direction", ["descent", "ascent"])
@pytest.mark.parametrize(("metric", "scheme"), SCHEMES)
def test_mass_is_kept(metric, scheme, direction):
    check_mass(metric, scheme, direction, 40 if scheme == "adaptive" else 1000)


@pytest.mark.long
@pytest.mark.parametrize("direction", ["descent", "ascent"])
@pytest.mark.parametrize(("metric", "scheme"), SCHEMES)
def test_mass_is_kept_over_ten_thousand_steps(metric, scheme, direction):
    check_mass(metric, scheme, direction, 10_000)


def test_descent_of_fisher_and_rao_ends_where_the_exponentiated_one_does():
    """The total is an unstable equilibrium of the equation as written; at t = 40 it had lost nine tenths of it."""
    ends = [run("fisher-rao", scheme, "descent", 800)[-1] for scheme in ("rk4", "exponentiated")]
    np.testing.assert_allclose(ends[0], ends[1], rtol=2e-2)
    finer = [run("fisher-rao", s, "descent", 3200, step_size=0.0125)[-1] for s in ("rk4", "exponentiated")]
    np.testing.assert_allclose(finer[0], finer[1], rtol=5e-3)


def test_a_mass_that_leaves_its_bound_is_warned_of(monkeypatch):
    """Without the division by the sum the descent loses its mass, and says so.

    What a rounding is off grows to 1 by time 30, and to some 1e-6 by time 20: whatever the roundings are.
    """
    monkeypatch.setattr("lmdata.dynamics.models.geometry.Simplex.tangent", lambda self, points, velocity: velocity)
    monkeypatch.setattr("lmdata.dynamics.models.geometry.Simplex.retract", lambda self, points: points)
    with pytest.warns(AccuracyWarning, match=r"the total mass is not one by more than 1e-12 .* lower step_size, 0\.05"):
        path = run("fisher-rao", "rk4", "descent", 400)
    assert 1e-9 < abs(path[-1].sum() - 1) < 1e-2


@pytest.mark.filterwarnings("ignore:step_size is")
def test_negative_masses_and_a_rising_energy_are_warned_of():
    with pytest.warns(AccuracyWarning) as told:
        run("wasserstein", "euler", "descent", 3, step_size=0.5, inverse_temperature=5.0)
    said = " ".join(str(warning.message) for warning in told)
    assert "masses are negative by more than 1e-09 in a run of circle-density" in said
    assert "the energy goes the wrong way" in said


@pytest.mark.filterwarnings("ignore:the energy goes the wrong way")
def test_exponents_of_the_exponentiated_scheme_are_shifted():
    """They reach 1e-3 e^20 / 20, beyond float64 before they are normalised; the masses are numbers all the same."""
    model = CircleDensityFlow(
        metric="fisher-rao", scheme="exponentiated", inverse_temperature=20.0, step_size=1e-3, estimate_error=False
    )
    path = CircleDensityFlow.advance([model], masses()[None], start=0, record=[0, 1, 5], seeds=[0]).position[0]
    assert np.isfinite(path).all()
    np.testing.assert_allclose(path.sum(axis=(1, 2)), 1, rtol=0, atol=1e-12)


def test_the_mass_at_the_start_is_one_to_nine_digits():
    model, even = CircleDensityFlow(), np.full((4, 1), 0.25)
    model.check(even * (1 + 0.9e-9), 1)
    with pytest.raises(InvalidInput, match=r"the sum 1\.000000002"):
        model.check(even * (1 + 2e-9), 1)
    rounded = CircleDensityFlow.advance([model], even[None] * (1 + 0.9e-9), start=0, record=[1], seeds=[0])
    assert abs(rounded.position.sum() - 1) <= MASS


def test_what_float64_does_not_hold_is_refused():
    for metric in ("wasserstein", "fisher-rao"):
        with pytest.raises(InvalidInput, match=r"exp\(701\), beyond float64"):
            CircleDensityFlow(metric=metric, inverse_temperature=701.0)
        with pytest.raises(InvalidInput, match=r"scores reach 2: .* exp\(800\)"):
            CircleDensityFlow(metric=metric, inverse_temperature=400.0, alignment=[[2, 0], [0, 1]])
    with pytest.raises(InvalidInput, match="exp"):
        CircleDensityFlow().with_parameter("inverse_temperature", 800.0)


def test_noise_on_masses_is_refused():
    with pytest.raises(InvalidInput, match=r"tokens are masses; noise would make them negative: .* SphereGradientFlow"):
        Noisy(model=CircleDensityFlow())
