"""Random directions of given lengths: the null model of claims on directions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import lmdata
from lmdata.dynamics import tokens
from lmdata.dynamics.tokens import source_from_specification
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics import random


def test_lengths_are_kept_to_a_rounding_and_directions_are_uniform():
    length = np.linspace(0.1, 5.0, 400)
    given = np.column_stack([length, np.zeros((400, 2))])
    drawn = tokens.random_directions(given).draw_batch(range(5))
    found = np.linalg.norm(drawn, axis=-1)  # itself off by three products, two sums and a root
    np.testing.assert_allclose(found, np.broadcast_to(length, (5, 400)), rtol=1e-15)
    height = (drawn / length[:, None]).reshape(-1, 3)
    for k in range(3):  # Archimedes: each coordinate of a uniform direction in space is uniform
        assert stats.kstest(height[:, k], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_directions_are_those_of_neither_tokens_nor_of_other_sources():
    given = tokens.sphere(50, 3)
    drawn = tokens.random_directions(given).draw(7)
    for other in (given.draw(7), tokens.sphere(50, 3).draw(7), tokens.random_directions(given).draw(8)):
        cosine = (drawn * other).sum(axis=1)
        assert abs(cosine.mean()) < 4 / np.sqrt(3 * 50)


def test_equal_tokens_share_a_direction_and_others_do_not():
    given = np.array([[3.0, 4.0], [1.0, 0.0], [3.0, 4.0], [4.0, 3.0], [0.0, 0.0], [-0.0, 0.0], [1.0, 0.0]])
    drawn = tokens.random_directions(given).draw(0)
    equal = (drawn[:, None] == drawn).all(axis=-1)
    assert np.array_equal(equal, (given[:, None] == given).all(axis=-1))
    alone = tokens.random_directions(given[:2]).draw(0)
    assert np.array_equal(drawn[:2], alone), "what stands behind does not matter"


def test_a_source_that_draws_is_measured_seed_by_seed():
    given = tokens.uniform(6, 2)
    drawn = tokens.random_directions(given).draw_batch([3, 9])
    for row, seed in enumerate((3, 9)):
        np.testing.assert_allclose(random.lengths(drawn[row]), random.lengths(given.draw(seed)), rtol=4e-16)
        assert np.array_equal(drawn[row], tokens.random_directions(given).draw(seed))


def test_the_source_stands_in_a_recipe_and_comes_back():
    null = tokens.random_directions(tokens.text("to be or not to be", dimension=8))
    assert source_from_specification(null.specification()) == null
    assert null.labels == ("to@1", "be@2", "or", "not", "to@5", "be@6")
    assert null.shape == (6, 8)
    assert null.rebuildable
    assert null.depends_on_seed


def test_a_run_of_them_is_stored_and_resumed(tmp_path):
    null = tokens.random_directions(tokens.uniform(5, 3))
    ds = lmdata.simulate(lmdata.Localmax(), null, steps=3, seeds=(0, 1), store=tmp_path / "run")
    assert lmdata.verify(tmp_path / "run", recompute=2).ok
    assert np.array_equal(ds.position.isel(time=0).values, null.draw_batch([0, 1]))


def test_lengths_of_given_tokens_cannot_be_built_again_and_say_what_to_do(tmp_path):
    null = tokens.random_directions([[1.0, 0.0], [0.0, 2.0]])
    assert not null.rebuildable
    with pytest.raises(InvalidInput, match=r"'random-directions' are not rebuildable.*lmdata\.tokens\.array"):
        lmdata.simulate(lmdata.Localmax(), null, steps=1, store=tmp_path / "run")


@pytest.mark.parametrize(
    ("specification", "kind", "message"),
    [
        ({}, InvalidInput, "lacks 'of'"),
        ({"of": {"kind": "uniform", "n": 2, "d": 2}, "from": 1}, UnknownName, "'from'"),
        ({"of": {"kind": "uniforn"}}, UnknownName, "did you mean 'uniform'"),
        ({"of": 3}, InvalidInput, "specification 3 has no 'kind'"),
    ],
)
def test_refusals(specification, kind, message):
    with pytest.raises(kind, match=message):
        source_from_specification({"kind": "random-directions", **specification})
