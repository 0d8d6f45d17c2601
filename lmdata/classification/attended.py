"""Which words are attended to in texts, and decide, by attention that was given; and whether that is beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.given_attention import attended_most, given_attention
from lmdata.analysis.given_rollout import shares
from lmdata.classification.chance import bands, exchanged, in_question, p_values
from lmdata.data import registry
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count
from lmdata.numerics.threads import parallel_for

NULLS = ("text", "place", "frequency")
STATISTICS = ("leading", "leaders", "received", "decided")
_STREAMS = {"text": (7, 7), "place": (7, 8), "frequency": (7, 9)}
_CONTINUES, _BEGINS = "##", ("Ġ", "▁")
"""Marks of pieces, as vocabularies have them: that go on with the word before, or begin one where others go on."""


class Read(NamedTuple):
    """The words of a text, and how each is attended to."""

    words: tuple[str, ...]
    """In lower case, in their order."""
    leads: NDArray[np.float64]
    """Share of layers and heads in which the word attends to no other more than to itself."""
    received: NDArray[np.float64]
    """Share of the attention between words that it receives; they sum to 1."""
    decided: NDArray[np.float64]
    """Share of the words' last states that it decides; they sum to 1."""


def attended_words(
    states: xr.Dataset | Iterable[xr.Dataset], words: Iterable[str], *, draws: int = 999, seed: int = 0
) -> xr.Dataset:
    r"""Tell how much some words of texts are attended to, lead and decide, by attention that was given, against chance.

    Words are put together from their pieces: the weights from the pieces of a word are averaged, those to them summed
    (arXiv 1906.04341). Special tokens and punctuation are no words: they lead nowhere and are compared with nothing,
    but what passes through them counts in what is decided,

    .. math:: R = W_L \cdots W_1, \qquad W_l = \frac 1 2 \Big( I + \frac 1 H \sum_h P^{lh} \Big)

    with H heads, as in `lmdata.rollout` (arXiv 2005.00928). A word leads under a head if it attends to no other word
    more than to itself, as in `lmdata.leaders`. Compared is with what the same attention says when

    - ``text``: the words of each text change places in its matrices: rows and columns are of other words of the text;
    - ``place``: words at the same place of their texts, counted in words, do so: passed by what the place alone does;
    - ``frequency``: words of like frequency (within a factor of two) take each other's part, everywhere.

    To rotate the states says nothing of weights that were given. Of hardmax and localmax on static embeddings
    `leading_words` tells the same.

    Parameters
    ----------
    states : Dataset, or an iterable of them
        With ``attention`` by head and words: of `lmdata.models.Transformer.run`, `lmdata.from_trajectory` or
        `lmdata.from_transformers`. Datasets of an iterable are read one after the other, and none is kept: a corpus
        needs no more memory than its largest part.
    words : sequence of str
        The words in question, in any case; those that no text has are left out.
    draws : int
        Of each null model.
    seed : int
        Of the draws.

    Returns
    -------
    xarray.Dataset
        - ``observed`` (statistic) and ``drawn`` (null, statistic, draw), all on average over layers and heads:
          ``leading``, the share of the words' occurrences that lead; ``leaders``, their share of all that lead;
          ``received``, their share of the attention between words (its own included), on average over the texts;
          ``decided``, their share of the mean over the words of R
        - ``p_value`` (null, statistic), of both sides, as of `leading_words`
        - by ``word``: ``lead_rate``; ``receive_rate`` and ``decide_rate``, its share over that of an even text, 1 where
          it has no more than its part; ``frequency``; and ``chosen``

    Raises
    ------
    InvalidInput
        If a dataset has no attention or no words, none of the words, or no other word, is in the texts, or an argument
        is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> weights = np.full((1, 1, 3, 3), 0.25) + 0.25 * np.eye(3)[1]
    >>> texts = [["the", "film", "ends"], ["a", "plot", "is"], ["it", "ends", "."]]
    >>> ds = lmdata.from_trajectory(np.ones((3, 2, 3, 2)), token=texts, attention=np.stack([weights] * 3))
    >>> found = attended_words(ds, ["film", "plot", "ends"], draws=19)
    >>> found.observed.round(3).values
    array([0.75 , 1.   , 0.639, 0.565])
    """
    draws, seed = as_count(draws, "draws"), as_count(seed, "seed", minimum=0)
    read = [
        text
        for ds in (states if isinstance(states, Iterable) and not isinstance(states, xr.Dataset) else [states])
        for pieces, weights, steps in _runs(ds)
        if (text := read_text(pieces, weights, steps)).words
    ]
    if not read:
        raise InvalidInput("the texts have no words with attention between them; give datasets of texts, with both")
    count = Counter(word for text in read for word in text.words)
    known = sorted(count, key=lambda word: (-count[word], word))
    return _compared(read, known, in_question(words, known), draws, seed)


def read_text(pieces: Sequence[str], weights: NDArray[np.floating], steps: int | None = None) -> Read:
    """Return the words of a text, and how they are attended to.

    Parameters
    ----------
    pieces
        Of the text, in their order.
    weights : (layer, head, piece, piece)
    steps
        So many layers, from the first, lead to another; all by default.

    Examples
    --------
    >>> text = read_text(["[CLS]", "sea", "##s", "rise"], np.full((1, 1, 4, 4), 0.25))
    >>> text.words, text.received.round(3).tolist()
    (('seas', 'rise'), [0.667, 0.333])
    """
    names, owner = _words_of(pieces)
    kept = np.flatnonzero([name != "" for name in names])
    if not kept.size or not len(weights):
        return Read((), *(np.zeros(0),) * 3)
    to = (owner[:, None] == np.arange(len(names))).astype(np.float64)
    of = (to / to.sum(axis=0)).T
    matrices = of @ weights.astype(np.float64) @ to
    state = np.full(len(names), 0.0)
    state[kept] = 1.0 / kept.size
    for mean in matrices[:steps].mean(axis=1)[::-1]:
        state = 0.5 * (state + state @ shares(mean))
    between = matrices[..., kept, :][..., kept]
    leads = np.diagonal(attended_most(between), axis1=-2, axis2=-1)
    words = tuple(names[place] for place in kept)
    return Read(words, leads.mean(axis=(0, 1)), _parts_of_one(between.mean(axis=(0, 1, 2))), _parts_of_one(state[kept]))


def _parts_of_one(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    total = parts.sum()
    return parts / total if total > 0 else np.full(parts.shape, 1.0 / parts.size)


def _words_of(pieces: Sequence[str]) -> tuple[list[str], NDArray[np.intp]]:
    """Return the texts of words, and of which each piece is a part; what is no word has no text.

    Examples
    --------
    >>> _words_of(["<s>", "ĠA", "Ġfil", "m", ",", "Ġso"])
    (['', 'a', 'film', '', 'so'], array([0, 1, 2, 2, 3, 4]))
    """
    begins = any(piece.startswith(_BEGINS) for piece in pieces)
    names: list[str] = []
    owner = np.empty(len(pieces), np.intp)
    for place, piece in enumerate(pieces):
        goes_on = piece.startswith(_CONTINUES) or (begins and not piece.startswith(_BEGINS))
        bare = piece.removeprefix(_CONTINUES).lstrip("".join(_BEGINS)).lower()
        word = bare if bare[:1].isalnum() else ""
        if goes_on and word and names and names[-1]:
            names[-1] += word
        else:
            names.append(word)
        owner[place] = len(names) - 1
    return names, owner


def _runs(ds: Any) -> Iterator[tuple[list[str], NDArray[np.floating], int]]:
    """Yield pieces, weights (layer, head, piece, piece) and how many of these lead to another, of every run."""
    if not isinstance(ds, xr.Dataset):
        raise InvalidInput(f"states must be datasets of texts with their attention; got {type(ds).__name__}")
    weights = given_attention(ds, "attended_words", "run")
    if weights is None:
        raise InvalidInput(
            "attended_words needs the attention that came with the states, by head: keep it when they are made "
            "(attention=), and take lmdata.classification.leading_words for static embeddings"
        )
    order = np.argsort(ds["token_number"].values)
    whole = weights.transpose(..., "time", "head", "token", "key").variable
    members = whole.dims[:-4]
    there = ds.variables.get(registry.PRESENT)
    for place in np.ndindex(whole.shape[:-4]):
        at = dict(zip(members, place, strict=True))
        kept = order if there is None else order[there.isel(at).values[order]]
        own = whole.isel(at).values[..., kept, :][..., kept]
        some = ~np.isnan(own).all(axis=(1, 2, 3))
        if some.any():
            texts = _texts(ds, at)
            yield [texts[token] for token in kept], own[some], int(some[:-1].sum())


def _texts(ds: xr.Dataset, at: dict[Any, int]) -> list[str]:
    """Return the texts of the tokens of a run: labels without the place that tells one of several apart."""
    if "word" in ds.coords:
        return [str(text) for text in ds.variables["word"].isel(at).values]
    labels, numbers = ds["token"].values, ds["token_number"].values
    if labels.dtype.kind not in "UT":
        raise InvalidInput("the tokens have numbers, and no words; give them where the dataset is made (token=)")
    return [str(label).removesuffix(f"@{number + 1}") for label, number in zip(labels, numbers, strict=True)]


def _compared(
    read: Sequence[Read], known: Sequence[str], chosen: NDArray[np.bool_], draws: int, seed: int
) -> xr.Dataset:
    number = {word: place for place, word in enumerate(known)}
    which = np.array([number[word] for text in read for word in text.words])
    size = np.array([len(text.words) for text in read])
    of_text = np.repeat(np.arange(len(read)), size)
    at = np.concatenate([np.arange(n) for n in size])
    even = 1.0 / size[of_text]
    rates = np.array([np.concatenate([getattr(text, name) for text in read]) for name in Read._fields[1:]])
    rates[1:] /= even  # of what an even text would give

    def statistics(rates: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        among = chosen[which]
        led, (received, decided) = rates[0], (rates[1:] * even)[:, among].sum(axis=1) / len(read)
        every = led.sum()
        return np.array([led[among].mean(), led[among].sum() / every if every > 0 else 0.0, received, decided])

    frequency = np.bincount(which)
    groups = {"text": of_text, "place": at, "frequency": bands(frequency)}
    observed = statistics(rates, chosen)
    drawn = np.empty((len(NULLS), draws, len(STATISTICS)))

    def task(begin: int, end: int) -> None:
        for item in range(begin, end):
            row, draw = divmod(item, draws)
            null = NULLS[row]
            other = exchanged(groups[null], seed, draw, _STREAMS[null])
            drawn[row, draw] = (
                statistics(rates, chosen[other]) if null == "frequency" else statistics(rates[:, other], chosen)
            )

    parallel_for(task, len(NULLS) * draws, 1)
    led, received, decided = (np.bincount(which, rate) / frequency for rate in rates)
    values: dict[str, tuple[tuple[str, ...], Any, str]] = {
        "observed": (("statistic",), observed, "of the words as they are"),
        "drawn": (("null", "statistic", "draw"), drawn.transpose(0, 2, 1), "of a draw of the null model"),
        "p_value": (("null", "statistic"), p_values(observed, drawn), "chance to be as far out, of both sides"),
        "lead_rate": (("word",), led, "share of the word's occurrences that lead, over layers and heads"),
        "receive_rate": (("word",), received, "attention that the word receives, over that of an even text"),
        "decide_rate": (("word",), decided, "what the word decides, over that of an even text"),
        "frequency": (("word",), frequency, "occurrences of the word"),
        "chosen": (("word",), chosen, "the word is one of those in question"),
    }
    return xr.Dataset(
        {name: (dims, array, {"long_name": meaning, "units": "1"}) for name, (dims, array, meaning) in values.items()},
        coords={"null": list(NULLS), "statistic": list(STATISTICS), "word": list(known)},
    )
