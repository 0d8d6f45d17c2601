"""Token sources: their bits, their distributions, their specifications, and what arrays become."""

import hashlib
import json

import numpy as np
import pytest
import xarray as xr
from scipy import special, stats

from lmdata.dynamics import tokens
from lmdata.dynamics.tokens import TokenSource, as_source, source_from_specification
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics import random

SOURCES = [
    tokens.uniform(6, 2),
    tokens.uniform(5, 3, 0.5, 2.0),
    tokens.normal(6, 2),
    tokens.ball(6, 3),
    tokens.sphere(6, 4),
    tokens.text("to be or not to be"),
    tokens.text("the film", dimension=8),
    tokens.configuration("square"),
    tokens.equiangular(4, 0.3),
    tokens.spaced(7, -1.0, 3.0),
    tokens.density(8, [0.5, 0.1], surface="sphere"),
    tokens.random_directions(tokens.text("to be or not to be", dimension=8)),
]
PINNED = [
    (tokens.uniform(100, 3), 0, "52fa5bc9e86005138074b1d7ead35223"),
    (tokens.uniform(100, 3), 9223372036854775807, "23d931ba803e49239985cc6b2bbd3487"),
    (tokens.uniform(7, 2, 0.1, 0.7), 5, "f4c0b33cbf9d17d3c9481a8e5c418e91"),
    (tokens.normal(1000, 3), 0, "b74566a9dea671694e661b35e8d5cda0"),
    (tokens.normal(10, 1), 12345, "f4ed2e422c66a6f17c016ed0c1b16e60"),
    (tokens.ball(100, 2), 1, "11773a653ea6e3df252c32521000867a"),
    (tokens.sphere(100, 5), 1, "1c699452a2cbeb4a57d2c53b0773b24c"),
    (tokens.equiangular(32, 0.3), 0, "045342784e9bcc3187ed1ca9098d9e7a"),
    (tokens.random_directions(tokens.uniform(100, 3)), 5, "6a586dea7aa244dff777da46896f4355"),
]
N = 20_000


def sha256(values):
    return hashlib.sha256(np.ascontiguousarray(values).astype("<f8").tobytes()).hexdigest()


# --- random sources ---


@pytest.mark.parametrize(("source", "seed", "digest"), PINNED)
def test_draws_have_the_same_bits_for_ever(source, seed, digest):
    assert sha256(source.draw(seed))[:32] == digest


def test_seeds_have_streams_of_their_own():
    seeds = [*range(1000), 2**32, 2**32 + 1, 2**63 - 1]
    assert len({int(word) for word in random.raw_words(seeds, 1)[:, 0]}) == len(seeds)


@pytest.mark.parametrize("make", [tokens.uniform, tokens.normal, tokens.sphere, tokens.ball])
def test_more_tokens_begin_with_the_same_ones(make):
    assert np.array_equal(make(9, 3).draw(4)[:5], make(5, 3).draw(4))


def test_uniform_is_uniform():
    values = tokens.uniform(N, 2, -3.0, 5.0).draw(0)
    assert values.min() >= -3.0
    assert values.max() < 5.0
    assert stats.kstest(values.ravel(), stats.uniform(-3, 8).cdf).pvalue > 0.01
    assert abs(np.corrcoef(values.T)[0, 1]) < 4 / np.sqrt(N)


def test_normal_is_normal():
    values = tokens.normal(N, 2).draw(0)
    assert stats.kstest(values.ravel(), stats.norm.cdf).pvalue > 0.01
    assert stats.anderson(values[:, 0], method="interpolate").pvalue > 0.01
    assert abs(np.corrcoef(values.T)[0, 1]) < 4 / np.sqrt(N)


def test_normal_quantile_is_accurate_into_the_tails():
    tail = np.logspace(np.log10(2.0**-53), -0.31, 3000)
    probability = np.concatenate([tail, 1 - tail, np.linspace(0.01, 0.49, 500)])
    expected = special.ndtri(probability)
    np.testing.assert_allclose(random.normal_quantile(probability), expected, rtol=2e-15)
    halves = (np.arange(2**10) + 0.5) / 2**10  # 1 - p is exact
    assert np.array_equal(random.normal_quantile(1 - halves), -random.normal_quantile(halves))


def test_sphere_is_uniform_on_the_sphere():
    points = tokens.sphere(N, 3).draw(0)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, rtol=4e-16)
    for k in range(3):  # Archimedes: every coordinate is uniform
        assert stats.kstest(points[:, k], stats.uniform(-1, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_ball_is_uniform_in_the_ball(d):
    radius = np.linalg.norm(tokens.ball(N, d).draw(0), axis=1)
    assert radius.max() < 1.0
    assert stats.kstest(radius**d, stats.uniform.cdf).pvalue > 0.01


# --- all sources ---


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_a_source_says_what_it_draws(source):
    drawn = source.draw(3)
    assert isinstance(source, TokenSource)
    assert drawn.dtype == np.float64
    assert drawn.shape == source.shape
    assert np.isfinite(drawn).all()
    assert source.labels is None or len(set(source.labels)) == len(drawn)
    assert np.array_equal(drawn, source.draw(4)) != source.depends_on_seed
    assert source.rebuildable


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_specification_survives_json_exactly(source):
    again = source_from_specification(json.loads(json.dumps(source.specification())))
    assert again == source
    assert np.array_equal(again.draw(1), source.draw(1))
    assert as_source(source) is source


@pytest.mark.parametrize(
    ("specification", "error", "message"),
    [
        ({"kind": "unifrom", "n": 1, "d": 1}, UnknownName, "no token source named 'unifrom'; did you mean 'uniform'"),
        ({"kind": "uniform", "n": 4}, InvalidInput, "token source 'uniform' lacks 'd'; it needs n, d"),
        (
            {"kind": "uniform", "n": 4, "d": 2, "hi": 1},
            UnknownName,
            "of token source 'uniform' named 'hi'",
        ),
        ({"kind": "text"}, InvalidInput, "token source 'text' lacks 'text'"),
        ({"kind": "text", "text": "a", "embedding": "glove"}, InvalidInput, "this lmdata has 'wordllama/l2_supercat"),
        ({"kind": "configuration", "name": "sqare"}, UnknownName, "did you mean 'square'"),
        ({"kind": "array", "shape": [1, 1], "sha256": "0"}, InvalidInput, "hash alone; give their values too"),
        ({"n": 4}, InvalidInput, "has no 'kind'"),
        ([[1.0]], InvalidInput, "has no 'kind'"),
    ],
)
def test_specifications_that_are_none(specification, error, message):
    with pytest.raises(error, match=message):
        source_from_specification(specification)


# --- arrays ---


def test_one_start_for_all_seeds():
    source = as_source([[1, 2], [3, 4], [5, 6]], seeds=(7, 8))
    assert (source.shape, source.depends_on_seed, source.rebuildable) == ((3, 2), False, False)
    assert np.array_equal(source.draw(7), source.draw(99))
    assert source.specification() == {"kind": "array", "shape": [3, 2], "sha256": sha256(source.values)}


def test_one_start_for_each_seed():
    values = np.arange(12.0).reshape(2, 3, 2)
    source = as_source(values, seeds=(7, 8))
    assert (source.shape, source.depends_on_seed) == ((3, 2), True)
    assert np.array_equal(source.draw(8), values[1])
    assert source.specification()["seeds"] == [7, 8]
    assert as_source(values).seeds == (0, 1)


def test_arrays_are_copies_that_cannot_be_written():
    values = np.ones((2, 2))
    source = tokens.array(values)
    values[0, 0] = 5.0
    assert source.draw(0)[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        source.draw(0)[0, 0] = 2.0


def test_arrays_are_equal_by_their_values():
    assert tokens.array([[1, 0]]) == tokens.array(np.array([[1.0, -0.0]], order="F"))
    assert tokens.array([[1, 0]]) != tokens.array([[1, 2]])
    assert tokens.array([[1, 0]], labels=["a"]) != tokens.array([[1, 0]])


@pytest.mark.parametrize("values", [np.eye(3), np.arange(12.0).reshape(2, 3, 2)], ids=["shared", "by seed"])
def test_arrays_come_back_from_their_specification_and_their_values(values):
    source = tokens.array(values, labels=["x", "y", "z"])
    described = json.loads(json.dumps(source.specification()))
    assert source_from_specification(described, values=values) == source
    with pytest.raises(InvalidInput, match="they are not the same tokens"):
        source_from_specification(described, values=values + 1)
    assert source_from_specification({"kind": "array", "values": values.tolist(), "labels": ["x", "y", "z"]}) == source


def test_dataarrays_are_taken_by_name():
    values = np.arange(12.0).reshape(2, 3, 2)
    coords = {"seed": [5, 9], "token": ["a", "b", "c"]}
    named = xr.DataArray(values, dims=("seed", "token", "component"), coords=coords)
    source = as_source(named.transpose("component", "token", "seed"), seeds=(5, 9))
    assert np.array_equal(source.values, values)
    assert (source.labels, source.seeds) == (("a", "b", "c"), (5, 9))
    assert as_source(named.drop_vars("seed"), seeds=(1, 2)).seeds == (1, 2)
    assert as_source(named.isel(seed=0).assign_coords(token=[3, 4, 5])).labels is None
    with pytest.raises(InvalidInput, match=r"dimensions \('token', 'x'\).* rename them, or give the bare array"):
        as_source(xr.DataArray(np.eye(2), dims=("token", "x")))
