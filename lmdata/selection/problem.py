"""A token-selection problem: labelled samples of tokens, and what of the model is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import inner
from lmdata.numerics.checks import as_real_array, as_text
from lmdata.wording import counted

type Floats = NDArray[np.float64]

LARGEST, SMALLEST = 2.0**200, 2.0**-200
"""Bounds of the largest magnitude in an array, so that products of three and their squares stay in float64."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples X_i with labels y_i for f(X) = <X v, softmax(X W p)> (arXiv 2306.13596).

    Parameters
    ----------
    tokens : (sample, token, feature)
        Tokens x_it. Rows beyond a sample's length are ignored, whatever they hold, and kept as zeros.
    labels : (sample,)
        -1 or +1.
    value : (feature,), optional
        Value vector v: fixed, or its start where it is trained too. Zero by default.
    weight : (feature, feature), optional
        Key-query weights W, fixed; the identity by default. Of no account where W is trained.
    query : (feature,) or (sample, feature), optional
        Queries z_i for the training of W (arXiv 2308.16898), where the score is <x_it, W z_i>.
    lengths : (sample,), optional
        Number of tokens of each sample; all of them by default.
    words
        Text of each token, by sample, where there is one.

    Raises
    ------
    InvalidInput
        If shapes do not fit, a number is not finite or extreme, a label is neither -1 nor +1, or a sample has
        fewer than two tokens.

    Examples
    --------
    >>> problem = Problem([[[0, 1], [1, 0]]], [1], value=[1, 0])
    >>> problem.scores()
    array([[0., 1.]])
    """

    tokens: Floats
    labels: Floats
    value: Any = None
    weight: Any = None
    query: Any = None
    lengths: Any = None
    words: tuple[tuple[str, ...], ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        tokens = self._tokens()
        n, _, d = tokens.shape
        labels = _labels(self.labels, n)
        value = np.zeros(d) if self.value is None else _array(self.value, "value", (d,))
        weight = np.eye(d) if self.weight is None else _array(self.weight, "weight", (d, d))
        query = self.query
        if query is not None:
            query = np.tile(query, (n, 1)) if np.ndim(query) == 1 else query
            query = _array(query, "query", (n, d))
        words = self.words
        if words is not None:
            words = tuple(
                tuple(as_text(word, f"words[{i}][{j}]") for j, word in enumerate(sample))
                for i, sample in enumerate(words)
            )
            if tuple(map(len, words)) != tuple(self.lengths):
                raise InvalidInput(f"words has {[len(w) for w in words]} of them a sample; lengths is {self.lengths}")
        checked = {"tokens": tokens, "labels": labels, "value": value, "weight": weight, "query": query, "words": words}
        for name, array in checked.items():
            object.__setattr__(self, name, array)

    def _tokens(self) -> Floats:
        """Return the checked tokens with zeros beyond each sample's length; set the lengths."""
        tokens = np.array(self.tokens)
        if tokens.ndim != 3 or 0 in tokens.shape:
            raise InvalidInput(
                f"tokens has shape {tokens.shape}; it must be (sample, token, feature), none of them zero"
            )
        n, width, _ = tokens.shape
        lengths = np.full(n, width) if self.lengths is None else np.asarray(self.lengths)
        if lengths.dtype.kind not in "iu" or lengths.shape != (n,):
            raise InvalidInput(f"lengths is {lengths!r}; it must hold one integer for each of {counted(n, 'sample')}")
        short = np.flatnonzero((lengths < 2) | (lengths > width))
        if short.size:
            i = int(short[0])
            raise InvalidInput(
                f"sample {i} has {counted(int(lengths[i]), 'token')} of {width}; attention needs at least two to "
                "select from, and no more than there are: drop the sample or mend lengths"
            )
        beyond = np.arange(width) >= lengths[:, None]
        if tokens.dtype.kind == "f":
            tokens[beyond] = 0.0
        checked = _array(tokens, "tokens", tokens.shape)
        checked[beyond] = 0.0
        object.__setattr__(self, "lengths", lengths.astype(np.int64))
        return checked

    @property
    def present(self) -> NDArray[np.bool]:
        """Whether there is a token, (sample, token)."""
        return np.asarray(np.arange(self.tokens.shape[1]) < self.lengths[:, None])

    def keys(self) -> Floats:
        """Return the keys ``X W``, (sample, token, feature); summed in the order of the features."""
        keys = np.zeros_like(self.tokens)
        for feature, row in zip(np.moveaxis(self.tokens, 2, 0), self.weight, strict=True):
            keys += feature[..., None] * row
        return keys

    def scores(self, value: Floats | None = None) -> Floats:
        """Return the token scores ``y_i <x_it, v>`` (definition 1 of arXiv 2306.13596), (sample, token).

        Summed in the order of the features, so that equal tokens have equal scores.
        """
        return self.labels[:, None] * inner(self.tokens, self.value if value is None else value)


def _array(values: Any, argument: str, shape: tuple[int, ...]) -> Floats:
    array = as_real_array(values, argument)
    if array.shape != shape:
        raise InvalidInput(f"{argument} has shape {array.shape}; it must be {shape} to fit the tokens")
    largest = float(np.abs(array).max(initial=0.0))
    if largest > LARGEST or 0 < largest < SMALLEST:
        raise InvalidInput(
            f"{argument} has a largest magnitude of {largest:.3g}; scale it to between 2^-200 and 2^200, "
            "so that its products neither overflow nor vanish"
        )
    return array + 0.0


def _labels(values: Any, n: int) -> Floats:
    labels = np.asarray(values)
    if labels.shape != (n,):
        raise InvalidInput(f"labels has shape {labels.shape}; there must be one for each of {counted(n, 'sample')}")
    wrong = [i for i, label in enumerate(labels.tolist()) if isinstance(label, bool | str) or label not in (-1, 1)]
    if wrong:
        raise InvalidInput(
            f"labels[{wrong[0]}] is {labels[wrong[0]]!r}; labels are -1 or +1: map two classes with "
            "np.where(positive, 1, -1), and drop samples without a label"
        )
    return labels.astype(np.float64)
