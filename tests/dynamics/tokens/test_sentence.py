"""Texts as tokens: words, labels, and the embedding that is read from the installed package."""

import hashlib
import importlib.util

import numpy as np
import pytest

from lmdata.dynamics import tokens
from lmdata.dynamics.tokens import sentence as text_module
from lmdata.errors import BackendUnavailable, InvalidInput

SENTENCE = "The film's acting wasn’t brilliant: the plot, the sets - all second-rate."


def test_words_are_labels_and_repeated_ones_have_their_place():
    expected = "The film's acting wasn’t brilliant the@6 plot the@8 sets all second-rate"
    assert tokens.text(SENTENCE).labels == tuple(expected.split())
    assert tokens.text("a b a").labels == ("a@1", "b", "a@3")


def test_repeated_words_are_equal_tokens():
    drawn = tokens.text("to be or not to be").draw(0)
    assert drawn.shape == (6, 256)
    assert np.array_equal(drawn[0], drawn[4])
    assert np.array_equal(drawn[1], drawn[5])
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("dimension", [1, 64, 256])
def test_the_longest_token_has_length_one(dimension):
    source = tokens.text(SENTENCE, dimension=dimension)
    assert source.shape == (11, dimension)
    np.testing.assert_allclose(np.linalg.norm(source.draw(0), axis=1).max(), 1.0, rtol=1e-15)


def test_fewer_components_are_the_first_ones():
    whole, part = tokens.text(SENTENCE).draw(0), tokens.text(SENTENCE, dimension=32).draw(0)
    ratio = part / whole[:, :32]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-13)


def test_a_word_is_the_mean_of_its_pieces():
    pieces, embedding = text_module._embedding()
    word = "antidisestablishmentarianism"
    assert len(pieces(word)) > 2
    mean = embedding[pieces(word)].astype(np.float64).mean(axis=0)
    drawn = tokens.text(word).draw(0)[0]
    np.testing.assert_allclose(drawn, mean / np.linalg.norm(mean), rtol=1e-12, atol=1e-15)


def test_meaning_is_in_the_embedding():
    drawn = tokens.text("film movie potato").draw(0)
    unit = drawn / np.linalg.norm(drawn, axis=1)[:, None]
    assert unit[0] @ unit[1] > unit[0] @ unit[2]


def test_draws_have_the_same_bits_for_ever():
    drawn = tokens.text("The film's acting was not brilliant", dimension=16).draw(0)
    assert hashlib.sha256(drawn.astype("<f8").tobytes()).hexdigest()[:32] == "965352827d25fbdd4ee6bf29f3126947"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tokens.text(""), "text is ''; it must be a string with at least one word"),
        (lambda: tokens.text(" -- ..."), "at least one word"),
        (lambda: tokens.text(["a", "b"]), "must be a string"),
        (lambda: tokens.text("a", dimension=0), "dimension is 0; it must be at least 1"),
        (lambda: tokens.text("a", dimension=512), "dimension is 512; the embedding has 256 components"),
    ],
)
def test_texts_that_are_none(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize("package", ["wordllama", "safetensors", "tokenizers"])
def test_absent_packages_are_named_with_the_extra(monkeypatch, package):
    find = importlib.util.find_spec
    monkeypatch.setattr("lmdata.errors.find_spec", lambda name: None if name == package else find(name))
    source = tokens.text("described without the packages")
    assert source.shape == (4, 256)
    with pytest.raises(BackendUnavailable, match=rf"needs the package {package}.* pip install 'lmdata\[text\]'"):
        source.draw(0)
