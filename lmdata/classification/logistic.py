"""What a classifier is compared with: logistic regression on the mean embedding of each text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.classification.corpus import Corpus
from lmdata.classification.encoding import Encoded, encode, known_words, pretrained_embedding, texts_of
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number
from lmdata.runs.sweep import check_seeds

TOLERANCE = 1e-10
"""Newton's steps end where the gradient is shorter."""
_MOST_STEPS = 100


class Logistic(NamedTuple):
    """A logistic regression, and how well it tells the texts."""

    normal: NDArray[np.float64]
    """w, (component,)."""
    bias: float
    accuracy: float
    """Share of the texts for training that are told right."""
    test_accuracy: float
    """Share of the texts held out that are told right."""
    tested: int
    """Texts held out."""


def logistic_regression(
    corpus: Corpus,
    *,
    seeds: Sequence[int] = (0,),
    components: int = 256,
    penalty: float = 1e-3,
    test_share: float = 0.2,
) -> tuple[Logistic, ...]:
    r"""Fit logistic regression on the mean pretrained embedding of each text, on the split of each seed.

    .. math:: \min_{w, b} \frac 1 m \sum_i \log(1 + e^{-y_i (\langle w, x_i \rangle + b)}) + \frac \lambda 2 |w|^2

    by Newton's method, to a gradient below 1e-10; the embeddings are those of `lmdata.tokens.text`, of mean squared
    length 1, and x_i their mean over the words of the text, scaled by the root mean square of all means' components.

    Parameters
    ----------
    corpus
    seeds : sequence of int
        Of the splits, as in `train`.
    components : int
        Of the embedding, from the first, at most 256.
    penalty : float
        lambda > 0.
    test_share : float
        Share of the texts that is held out.

    Returns
    -------
    tuple of Logistic
        For each seed w, b and the accuracies.

    Raises
    ------
    BackendUnavailable
        If the packages of the extra ``text`` are not installed.
    InvalidInput
        If an argument is not allowed.

    Examples
    --------
    >>> corpus = Corpus(("a fine film", "a dull film", "fine", "dull", "so fine", "so dull") * 5, (1, 0) * 15)
    >>> logistic_regression(corpus, components=64)[0].test_accuracy
    1.0
    """
    penalty = as_number(penalty, "penalty", minimum=0, above=True)
    encoded = encode(corpus)
    held_out = [corpus.held_out(seed, test_share) for seed in check_seeds(seeds)]
    embedding = pretrained_embedding(encoded.words, as_count(components, "components"))
    return tuple(_of_split(encoded, embedding, held, penalty) for held in held_out)


def _of_split(encoded: Encoded, embedding: NDArray[np.float64], held: NDArray[np.bool_], penalty: float) -> Logistic:
    features = mean_embeddings(encoded, embedding, held)
    features = features / np.sqrt((features[~held] ** 2).mean())
    signs = 2.0 * encoded.labels - 1.0
    weights = fit(features[~held], signs[~held], penalty)
    told = (features @ weights[:-1] + weights[-1] > 0) == (signs > 0)
    return Logistic(
        weights[:-1], float(weights[-1]), float(told[~held].mean()), float(told[held].mean()), int(held.sum())
    )


def mean_embeddings(
    encoded: Encoded, embedding: NDArray[np.float64], held_out: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean embedding of each text, (text, component), over the words that the training texts have."""
    texts, _ = texts_of(encoded, known_words(encoded, ~held_out, 1))
    count = np.diff(texts.first)
    totals = np.zeros((len(count), embedding.shape[1]))
    np.add.at(totals, np.repeat(np.arange(len(count)), count), embedding[texts.words])
    return totals / np.maximum(count, 1)[:, None]


def fit(features: NDArray[np.float64], signs: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Return w and, last, b of penalised logistic regression, (component + 1,).

    Parameters
    ----------
    features : (text, component)
    signs : (text,)
        -1 or 1.
    penalty
        Of |w|^2 / 2; b is free.

    Examples
    --------
    >>> fit(np.array([[1.0], [-1.0]]), np.array([1.0, -1.0]), 0.25).round(4)
    array([1.0426, 0.    ])
    """
    x = np.column_stack([features, np.ones(len(features))])
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 0.0
    weights = np.zeros(x.shape[1])

    def objective(at: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -signs * (x @ at)).mean() + (ridge * at**2).sum() / 2.0)

    for _ in range(_MOST_STEPS):
        chance = 1.0 / (1.0 + np.exp(np.clip(signs * (x @ weights), -700.0, 700.0)))
        gradient = ridge * weights - x.T @ (signs * chance) / len(x)
        if np.linalg.norm(gradient) < TOLERANCE:
            return weights
        curvature = (x * (chance * (1.0 - chance))[:, None]).T @ x / len(x) + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        size, now = 1.0, objective(weights)
        while objective(weights - size * step) > now and size > 1e-12:  # halved forty times
            size /= 2.0
        weights = weights - size * step
    raise InvalidInput(
        f"logistic regression does not end in {_MOST_STEPS} steps: raise penalty, {penalty:g}, or give more texts"
    )
