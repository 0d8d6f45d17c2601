"""Null models of who leads: what they keep, what they find, and that they find nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.classification import Corpus, leading_words
from lmdata.classification.encoding import encode
from lmdata.classification.kernel import Layers
from lmdata.classification.leading import NULLS, compared, null_embedding
from lmdata.errors import InvalidInput

HARDMAX = Layers(2, 0.5, False, 0.0)
NAMES = [f"w{number}" for number in range(60)]


def corpus_of(count=60, seed=0):
    drawn = np.random.default_rng(seed)
    weight = 1 / np.arange(1, 61)
    texts = [" ".join(drawn.choice(NAMES, 8, p=weight / weight.sum())) for _ in range(count)]
    return encode(Corpus(tuple(texts), (0, 1) * (count // 2)))


ENCODED = corpus_of()
FREQUENCY = np.bincount(ENCODED.occurrences)
SIZE = len(ENCODED.words)


def random(seed, components=3):
    return np.random.default_rng(seed).normal(size=(SIZE, components))


def test_null_models_keep_what_they_say():
    embedding = random(0)
    embedding[3] = 0.0
    length = np.linalg.norm(embedding, axis=1)
    band = np.floor(np.log2(FREQUENCY))
    for draw in range(5):
        made = {null: null_embedding(null, embedding, FREQUENCY, 1, draw) for null in NULLS}
        for null in ("directions", "shuffled"):
            np.testing.assert_allclose(np.linalg.norm(made[null], axis=1), length, rtol=1e-14)
        unit = embedding[length > 0] / length[length > 0, None]
        shuffled = np.delete(made["shuffled"], 3, axis=0) / np.delete(length, 3)[:, None]
        np.testing.assert_allclose(np.sort(shuffled @ unit.T, axis=1)[:, -1], 1, rtol=1e-14)
        for each in np.unique(band):
            ours, theirs = embedding[band == each], made["frequency"][band == each]
            assert sorted(ours.tolist()) == sorted(theirs.tolist())
        assert all((made[null] != embedding).any() for null in NULLS)
        assert all((null_embedding(null, embedding, FREQUENCY, 1, draw) == made[null]).all() for null in NULLS)


def test_to_rotate_all_together_changes_no_leader():
    """Scores change by rounding alone, and no two of random tokens tie."""
    embedding, chosen = random(2), np.arange(SIZE) < 10
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    one, other = (compared(ENCODED, vectors, chosen, HARDMAX, 1, 0) for vectors in (embedding, embedding @ rotation))
    np.testing.assert_array_equal(one.lead_rate, other.lead_rate)
    np.testing.assert_allclose(one.observed, other.observed, rtol=1e-12)


def test_who_leads_is_who_leads_in_a_simulation_of_each_text():
    embedding, chosen = random(4), np.arange(SIZE) < 12
    found = compared(ENCODED, embedding, chosen, HARDMAX, 1, 0)
    leader, decided = np.zeros(len(ENCODED.occurrences), bool), []
    for begin, end in zip(ENCODED.first[:-1], ENCODED.first[1:], strict=True):
        words = ENCODED.occurrences[begin:end]
        ds = lmdata.simulate(lmdata.Localmax(), embedding[words], steps=2)
        leader[begin:end] = lmdata.leaders(ds).values[0, -1]
        decided.append(lmdata.influence(ds).values[0, chosen[words]].sum())
    among = chosen[ENCODED.occurrences]
    expected = [leader[among].mean(), among[leader].mean(), np.mean(decided)]
    np.testing.assert_allclose(found.observed, expected, rtol=1e-12)
    np.testing.assert_allclose((found.lead_rate * found.frequency).sum(), leader.sum())


def test_texts_without_words_have_no_say():
    embedding, chosen = random(4), np.arange(SIZE) < 12
    more = ENCODED._replace(first=np.append(ENCODED.first, ENCODED.first[-1]), labels=np.append(ENCODED.labels, 0.0))
    one, other = (compared(encoded, embedding, chosen, HARDMAX, 1, 0) for encoded in (ENCODED, more))
    np.testing.assert_array_equal(one.observed, other.observed)


def test_nothing_is_found_where_there_is_nothing():
    """Of random vectors every null model is true: p is uniform, up to 40 draws each from its mean."""
    chosen = np.arange(SIZE) % 3 == 0
    found = np.array([compared(ENCODED, random(seed), chosen, HARDMAX, 19, seed).p_value for seed in range(40)])
    assert (abs(found.mean(axis=0) - 0.5) < 0.17).all()  # 0.046 of standard error, and steps of 0.1
    assert ((found <= 0.1).mean(axis=0) < 0.3).all()


def test_long_words_lead_by_their_length_and_words_apart_by_their_direction():
    chosen = np.arange(SIZE) % 4 == 1
    long = random(1) * np.where(chosen, 3.0, 1.0)[:, None]
    found = compared(ENCODED, long, chosen, HARDMAX, 99, 0).p_value
    assert found.sel(null="frequency", statistic="decided") <= 0.05
    assert found.sel(null=["directions", "shuffled"]).min() > 0.05
    flat = np.random.default_rng(1).normal(size=(SIZE, 4)) * [1, 1, 0, 0]
    apart = np.where(chosen[:, None], 0.3 * np.random.default_rng(2).normal(size=(SIZE, 4)) * [0, 0, 1, 1], flat)
    found = compared(ENCODED, apart, chosen, HARDMAX, 99, 0)
    assert found.p_value.sel(statistic="leading", null=["directions", "shuffled"]).max() <= 0.05
    assert (found.observed > found.drawn.sel(null="directions").mean("draw")).sel(statistic="leading")


def test_p_values_are_of_both_sides_and_never_zero():
    found = compared(ENCODED, random(5), np.arange(SIZE) < 9, HARDMAX, 9, 0)
    drawn, observed = found.drawn, found.observed
    nearer = np.minimum((drawn <= observed).sum("draw"), (drawn >= observed).sum("draw"))
    np.testing.assert_allclose(found.p_value, np.minimum(1, (1 + nearer) / 5))
    assert found.p_value.min() > 0


def test_draws_do_not_depend_on_threads(monkeypatch):
    chosen = np.arange(SIZE) < 9
    made = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        made.append(compared(ENCODED, random(6), chosen, HARDMAX, 5, 3))
    assert made[0].identical(made[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["a"], ["film"]), "corpus must be a Corpus"),
        ((None, "the film"), "one text; give a list"),
        ((None, ["nowhere"]), "0 are among those in question"),
        ((None, ["fine", "film", "dull"]), "3 are among"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, words):
    corpus, chosen = arguments
    with pytest.raises(InvalidInput, match=words):
        leading_words(corpus or Corpus(("fine film", "dull film"), (1, 0)), chosen, components=4, draws=3)
