"""From scores to attention weights: softmax, hardmax, localmax with its threshold rules, Sinkhorn, bounded confidence.

Every function takes scores (..., n, n), row i belonging to the token that attends, and returns weights (..., n, n)
whose rows sum to one. They hold n x n numbers; the models use `attend` where softmax can do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lmdata.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ThresholdRule = Literal["absolute", "spread", "maximum"]
ALL = slice(None)
"""All rows of a matrix of weights."""

THRESHOLD_RULES: tuple[ThresholdRule, ...] = ("absolute", "spread", "maximum")


def mask_future(scores: Array, first: int = 0) -> Array:
    """Return scores (..., r, n) with -inf where j > i, for rows i from ``first`` on: nobody attends to later tokens.

    Examples
    --------
    >>> mask_future(np.zeros((2, 2)))
    array([[  0., -inf],
           [  0.,   0.]])
    """
    rows, n = scores.shape[-2:]
    return np.where(np.tri(rows, n, first, dtype=bool), scores, -np.inf)


def mask_self(scores: Array, first: int = 0) -> Array:
    """Return scores (..., r, n) with -inf at i, for rows i from ``first`` on; who has nobody else keeps itself.

    Examples
    --------
    >>> mask_self(np.array([[2.0, 1.0], [-np.inf, 3.0]]))
    array([[-inf,   1.],
           [-inf,   3.]])
    """
    rows, n = scores.shape[-2:]
    own = np.eye(rows, n, first, dtype=bool)
    others = np.where(own, -np.inf, scores)
    return np.where(np.isneginf(others).all(axis=-1, keepdims=True), scores, others)


def softmax_weights(scores: Array, inverse_temperature: float | Array = 1.0) -> Array:
    r"""Return :math:`P_{ij} \propto \exp(\beta s_{ij})`, rows summing to one (arXiv 2305.05465).

    The largest score of a row is subtracted before beta multiplies: no finite beta >= 0 overflows.

    Parameters
    ----------
    scores : array (..., n, n)
        -inf where a token may not be attended to.
    inverse_temperature : float or array that broadcasts against the scores
        beta >= 0; 0 gives the mean.

    Examples
    --------
    >>> softmax_weights(np.array([[0.0, 0.0], [0.0, np.log(3.0)]]))
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    masked = np.isneginf(scores)
    below = np.where(masked, 0.0, scores - scores.max(axis=-1, keepdims=True))
    with np.errstate(over="ignore"):
        exponent = np.where(masked, -np.inf, inverse_temperature * below)
    weights = np.exp(exponent)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def localmax_neighbours(
    scores: Array, sensitivity: float | Array, *, rule: ThresholdRule = "absolute"
) -> NDArray[np.bool_]:
    r"""Return which tokens are neighbours, :math:`j \in C_i \iff s_{ij} \ge \max_l s_{il} - \delta r_i`, closed.

    Parameters
    ----------
    scores : array (..., n, n)
        -inf where a token may not be attended to.
    sensitivity : float or array that broadcasts against the scores
        delta >= 0.
    rule : {"absolute", "spread", "maximum"}
        What delta is measured in: :math:`r_i = 1` (arXiv 2509.15958); the spread
        :math:`\max_l s_{il} - \min_l s_{il}` of the row's scores, so that delta = 1 takes in everyone; or the
        size :math:`|\max_l s_{il}|` of its maximum. The last two make the dynamics invariant under scaling.

    Examples
    --------
    >>> scores = np.array([[4.0, 3.0, 0.0]])
    >>> [localmax_neighbours(scores, 0.5, rule=rule).sum().item() for rule in THRESHOLD_RULES]
    [1, 2, 2]
    """
    largest = scores.max(axis=-1, keepdims=True)
    if rule == "absolute":
        reach = sensitivity
    elif rule == "spread":
        reach = sensitivity * (largest - np.where(np.isneginf(scores), largest, scores).min(axis=-1, keepdims=True))
    elif rule == "maximum":
        reach = sensitivity * np.abs(largest)
    else:
        raise InvalidInput(f"threshold is {rule!r}; the rules are {', '.join(map(repr, THRESHOLD_RULES))}")
    return np.asarray(scores >= largest - reach)


def close_neighbours(points: Array, others: Array, radius: float | Array) -> NDArray[np.bool_]:
    r"""Return which others lie within a distance, :math:`|x_i - x_j| \le r`, closed: bounded confidence.

    Hegselmann and Krause (2002). Symmetric, where localmax is not.

    Parameters
    ----------
    points, others : array (..., r, d), (..., n, d)
    radius : float or array that broadcasts against (..., r, n)

    Examples
    --------
    >>> line = np.array([[0.0], [1.0], [3.0]])
    >>> close_neighbours(line, line, 1.0).sum(axis=-1)
    array([2, 2, 1])
    """
    square: Array = np.zeros(())
    for k in range(points.shape[-1]):
        difference = points[..., :, None, k] - others[..., None, :, k]
        square = square + difference * difference
    return np.asarray(np.sqrt(square) <= radius)


def uniform_weights(neighbours: NDArray[np.bool_]) -> Array:
    """Return equal weights on the neighbours of each row, which has at least one.

    Examples
    --------
    >>> uniform_weights(np.array([[True, True], [False, True]]))
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    return np.asarray(neighbours / neighbours.sum(axis=-1, keepdims=True))


class Balanced(NamedTuple):
    """Doubly stochastic weights, and how close to it they are.

    Attributes
    ----------
    weights : array (..., n, n)
    error : array (...)
        The largest distance of a row or column sum from one.
    half_steps : array (...)
        Normalisations done, of rows and of columns.
    """

    weights: Array
    error: Array
    half_steps: NDArray[np.int64]


def sinkhorn_weights(
    scores: Array,
    inverse_temperature: float | Array = 1.0,
    *,
    half_steps: int | None = None,
    tolerance: float = 1e-13,
    limit: int = 10_000,
) -> Balanced:
    r"""Return the doubly stochastic :math:`P_{ij} = e^{\beta s_{ij} + f_i + g_j}` of Sinkhorn (arXiv 2110.11773).

    Rows and columns are normalised in turn, rows first, on logarithms, so that no score overflows: one half step
    is softmax. Matrices of a batch stop one by one, so that a result does not depend on the others.

    Parameters
    ----------
    scores : array (..., n, n)
        Finite.
    inverse_temperature : float or array that broadcasts against the scores
        beta >= 0, the inverse of the regularisation epsilon.
    half_steps : int, optional
        Do exactly so many normalisations, as published Sinkformers do (odd numbers end on rows).
    tolerance : float
        Otherwise go on until no row or column sum is further than this from one,
    limit : int
        or so many half steps are done. ``error`` tells; nothing is hidden.

    Examples
    --------
    >>> balanced = sinkhorn_weights(np.array([[0.0, 1.0], [3.0, 0.0]]))
    >>> bool(balanced.error < 1e-12)
    True
    """
    logits = np.asarray(inverse_temperature * scores, dtype=np.float64)
    batch, shape = logits.shape[:-2], logits.shape
    logits = logits.reshape(-1, *shape[-2:])
    rows, columns = np.zeros(logits.shape[:2]), np.zeros((len(logits), shape[-1]))
    done = np.zeros(len(logits), dtype=np.int64)
    active = np.arange(len(logits))
    for half in range(1, (limit if half_steps is None else half_steps) + 1):
        potential, other, axis = (rows, columns, -1) if half % 2 else (columns, rows, -2)
        before = potential[active]
        after = -_log_sum_exp(logits[active] + np.expand_dims(other[active], -3 - axis), axis)
        potential[active], done[active] = after, half
        if half_steps is None and half > 1:  # the sums before this half step were exp(before - after)
            active = active[np.abs(np.expm1(before - after)).max(axis=-1) > tolerance]
            if not active.size:
                break
    weights = np.exp(logits + rows[:, :, None] + columns[:, None, :])
    off = [np.abs(weights.sum(axis=axis) - 1).max(axis=-1) for axis in (-1, -2)]
    return Balanced(weights.reshape(shape), np.maximum(*off).reshape(batch), done.reshape(batch))


def _log_sum_exp(logits: Array, axis: int) -> Array:
    largest = logits.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(logits - largest).sum(axis=axis)) + largest.squeeze(axis))
