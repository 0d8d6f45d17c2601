"""Distance from consensus, effective directions, mean cosines, isotropy: closed forms, symmetries, published states."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.rank import directions, effective_dimensions, mean_cosines, residuals, statistics
from lmdata.analysis.spectrum import isotropies


def turned(random, d):
    return np.linalg.qr(random.normal(size=(d, d)))[0]


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_residual_is_that_of_fractions(tokens):
    whole = sum(Fraction(value) ** 2 for token in tokens for value in token)
    mean = [Fraction(sum(column), len(tokens)) for column in zip(*tokens, strict=True)]
    apart = sum((value - m) ** 2 for token in tokens for value, m in zip(token, mean, strict=True))
    found = residuals(np.array(tokens, float)).item()
    if whole == 0:
        assert math.isnan(found)
    else:
        assert found**2 == pytest.approx(float(apart / whole), abs=1e-15)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, math.pi / 2, 2.0, math.pi])
def test_two_tokens_have_the_singular_values_of_their_angle(angle):
    """sigma^2 = 1 +- cos, whatever their lengths."""
    tokens = np.array([[3.0, 0.0], [0.2 * math.cos(angle), 0.2 * math.sin(angle)]])
    shares = np.sqrt([2 * math.cos(angle / 2) ** 2, 2 * math.sin(angle / 2) ** 2])
    shares /= shares.sum()
    entropy = -sum(p * math.log(p) for p in shares if p > 0)
    assert effective_dimensions(tokens).item() == pytest.approx(math.exp(entropy), abs=1e-9)  # of sqrt(1 - cos) near 0
    assert mean_cosines(tokens).item() == pytest.approx(math.cos(angle), abs=1e-15)


@pytest.mark.parametrize(("k", "copies"), [(1, 4), (3, 1), (4, 5)])
def test_copies_of_an_orthogonal_frame_have_its_dimension(k, copies):
    random = np.random.default_rng(k)
    frame = turned(random, 6)[:k]
    tokens = np.repeat(frame, copies, axis=0) * random.uniform(0.1, 9, size=(k * copies, 1))
    assert effective_dimensions(tokens).item() == pytest.approx(k, abs=1e-12)
    pairs = k * copies * (k * copies - 1)
    assert mean_cosines(tokens).item() == pytest.approx(k * copies * (copies - 1) / pairs, abs=1e-14)


def test_the_mean_cosine_is_that_of_a_loop_over_pairs():
    tokens = np.random.default_rng(0).normal(size=(9, 4)) * 10.0 ** np.arange(-4, 5)[:, None]
    unit = [token / math.hypot(*token) for token in tokens]
    pairs = [math.fsum(a * b) for a, b in itertools.permutations(unit, 2)]
    assert mean_cosines(tokens).item() == pytest.approx(math.fsum(pairs) / len(pairs), abs=1e-15)


def test_symmetries():
    """Turned, permuted and scaled tokens have the same numbers; lengths matter to the residual alone."""
    random = np.random.default_rng(1)
    tokens = random.normal(size=(8, 5)) + 0.7
    expected = statistics(tokens)
    for other in (tokens @ turned(random, 5), tokens[random.permutation(8)], 3e-7 * tokens):
        np.testing.assert_allclose(statistics(other), expected, rtol=1e-13)
    for power in (-1000, 1000):  # their squares would leave float64
        np.testing.assert_array_equal(statistics(np.ldexp(tokens, power)), expected)
    longer = tokens * random.uniform(0.1, 9, size=(8, 1))
    np.testing.assert_allclose(statistics(longer)[1:], expected[1:], rtol=1e-13)
    assert abs(residuals(longer) - expected[0]) > 0.001


def test_tokens_at_the_origin_have_no_direction():
    tokens = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    assert directions(tokens)[1].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(mean_cosines(tokens), math.sqrt(0.5), rtol=1e-15)
    np.testing.assert_allclose(effective_dimensions(tokens), effective_dimensions(tokens[[0, 2]]), rtol=1e-14)
    assert np.isnan(statistics(np.zeros((3, 2)))).all()
    assert np.isnan(mean_cosines(np.ones((1, 2))))
    assert np.isnan(mean_cosines(np.array([[1.0, 0.0], [0.0, 0.0]])))


def test_consensus_has_no_residual_and_one_direction():
    np.testing.assert_allclose(statistics(np.tile([[0.3, -0.1, 2.0]], (5, 1))), [0.0, 1.0, 1.0], atol=1e-14)


def test_a_published_model_to_the_printed_digits(cases):
    case = cases("minilm")
    residual, dimension, cosine = statistics(case["hidden"])
    assert cosine.round(4).tolist() == [0.0766, 0.1308, 0.1535, 0.1979, 0.2363, 0.2733, 0.2756]
    assert dimension.round(1).tolist() == [57.3, 57.4, 59.1, 57.8, 55.6, 51.0, 52.9]
    assert residual.round(3).tolist() == [0.964, 0.928, 0.914, 0.892, 0.874, 0.881, 0.899]
    for found, name in ((residual, "residual"), (dimension, "effective_rank"), (cosine, "mean_cosine")):
        np.testing.assert_allclose(found, case[name], atol=3e-8)  # the states are stored in float32


def test_attention_alone_brings_tokens_together():
    """Under the mean of all, what is apart from it halves at every step, and it stays (F3 with influence 1)."""
    tokens = np.random.default_rng(2).normal(size=(6, 3)) + 1.0
    ds = lmdata.simulate(lmdata.Localmax(1e3, influence=1.0), tokens, steps=5)
    apart = ((tokens - tokens.mean(axis=0)) ** 2).sum()
    centre = len(tokens) * (tokens.mean(axis=0) ** 2).sum()
    expected = [math.sqrt(apart / 4**t / (apart / 4**t + centre)) for t in range(6)]
    np.testing.assert_allclose(lmdata.token_rank(ds).residual[0], expected, rtol=1e-13)


# --- isotropy ---


def iso_score(points):
    """IsoScore as its authors write it (arXiv 2108.07344, algorithm 1)."""
    d = points.shape[1]
    eigenvalues = np.linalg.eigvalsh(np.cov(points.T))
    normalised = math.sqrt(d) * eigenvalues / np.linalg.norm(eigenvalues)
    defect = np.linalg.norm(normalised - 1) / math.sqrt(2 * (d - math.sqrt(d)))
    used = (d - defect**2 * (d - math.sqrt(d))) ** 2 / d**2
    return (d * used - 1) / (d - 1)


@pytest.mark.parametrize(("n", "d"), [(40, 2), (9, 6), (4, 6)])
def test_isotropy_is_iso_score(n, d):
    random = np.random.default_rng(d)
    points = random.normal(size=(n, d)) * 2.0 ** np.arange(d) + 3.0
    assert isotropies(points).item() == pytest.approx(iso_score(points), abs=1e-12)
    np.testing.assert_allclose(isotropies(5e-9 * points @ turned(random, d)), isotropies(points), rtol=1e-9)


def test_isotropy_of_frames_lines_and_consensus():
    frame = np.vstack([np.eye(4), -np.eye(4)]) + 2.0
    assert isotropies(frame).item() == pytest.approx(1.0, abs=1e-14)
    assert isotropies(np.outer(np.arange(5.0), [1.0, 2.0, 0.0])).item() == pytest.approx(0.0, abs=1e-14)
    assert np.isnan(isotropies(np.ones((3, 4))))
    assert np.isnan(isotropies(np.arange(3.0)[:, None]))
