"""Tokens of runs that were computed elsewhere: which a run has, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_text
from lmdata.outside.arrays import States
from lmdata.wording import counted


def present_tokens(present: Any, states: States) -> NDArray[np.bool_] | None:
    """Return which tokens each run has, (runs..., token); None if all.

    Raises
    ------
    InvalidInput
        If it is of another shape, or holds anything but truth values or 0 and 1; or a list says it already.
    """
    shape = (*states.grid, states.tokens)
    if states.lengths is not None:
        if present is not None:
            raise InvalidInput("present is given beside a list of arrays, which says itself which tokens a run has")
        return np.arange(states.tokens) < np.array(states.lengths)[:, None]
    if present is None:
        return None
    there = np.asarray(present)
    if not states.runs and there.ndim == 1:
        there = there[None]
    if there.shape != shape:
        raise InvalidInput(f"present has shape {there.shape}; there are runs and tokens of {shape}")
    if there.dtype.kind not in "bfiu" or not np.isin(there, (0, 1)).all():
        raise InvalidInput(f"present holds {np.unique(there)[:3].tolist()}...; it is a mask: True or 1 for a token")
    return there.astype(np.bool_)


def words_of(token: Any, states: States, there: NDArray[np.bool_] | None) -> NDArray[np.str_] | None:
    """Return the texts of the tokens, (token,) if all runs share them, else (runs..., token); None without any.

    Raises
    ------
    InvalidInput
        If they are no texts, or not as many as the tokens.
    """
    if token is None:
        return None
    grid, n = states.grid, states.tokens
    given: list[Any] = token.tolist() if isinstance(token, np.ndarray) else list(getattr(token, "values", token))
    if not any(isinstance(one, list | tuple | np.ndarray) for one in given):
        return None if given == list(range(n)) else _texts(given, n, "token")
    whole = np.ones((*grid, n), np.bool_) if there is None else there
    if len(grid) > 1:
        shape = np.shape(token)
        if shape != (*grid, n):
            raise InvalidInput(f"token has shape {shape}; runs and tokens of {(*grid, n)} need a text each")
        given = np.reshape(np.asarray(token, dtype=object), (-1, n)).tolist()
    rows = whole.reshape(-1, n)
    if len(given) != len(rows):
        raise InvalidInput(f"token holds texts of {len(given)} runs, and there are {len(rows)}")
    words = np.full(rows.shape, "", dtype=object)
    for i, (own, has) in enumerate(zip(given, rows, strict=True)):
        count = int(has.sum())
        if len(own) not in (count, n):
            raise InvalidInput(f"token[{i}] holds {len(own)} texts, and the run has {counted(count, 'token')} of {n}")
        words[i, has] = _texts(own, len(own), f"token[{i}]")[has if len(own) == n else slice(None)]
    if rows.all() and (words == words[0]).all():
        return np.asarray(words[0], np.str_)
    return np.asarray(words.reshape(*grid, n), np.str_)


def distinct(texts: NDArray[np.str_] | None) -> tuple[str, ...] | None:
    """Return texts (token,) as labels: one that occurs twice has its place behind it, counted from 1.

    None for the texts of several runs, which are no labels.

    Examples
    --------
    >>> distinct(np.array(["the", "cat", "the"]))
    ('the@1', 'cat', 'the@3')
    """
    if texts is None or texts.ndim > 1:
        return None
    count = Counter(texts.tolist())
    made = [text if count[text] == 1 else f"{text}@{place}" for place, text in enumerate(texts.tolist(), start=1)]
    return tuple(made) if len(set(made)) == len(made) else tuple(f"{text}@{i}" for i, text in enumerate(made, start=1))


def left(
    without: Sequence[int | str], there: NDArray[np.bool_] | None, texts: NDArray[np.str_] | None, states: States
) -> NDArray[np.bool_]:
    """Return which tokens each run has, (runs..., token), once some are left out.

    Raises
    ------
    InvalidInput
        If there is no such token, or a run has none left.

    Examples
    --------
    >>> from lmdata.outside.arrays import as_states
    >>> states = as_states(np.ones((2, 3, 1)), None, ("layer", "token", "component"))
    >>> left((0, "b"), None, np.array(["a", "b", "b"]), states)
    Traceback (most recent call last):
    ...
    lmdata.errors.InvalidInput: without is (0, 'b'), and leaves run [0] no token
    """
    n = states.tokens
    kept = np.ones((*states.grid, n), np.bool_) if there is None else there.copy()
    for one in [without] if isinstance(without, str | int) else without:
        if isinstance(one, str):
            found = np.zeros(n, np.bool_) if texts is None else np.equal(texts, one)
        else:
            found = np.arange(n) == one
        if not (found & kept.astype(np.bool_)).any() and not np.broadcast_to(found, kept.shape).any():
            known = "the tokens have no texts" if texts is None else "no token has that text"
            what = known if isinstance(one, str) else f"tokens are numbered from 0 to {n - 1}"
            raise InvalidInput(f"without has {one!r}, and {what}")
        kept &= ~found
    if not kept.any(axis=-1).all():
        run = np.argwhere(~kept.any(axis=-1))[0].tolist()
        raise InvalidInput(f"without is {tuple(without)!r}, and leaves run {run} no token")
    return kept


def _texts(texts: Sequence[Any], n: int, argument: str) -> NDArray[np.str_]:
    """Return texts as an array; whole numbers, such as those of a vocabulary, are written out."""
    if len(texts) != n:
        raise InvalidInput(f"{argument} holds {len(texts)} labels, {list(texts)!r:.80}; {n} tokens need a text each")
    plain = [str(one) if isinstance(one, int | np.integer) else one for one in texts]
    return np.array([as_text(text, f"{argument}[{i}]") for i, text in enumerate(plain)], np.str_)
