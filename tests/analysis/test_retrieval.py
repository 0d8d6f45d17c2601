"""Retrieval: the measure against angles, linear theory against its matrix exponential, both against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import iv

import lmdata
from lmdata.analysis.retrieval import MODES, WIDTH, mode_weights, overlaps
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.errors import InvalidInput


def test_overlaps_are_sums_of_cosines_of_angles():
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, (2, 3, 5))
    frames = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    tokens = np.array([2, 0, 4, 1, 3])  # the last of the sequence stands third
    found = overlaps(frames, tokens, np.array([5, 0, 9]), width=0.4, modes=6)
    order = np.arange(1, 7)
    for place in np.ndindex(2, 3, 5):
        apart = angle[place[0], place[1], 2] - angle[place[0], 1, place[2]]
        expected = (np.exp(-((0.4 * order) ** 2) / 2) * np.cos(order * apart)).sum()
        assert found[place] == pytest.approx(expected, abs=1e-12)


def test_the_start_must_be_there():
    ds = lmdata.simulate(lmdata.PositionalAttention(), lmdata.tokens.sphere(4, 2), steps=4)
    with pytest.raises(InvalidInput, match="step 0"):
        lmdata.retrieval_profile(ds.isel(time=slice(1, None)))
    with pytest.raises(InvalidInput, match="place must be"):
        lmdata.retrieval_limit([0.0, 0.5], 1.0, 1.0, slope=1.0)


@pytest.mark.parametrize(
    ("beta", "slope", "averaged"), [(0.0, 0.0, False), (1.0, 1.0, False), (3.0, 0.2, False), (3.0, 0.2, True)]
)
def test_linear_theory_is_the_exponential_of_a_triangular_matrix(beta, slope, averaged):
    n, times = 7, [0.0, 0.3, 2.0]
    apart = np.subtract.outer(np.arange(n), np.arange(n))
    kernel = np.where(apart > 0, np.exp(-slope * (apart - 1.0)), 0.0)
    if averaged:
        kernel[1:] /= kernel[1:].sum(axis=1, keepdims=True)
    theory = lmdata.retrieval_theory(times, beta, tokens=n, slope=slope, averaged=averaged)
    for time, found in zip(times, theory, strict=True):
        modes = [expm(rate * time * kernel)[-1] for rate in uniform_growth(beta, MODES)]
        np.testing.assert_allclose(found, mode_weights(WIDTH, MODES) @ modes, rtol=1e-12, atol=1e-14)


def test_growth_rates_are_fourier_coefficients_of_the_field():
    angle = 2 * np.pi * np.arange(512) / 512
    for beta in (0.0, 0.5, 4.0):
        field = -np.sin(angle) * np.exp(beta * np.cos(angle))
        expected = [(1j * k * field * np.exp(1j * k * angle)).mean() for k in range(1, 9)]
        np.testing.assert_allclose(uniform_growth(beta, 8), np.real(expected), rtol=1e-11, atol=1e-14)
        assert np.abs(np.imag(expected)).max() < 1e-13


@pytest.mark.parametrize(("beta", "published"), [(0.1, 27.092952), (1.0, 2.457489), (2.0, 0.600716), (3.0, 0.174018)])
def test_the_critical_times_of_the_paper(beta, published):
    """lambda = 1, M = 8, modes to 20, in its time (a_k = k^2 I_k(beta)), beta times shorter than the model's."""
    turn = lmdata.retrieval_turn(beta, slope=1.0)
    assert round(turn / beta, 6) == published
    k = np.arange(1, 21)
    weights, rates = np.exp(-(np.pi**2) * k**2 / (2 * 8**2)), k**2 * iv(k, beta)
    formula = 2 * (1 - math.exp(-1)) * (weights @ rates) / (weights @ rates**2)
    assert turn / beta == pytest.approx(formula, rel=1e-13)


@pytest.mark.parametrize(("beta", "slope"), [(0.3, 0.5), (1.0, 1.0), (3.0, 2.0)])
def test_at_the_critical_time_the_two_nearest_are_held_alike(beta, slope):
    """Before it the profile falls with distance, after it the token but one is held better."""
    turn = lmdata.retrieval_turn(beta, slope=slope)
    before, at, after = lmdata.retrieval_theory([0.9 * turn, turn, 1.1 * turn], beta, tokens=6, slope=slope)
    assert at[-3] == pytest.approx(at[-2], rel=1e-12)
    assert before[-3] < before[-2]
    assert after[-3] > after[-2]


def test_unaveraged_linear_theory_counts_ways_by_binomial_coefficients():
    r"""At m positions from the last token: sum over r of binom(m-1, r-1) q^(m-r) (a t)^r / r!."""
    n, q, rates = 9, math.exp(-0.3), 1.5 * uniform_growth(2.0, MODES)
    found = lmdata.retrieval_theory([1.5], 2.0, tokens=n, slope=0.3)[0]
    for m in range(1, n):
        ways = [math.comb(m - 1, r - 1) * q ** (m - r) / math.factorial(r) * rates**r for r in range(1, m + 1)]
        assert found[n - 1 - m] == pytest.approx(mode_weights(WIDTH, MODES) @ np.sum(ways, axis=0), rel=1e-12)


@pytest.mark.parametrize("slope", [0.0, 1.0, 4.0])
def test_many_averaged_tokens_tend_to_the_profile_of_the_paper(slope):
    """n times what the last holds of place s n, as 1/n; the series of the paper in its own time beside it."""
    beta, time, places = 1.5, 1.2, np.array([0.1, 0.4, 0.8, 1.0])
    limit = lmdata.retrieval_limit(places, time, beta, slope=slope)
    errors = []
    for n in (50, 200):
        found = n * lmdata.retrieval_theory([time], beta, tokens=n + 1, slope=slope / n, averaged=True)[0]
        errors.append(np.abs(found[np.round(places * n).astype(int) - 1] / limit - 1).max())
    assert errors[1] < 0.3 * errors[0] < 0.06
    rates = np.arange(1, MODES + 1) ** 2 * iv(np.arange(1, MODES + 1), beta) * time / beta
    for place, expected in zip(places, limit, strict=True):
        y = -math.log(place) if slope == 0 else math.log(math.expm1(slope) / math.expm1(slope * place))
        series = sum(rates ** (r + 1) * y**r / (math.factorial(r) * math.factorial(r + 1)) for r in range(40))
        factor = 1.0 if slope == 0 else slope * math.exp(slope * place) / math.expm1(slope)
        assert expected == pytest.approx(factor * (mode_weights(WIDTH, MODES) @ series), rel=1e-12)


@pytest.mark.parametrize(("beta", "slope"), [(0.5, 1.0), (1.0, 1.0), (2.0, 4.0)])
def test_the_limit_is_a_u_before_the_critical_time_and_falls_at_the_last_place_after_it(beta, slope):
    """Primacy, recency and one minimum between, up to the time at which the slope at the end is zero."""
    turn, places = lmdata.retrieval_turn(beta, slope=slope), np.linspace(1e-4, 1.0, 4001)
    for factor in (0.3, 0.6, 0.9):
        rises = np.diff(lmdata.retrieval_limit(places, factor * turn, beta, slope=slope)) > 0
        assert not rises[0]
        assert rises[-1]
        assert np.count_nonzero(np.diff(rises.astype(int))) == 1
    falls = np.diff(lmdata.retrieval_limit(places, 1.02 * turn, beta, slope=slope)) < 0
    assert falls[-1]
    assert falls.all() == (slope == 1.0), "with a steep slope a hump is left"
    last = lmdata.retrieval_limit([1 - 1e-5, 1.0], turn, beta, slope=slope)
    assert abs(np.diff(last)[0]) < 1e-8 * last[1]


def test_in_linear_theory_the_first_tokens_win_and_the_own_start_stays():
    """A U: long after the critical time the profile falls from the first token to the last but one; its own is kept."""
    turn = lmdata.retrieval_turn(1.0, slope=1.0)
    late = lmdata.retrieval_theory([12 * turn], 1.0, tokens=12, slope=1.0)[0]
    assert (np.diff(late[:-1]) < 0).all()
    early = lmdata.retrieval_theory([0.02 * turn], 1.0, tokens=12, slope=1.0)[0]
    assert (np.diff(early) > 0).all()


def simulated(model, n, seeds, time):
    steps = round(time / model.step_size)
    ds = lmdata.simulate(model, lmdata.tokens.sphere(n, 2), steps=steps, record=[0, steps], seeds=range(seeds))
    profile = lmdata.retrieval_profile(ds).isel(time=1)
    return profile.mean("seed").values, profile.std("seed", ddof=1).values / np.sqrt(seeds)


def test_particles_hold_at_first_what_theory_says():
    """Of one token a position theory holds to first order in t: at t = 0.05 the rest is below the standard error."""
    model = lmdata.PositionalAttention(slope=1.0, step_size=0.05, estimate_error=False)
    mean, error = simulated(model, 6, 20_000, 0.05)
    expected = lmdata.retrieval_theory([0.05], 1.0, tokens=6, slope=1.0)[0]
    assert (np.abs(mean - expected)[:-1] < 3 * error[:-1]).all()
    assert mean[-2] > 5 * error[-2], "the nearest token is seen"


def test_rotation_turns_the_phase_of_what_is_held():
    r"""RoPE: at m positions :math:`a_k = e^{-ikc} (k^2 I_k / \beta \cos c + i k I_k' \sin c)`, c = omega m."""
    beta, omega = 1.0, 0.7
    k = np.arange(1, MODES + 1)
    prime = (iv(k - 1, beta) + iv(k + 1, beta)) / 2
    angle = 2 * np.pi * np.arange(512) / 512
    expected = []
    for m in range(1, 6):
        c = omega * m
        rate = np.exp(-1j * k * c) * (k**2 * iv(k, beta) / beta * np.cos(c) + 1j * k * prime * np.sin(c))
        field = -np.sin(angle) * np.exp(beta * np.cos(angle + c))
        np.testing.assert_allclose(rate, [(1j * j * field * np.exp(1j * j * angle)).mean() for j in k], atol=1e-12)
        expected.append(0.05 * (mode_weights(WIDTH, MODES) @ np.real(rate)))
    model = lmdata.PositionalAttention(rotation=omega, step_size=0.05, estimate_error=False)
    mean, error = simulated(model, 6, 20_000, 0.05)
    assert (np.abs(mean[:-1] - expected[::-1]) < 3 * error[:-1]).all()
    plain = 0.05 * (mode_weights(WIDTH, MODES) @ uniform_growth(beta, MODES))
    assert (np.abs(mean - plain) > 5 * error)[:-1].any(), "without rotation all are held alike"


def many_at_each_position(seeds, copies, positions, time, steps, modes):
    """Modes (seed, position, mode) at the start and at a time of positions that hold many tokens each, slope 1.

    Tokens are moved by the mean over the copies of each earlier position, whose modes tell all: O(n K), not O(n^2).
    """
    order = np.arange(1, modes + 1)
    harmonic = 2 * iv(order, 1.0) * order  # -d/dphi of e^cos(phi), mode by mode: sum of -2 k I_k sin(k phi)
    angle = np.random.default_rng(0).uniform(-np.pi, np.pi, (seeds, positions, copies))

    def spectrum(angle):
        return np.stack([np.exp(1j * k * angle).mean(axis=-1) for k in order], axis=-1)

    def velocity(angle):
        found, field = np.zeros_like(angle), np.zeros((seeds, modes), complex)
        for i, modes_of in enumerate(np.moveaxis(spectrum(angle), 1, 0)):
            for k in order:
                found[:, i] += harmonic[k - 1] * np.imag(np.exp(-1j * k * angle[:, i]) * field[:, None, k - 1])
            field = math.exp(-1.0) * field + modes_of
        return found

    first, size = spectrum(angle), time / steps
    for _ in range(steps):
        angle = angle + size * velocity(angle + size / 2 * velocity(angle))
    return first, spectrum(angle)


@pytest.mark.long
def test_many_tokens_at_each_position_follow_linear_theory_to_the_critical_time():
    """Their modes are coupled as theory says, within three standard errors and 1 % for what is left out."""
    turn, copies, seeds = lmdata.retrieval_turn(1.0, slope=1.0), 400, 500
    first, last = many_at_each_position(seeds, copies, 4, turn, 10, 5)
    products = copies * np.real(last[:, -1:] * first.conj()) @ mode_weights(WIDTH, 5)
    mean, error = products.mean(axis=0), products.std(axis=0, ddof=1) / np.sqrt(seeds)
    expected = lmdata.retrieval_theory([turn], 1.0, tokens=4, slope=1.0, modes=5)[0]
    assert (np.abs(mean - expected) < 3 * error + 0.01 * expected).all()
    assert (mean[:-1] > 5 * error[:-1]).all()
