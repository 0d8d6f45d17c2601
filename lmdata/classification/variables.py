"""The variables of a trained classifier, declared once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmdata.data.registry import Variable, Variables


def _of_classifiers() -> Iterator[Variable]:
    member = ("*", "seed")
    epoch, word = (*member, "epoch"), (*member, "word")
    occurrence = (*member, "occurrence")

    yield Variable("seed", ("seed",), "int64", "seed of split, start and order of the texts", None, "coordinate")
    yield Variable("epoch", ("epoch",), "int64", "passes through the texts for training", "1", "coordinate")
    yield Variable("word", ("word",), "str", "word, in lower case", None, "coordinate")
    yield Variable("component", ("component",), "int64", "component of an embedding", None, "coordinate")

    yield Variable("label", ("review",), "int64", "1 of a positive text, 0 of a negative one", None, "data")
    yield Variable("word_count", ("review",), "int64", "words of the text that are in the vocabulary", "1", "data")
    yield Variable("word_number", ("occurrence",), "int64", "number of the word, text after text", None, "data")
    yield Variable("held_out", ("seed", "review"), "bool", "the text is for testing alone", None, "data")
    yield Variable("known", ("seed", "word"), "bool", "the word is frequent enough in the training texts", None, "data")

    yield Variable("loss", epoch, "float64", "mean logistic loss over the texts for training", "1", "data")
    yield Variable("accuracy", epoch, "float64", "share of the texts for training that are told right", "1", "data")
    yield Variable("test_loss", epoch, "float64", "mean logistic loss over the texts held out", "1", "data")
    yield Variable("test_accuracy", epoch, "float64", "share of the texts held out that are told right", "1", "data")
    yield Variable("embedding", (*word, "component"), "float64", "trained embedding of the word", "1", "data")
    yield Variable("decoder", (*member, "component"), "float64", "normal w of the trained hyperplane", "1", "data")
    yield Variable("bias", member, "float64", "offset b of the trained hyperplane", "1", "data")
    yield Variable("logit", (*member, "review"), "float64", "logit of the text; positive above zero", "1", "data")
    yield Variable("share", occurrence, "float64", "share of the embedding in the mean of the last state", "1", "data")
    yield Variable("leader", occurrence, "bool", "the word leads in the last state", None, "data")


VARIABLES = Variables()
"""The variables of a trained classifier."""

VARIABLES.declare("lmdata.classification", *_of_classifiers())


def attributes(name: str) -> dict[str, Any]:
    """Return the CF attributes of a variable of a trained classifier.

    Examples
    --------
    >>> attributes("logit")["long_name"]
    'logit of the text; positive above zero'
    """
    return VARIABLES[name].attributes()
