"""Whether chance would have it so: draws of null models, and how far out among them what was observed is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_text
from lmdata.numerics.random import counted_words
from lmdata.wording import counted

ROUNDING = 1e-12
"""Statistics that differ by less, relative to the one observed, are one: sums of the same numbers in other orders."""


def in_question(words: Iterable[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the known words, in lower case, are among those in question, in any case.

    Raises
    ------
    InvalidInput
        If one text is given in their place, one of them is no text, or all or none of the known words are.

    Examples
    --------
    >>> in_question(["The", "nowhere"], ("the", "film")).tolist()
    [True, False]
    """
    if isinstance(words, str):
        raise InvalidInput(f"words is {words!r:.40}, one text; give a list of words, such as {words.split()!r:.60}")
    wanted = {as_text(word, "a word").lower() for word in words}
    chosen = np.array([word in wanted for word in known], np.bool_)
    if chosen.all() or not chosen.any():
        raise InvalidInput(
            f"of {counted(len(chosen), 'word')} of the texts {int(chosen.sum())} are among those in question; "
            "some have to be, and some not"
        )
    return chosen


def bands(frequency: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the band of each frequency: those of one band are within a factor of two.

    Examples
    --------
    >>> bands(np.array([1, 2, 3, 4])).tolist()
    [1, 2, 2, 3]
    """
    return np.frexp(np.maximum(frequency, 1).astype(np.float64))[1].astype(np.int64)


def exchanged(group: NDArray[np.int64], seed: int, draw: int, stream: tuple[int, ...]) -> NDArray[np.intp]:
    """Return whose place each takes (item,) when the items of every group change places, each order as likely.

    The same on every machine.

    Examples
    --------
    >>> exchanged(np.array([0, 1, 0, 2]), seed=0, draw=0, stream=(7, 6)).tolist()
    [2, 1, 0, 3]
    """
    key = counted_words([seed], draw, len(group), stream=stream)[0]
    found = np.empty(len(group), np.intp)
    found[np.lexsort((np.arange(len(group)), group))] = np.lexsort((key, group))
    return found


def p_values(observed: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`\min(1, 2 (1 + k) / (1 + draws))`, k the draws at least as far out on the nearer side.

    Of both sides, never zero, and at most p with probability p or less if the null model is true, whatever ties.

    Parameters
    ----------
    observed : (statistic,)
    drawn : (null, draw, statistic)

    Returns
    -------
    (null, statistic)

    Examples
    --------
    >>> p_values(np.array([3.0]), np.array([[[1.0], [2.0], [2.0]]])).tolist()
    [[0.5]]
    """
    reach = ROUNDING * np.abs(observed)
    below, above = (drawn <= observed + reach).sum(axis=1), (drawn >= observed - reach).sum(axis=1)
    return np.asarray(np.minimum(1.0, 2.0 * (1.0 + np.minimum(below, above)) / (1.0 + drawn.shape[1])))
