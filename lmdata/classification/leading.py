"""Which words lead in a corpus, before any training, and whether chance would have it so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.classification.chance import bands, exchanged, in_question, p_values
from lmdata.classification.corpus import Corpus
from lmdata.classification.encoding import Encoded, encode, pretrained_embedding
from lmdata.classification.kernel import Layers, Texts, Weights, read_all, space
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number
from lmdata.numerics.random import counted_words, lengths, normal_of
from lmdata.numerics.threads import parallel_for

if TYPE_CHECKING:
    import xarray

NULLS = ("directions", "shuffled", "frequency")
STATISTICS = ("leading", "leaders", "decided")
_STREAMS = {"directions": (7, 4), "shuffled": (7, 5), "frequency": (7, 6)}


def leading_words(
    corpus: Corpus,
    words: Iterable[str],
    *,
    alignment_sensitivity: float = 0.0,
    influence: float = 1.0,
    layers: int = 4,
    components: int = 32,
    draws: int = 99,
    seed: int = 0,
) -> xarray.Dataset:
    r"""Tell how much some words lead in the texts of a corpus, by localmax on a pretrained embedding, against chance.

    Each text is a run of its own: its words start at their pretrained vectors (`lmdata.tokens.text`) and make K steps
    of localmax (hardmax at sensitivity 0). A word leads where it is its own neighbour in the last state. Compared is
    with what the same texts do when

    - ``directions``: every word keeps the length of its vector and gets a random direction, each rotated on its own;
    - ``shuffled``: every word keeps its length and gets the direction of another;
    - ``frequency``: words of like frequency (within a factor of two) exchange their vectors whole.

    The first two are passed by what length alone brings about, the last by what frequency does. To rotate all vectors
    together is no null model: localmax does not see it. A statistic that is among the drawn ones says that the words
    do not lead by their meaning.

    Parameters
    ----------
    corpus : Corpus
    words : sequence of str
        The words in question, in any case; those that the corpus lacks are left out.
    alignment_sensitivity, influence : float
        delta >= 0 and alpha > 0.
    layers : int
        K >= 0; without any, leaders are those of the vectors as they are.
    components : int
        Of the embedding, from the first.
    draws : int
        Of each null model.
    seed : int
        Of the draws.

    Returns
    -------
    xarray.Dataset
        - ``observed`` (statistic) and ``drawn`` (null, statistic, draw): ``leading``, the share of the words'
          occurrences that lead; ``leaders``, their share of all that lead; ``decided``, the share that they have in
          the mean of the last state, on average over the texts
        - ``p_value`` (null, statistic), of both sides: :math:`\min(1, 2 (1 + k) / (1 + draws))` with k the draws at
          least as far out on the nearer side
        - ``lead_rate`` (word): share of the occurrences of each word of the corpus that lead; ``frequency`` (word);
          ``length`` (word) of its vector; and ``chosen`` (word)

    Raises
    ------
    InvalidInput
        If none of the words, or no other word, is in the corpus, or an argument is not allowed.
    BackendUnavailable
        If the packages of the extra ``text`` are not installed.

    Examples
    --------
    >>> from lmdata.classification import Corpus, leading_words
    >>> corpus = Corpus(("the film is a delight", "the plot of the film is dull"), (1, 0))
    >>> found = leading_words(corpus, ["the", "of", "a", "is"], components=8, draws=19)
    >>> found.observed.sel(statistic="leading").item() < 0.5
    True
    """
    if not isinstance(corpus, Corpus):
        raise InvalidInput(f"corpus must be a Corpus, as lmdata.reviews returns; got {type(corpus).__name__}")
    gain = as_number(influence, "influence", minimum=0, above=True)
    layer = Layers(
        as_count(layers, "layers", minimum=0),
        gain / (1.0 + gain),
        False,
        as_number(alignment_sensitivity, "alignment_sensitivity", minimum=0),
    )
    encoded = encode(corpus)
    chosen = in_question(words, encoded.words)
    embedding = pretrained_embedding(encoded.words, as_count(components, "components"))
    return compared(encoded, embedding, chosen, layer, as_count(draws, "draws"), as_count(seed, "seed", minimum=0))


def compared(
    encoded: Encoded, embedding: NDArray[np.float64], chosen: NDArray[np.bool_], layers: Layers, draws: int, seed: int
) -> xarray.Dataset:
    """Return what `leading_words` does, of any embedding (word, component) and chosen words (word,)."""
    import xarray

    texts = Texts(encoded.occurrences, encoded.first, encoded.labels)
    frequency = np.bincount(encoded.occurrences, minlength=len(chosen))
    observed, leader = _statistics(texts, embedding, chosen, layers)
    drawn = np.empty((len(NULLS), draws, len(STATISTICS)))

    def task(begin: int, end: int) -> None:
        for number in range(begin, end):
            which, draw = divmod(number, draws)
            other = null_embedding(NULLS[which], embedding, frequency, seed, draw)
            drawn[which, draw] = _statistics(texts, other, chosen, layers)[0]

    parallel_for(task, len(NULLS) * draws, 1)
    led = np.bincount(encoded.occurrences, leader, minlength=len(chosen))
    values: dict[str, tuple[tuple[str, ...], Any, str]] = {
        "observed": (("statistic",), observed, "of the words as they are"),
        "drawn": (("null", "statistic", "draw"), drawn.transpose(0, 2, 1), "of a draw of the null model"),
        "p_value": (("null", "statistic"), p_values(observed, drawn), "chance to be as far out, of both sides"),
        "lead_rate": (("word",), led / np.maximum(frequency, 1), "share of the word's occurrences that lead"),
        "frequency": (("word",), frequency, "occurrences of the word"),
        "length": (("word",), lengths(embedding), "length of the word's vector"),
        "chosen": (("word",), chosen, "the word is one of those in question"),
    }
    return xarray.Dataset(
        {name: (dims, array, {"long_name": meaning, "units": "1"}) for name, (dims, array, meaning) in values.items()},
        coords={"null": list(NULLS), "statistic": list(STATISTICS), "word": list(encoded.words)},
    )


def null_embedding(
    null: str, embedding: NDArray[np.float64], frequency: NDArray[np.int64], seed: int, draw: int
) -> NDArray[np.float64]:
    """Return a draw of a null model, (word, component); the same on every machine.

    Examples
    --------
    >>> vectors = np.array([[3.0, 4.0], [1.0, 0.0]])
    >>> null_embedding("frequency", vectors, np.array([8, 1]), seed=0, draw=0).tolist()
    [[3.0, 4.0], [1.0, 0.0]]
    """
    stream = _STREAMS[null]
    if null == "directions":
        words = counted_words([seed], draw, embedding.size, stream=stream)[0]
        directions = normal_of(words).reshape(embedding.shape)
        return np.asarray(directions * (lengths(embedding) / lengths(directions))[:, None])
    if null == "shuffled":
        size = lengths(embedding)
        order = exchanged(np.zeros(len(embedding), np.int64), seed, draw, stream)
        order = order[size[order] > 0.0]  # a vector of length zero has no direction, and needs none
        found = np.zeros_like(embedding)
        found[size > 0.0] = (embedding / np.where(size > 0.0, size, 1.0)[:, None])[order] * size[size > 0.0, None]
        return found
    return embedding[exchanged(bands(frequency), seed, draw, stream)]


def _statistics(
    texts: Texts, embedding: NDArray[np.float64], chosen: NDArray[np.bool_], layers: Layers
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the statistics of `STATISTICS`, and which occurrences lead."""
    count = len(texts.labels)
    logits, share = np.empty(count), np.zeros(texts.words.size)
    leader = np.zeros(texts.words.size, np.bool_)
    d = embedding.shape[1]
    work = space(layers, d, int(np.diff(texts.first).max(initial=0)))
    read_all(texts, Weights(embedding, np.zeros(d + 1)), layers, work, logits, share, leader, 0, count)
    among = chosen[texts.words]
    with_words = int((np.diff(texts.first) > 0).sum())
    return np.array(
        [leader[among].mean(), (leader & among).sum() / leader.sum(), share[among].sum() / with_words]
    ), leader
