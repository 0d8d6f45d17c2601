"""Texts as numbers of words, and where the embedding of words starts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.classification.corpus import Corpus
from lmdata.classification.kernel import Texts
from lmdata.dynamics.tokens.sentence import TextTokens, words_of
from lmdata.errors import InvalidInput
from lmdata.numerics import random
from lmdata.wording import counted

_EMBEDDING, _DECODER = (7, 1), (7, 2)
"""Of a seed's streams, those of the starts of embedding and decoder."""


class Encoded(NamedTuple):
    """A corpus as numbers: its vocabulary, and its texts one after the other."""

    words: tuple[str, ...]
    """Lower case, the most frequent first, equally frequent ones in the order of the alphabet."""
    occurrences: NDArray[np.int64]
    """Number of each word, in the order of the texts."""
    first: NDArray[np.int64]
    """Where each text begins, and where the last ends."""
    labels: NDArray[np.float64]


def encode(corpus: Corpus, *, least: int = 1, most: int = 2**31) -> Encoded:
    """Return a corpus as numbers; words that occur less often in it than ``least`` times are left out.

    Parameters
    ----------
    corpus
    least
        Occurrences of a word.
    most
        So many words of a text are taken, from its beginning, rare ones counted.

    Raises
    ------
    InvalidInput
        If no word is left.

    Examples
    --------
    >>> encoded = encode(Corpus(("A fine film", "a dull film"), (1, 0)))
    >>> encoded.words, encoded.occurrences.tolist(), encoded.first.tolist()
    (('a', 'film', 'dull', 'fine'), [0, 3, 1, 0, 2, 1], [0, 3, 6])
    """
    texts = [[word.lower() for word in words_of(text)][:most] for text in corpus.texts]
    count = Counter(word for text in texts for word in text)
    words = sorted((word for word in count if count[word] >= least), key=lambda word: (-count[word], word))
    if not words:
        raise InvalidInput(
            f"none of the {counted(len(count), 'word')} of the texts occurs {counted(least, 'time')}: lower least_count"
        )
    number = {word: place for place, word in enumerate(words)}
    numbers = [[number[word] for word in text if word in number] for text in texts]
    return Encoded(
        tuple(words),
        np.array([each for text in numbers for each in text], np.int64),
        np.cumsum([0, *map(len, numbers)], dtype=np.int64),
        np.array(corpus.labels, np.float64),
    )


def known_words(encoded: Encoded, training: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Return which words occur often enough in the texts for training, (word,)."""
    of_training = np.repeat(training, np.diff(encoded.first))
    return np.bincount(encoded.occurrences[of_training], minlength=len(encoded.words)) >= least


def texts_of(encoded: Encoded, known: NDArray[np.bool_]) -> tuple[Texts, NDArray[np.bool_]]:
    """Return the texts of known words alone, and which occurrences these are."""
    kept = known[encoded.occurrences]
    before = np.concatenate([[0], np.cumsum(kept)])
    return Texts(encoded.occurrences[kept], before[encoded.first].astype(np.int64), encoded.labels), kept


def random_embedding(seed: int, words: int, components: int) -> NDArray[np.float64]:
    """Return normal vectors of expected squared length 1, (word, component); a word's is the same among fewer."""
    return np.asarray(random.normal([seed], (words, components), stream=_EMBEDDING)[0] / math.sqrt(components))


def pretrained_embedding(words: Sequence[str], components: int) -> NDArray[np.float64]:
    """Return the pretrained vectors of words, (word, component), scaled to a mean squared length of 1.

    Raises
    ------
    BackendUnavailable
        If the packages of the extra ``text`` are not installed.
    """
    vectors = TextTokens(" ".join(words), components).draw(0)
    return np.asarray(vectors / math.sqrt(math.fsum((vectors**2).ravel()) / len(vectors)))


def random_decoder(seed: int, components: int) -> NDArray[np.float64]:
    """Return a normal vector of expected squared length 1 and, last, zero, (component + 1,)."""
    drawn = random.normal([seed], (components,), stream=_DECODER)[0] / math.sqrt(components)
    return np.append(drawn, 0.0)
