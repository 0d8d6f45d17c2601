"""Labelled sentences as token-selection problems: which word attention learns to look at."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import numpy as np

from lmdata.errors import UnknownName
from lmdata.numerics.checks import as_count
from lmdata.selection.problem import Problem
from lmdata.selection.source import PlainSource, register

TOPICS = ("film", "food", "service")


@register
@dataclass(frozen=True)
class Sentences(PlainSource):
    """See :func:`sentences`."""

    kind: ClassVar[str] = "sentences"
    depends_on_seed: ClassVar[bool] = False

    topic: str = "all"
    features: int = 64

    def __post_init__(self) -> None:
        if self.topic not in (*TOPICS, "all"):
            raise UnknownName.among("topic", str(self.topic), (*TOPICS, "all"))
        object.__setattr__(self, "features", as_count(self.features, "features"))

    def draw(self, seed: int) -> Problem:
        """Return the problem, whatever the seed; needs the ``text`` extra."""
        from lmdata.dynamics.tokens.sentence import TextTokens

        labels, texts = zip(*shipped(self.topic), strict=True)
        words = [TextTokens(text).words for text in texts]
        vectors = TextTokens(" ".join(texts), self.features).draw(0)
        lengths = np.array([len(sample) for sample in words])
        tokens = np.zeros((len(texts), lengths.max(), self.features))
        for i, sample in enumerate(np.split(vectors, np.cumsum(lengths)[:-1])):
            tokens[i, : lengths[i]] = sample
        return Problem(tokens, np.array(labels), lengths=lengths, words=tuple(words))


def sentences(topic: str = "all", *, features: int = 64) -> Sentences:
    """Return the problem of short labelled sentences that ships with lmdata.

    Each sentence is a sample, its words are tokens, embedded by the pretrained static embedding of the text source;
    the label says whether the sentence praises or blames. The value vector is zero: train it jointly.

    Parameters
    ----------
    topic : {"all", "film", "food", "service"}
        Which sentences; all are 40.
    features
        Leading components of the embedding to keep (it is trained so that these carry the most).

    Returns
    -------
    Sentences
        Draws one problem, whatever the seed, whose words label the tokens.

    Examples
    --------
    >>> sentences("food", features=16).specification()
    {'kind': 'sentences', 'topic': 'food', 'features': 16}
    """
    return Sentences(topic, features)


def shipped(topic: str = "all") -> list[tuple[int, str]]:
    """Return the shipped sentences of a topic as (label, text).

    Examples
    --------
    >>> len(shipped()), shipped("food")[0]
    (40, (1, 'the soup was rich and delicious'))
    """
    import yaml

    by_topic = yaml.safe_load(files("lmdata.selection").joinpath("sentences.yaml").read_text(encoding="utf-8"))
    topics = TOPICS if topic == "all" else (topic,)
    return [(int(label), str(sentence)) for name in topics for label, sentence in by_topic[name]]
