"""The compiled training loop of one-layer softmax attention; arrays in, arrays out.

A member trains a matrix ``U`` (a, r), and on request a vector ``v`` (d,), on one data set:

    scores       s_it = <k_it, U q_i>              keys k (n, T, a), queries q (n, r)
    attention    a_i  = softmax(s_i)
    output       f_i  = sum_t a_it <x_it, v>
    loss         L    = (1/n) sum_i l(y_i f_i)

Training the prompt ``p`` is ``k = X W``, ``q = 1``; training the weights ``W`` is ``k = X``, ``q = z``.

With ``m`` the token of highest score and ``g_t = y <x_t, v>``, the gradient of a sample is the sum over ``t != m``
of ``a_t ((g_t - g_m) - phi) (k_t - k_m) q^T`` with ``phi = sum_t a_t (g_t - g_m)``, times ``l'``: every term has
its own small factor ``a_t``, nothing cancels, and the factor ``e^M`` of the largest term is kept apart. So the
direction of the gradient stays right to rounding however small the gradient is, and a normalised step never
freezes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.compiled import compiled
from lmdata.selection.elementary import exp, log, signed_power, softplus

LOGISTIC, EXPONENTIAL, CORRELATION = 0, 1, 2

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class DataSet(NamedTuple):
    """One data set as the kernel takes it."""

    keys: Floats  # (n, T, a)
    queries: Floats  # (n, r)
    tokens: Floats  # (n, T, d)
    labels: Floats  # (n,)
    lengths: Integers  # (n,) tokens of each sample


class Scratch(NamedTuple):
    """Memory that a gradient needs, reserved once a member."""

    gains: Floats  # (n, T) y_i <x_it, v>
    scores: Floats  # (n, T)
    attention: Floats  # (n, T)
    pull: Floats  # (n, T)
    log_weight: Floats  # (n, T)
    log_slope: Floats  # (n,)
    best: Integers  # (n,)
    along: Floats  # (a,)


class Rule(NamedTuple):
    """How a parameter moves: ``step g / (|g| + epsilon)`` if normalised, in the mirror of ``|u|^exponent``."""

    step: float
    normalised: bool
    epsilon: float
    exponent: float
    radius: float


@compiled()
def train_member(
    data: DataSet,
    weights: Floats,
    value: Floats,
    rule: Rule,
    value_rule: Rule,
    loss: int,
    joint: bool,
    published: bool,
    steps: int,
    record: Integers,
    path: Floats,
    value_path: Floats,
    losses: Floats,
) -> int:
    """Train one member, and write its recorded iterations; return the number of iterations done.

    Parameters
    ----------
    weights : (a, r), value : (d,)
        Start; overwritten.
    record : (k,)
        Ascending iterations to keep, at most ``steps``.
    path : (k, a, r), value_path : (k, d) or (0, d), losses : (k,)
        Results, filled as far as the numbers stay finite.
    """
    flat = weights.ravel()
    dual, value_dual = _to_dual(flat, rule), _to_dual(value, value_rule)
    gradient, value_gradient = np.empty_like(weights), np.empty_like(value)
    flat_gradient = gradient.ravel()
    scratch = _reserve(data, weights)
    _gains(data, value, scratch.gains)
    kept = 0
    for iteration in range(steps + 1):
        if published:
            total = _published_gradient(data, weights, scratch, loss, gradient, value_gradient)
            scale = value_scale = 0.0
        else:
            total, scale, value_scale = _gradient(data, weights, scratch, loss, gradient, value_gradient)
        if not math.isfinite(total) or not _finite(flat) or not _finite(value):
            return iteration
        if kept < len(record) and iteration == record[kept]:
            path[kept] = weights
            losses[kept] = total
            if joint:
                value_path[kept] = value
            kept += 1
        if iteration < steps:
            _descend(flat, dual, flat_gradient, scale, rule)
            if joint:
                _descend(value, value_dual, value_gradient, value_scale, value_rule)
                _gains(data, value, scratch.gains)
    return steps


@compiled(inline=True)
def _reserve(data: DataSet, weights: Floats) -> Scratch:
    shape = data.keys.shape[:2]
    n = len(data.labels)
    return Scratch(
        np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape),
        np.zeros(n), np.zeros(n, np.int64), np.zeros(weights.shape[0]),
    )  # fmt: skip


@compiled(inline=True)
def _gains(data: DataSet, value: Floats, gains: Floats) -> None:
    """Write ``g_it = y_i <x_it, v>``, the score of a token."""
    for i in range(len(data.labels)):
        for t in range(data.lengths[i]):
            total = 0.0
            for k in range(len(value)):
                total += data.tokens[i, t, k] * value[k]
            gains[i, t] = data.labels[i] * total


@compiled(inline=True)
def _score(data: DataSet, i: int, weights: Floats, projected: Floats, scores: Floats) -> int:
    """Write the scores of sample ``i``; return the token of the highest (the first of equals)."""
    for j in range(weights.shape[0]):
        projected[j] = 0.0
        for r in range(weights.shape[1]):
            projected[j] += weights[j, r] * data.queries[i, r]
    best = 0
    for t in range(data.lengths[i]):
        scores[t] = 0.0
        for j in range(weights.shape[0]):
            scores[t] += data.keys[i, t, j] * projected[j]
        if scores[t] > scores[best]:
            best = t
    return best


@compiled(inline=True)
def _loss(margin: float, loss: int) -> float:
    if loss == LOGISTIC:
        return softplus(-margin)
    if loss == EXPONENTIAL:
        return exp(-margin)
    return -margin


@compiled(inline=True)
def _log_slope(margin: float, loss: int) -> float:
    """Return log |l'(margin)|; every loss here falls."""
    if loss == LOGISTIC:
        return -softplus(margin)
    if loss == EXPONENTIAL:
        return -margin
    return 0.0


@compiled(inline=True)
def _gradient(
    data: DataSet, weights: Floats, scratch: Scratch, loss: int, gradient: Floats, value_gradient: Floats
) -> tuple[float, float, float]:
    """Write both gradients, each without its factor ``e^scale``; return the loss and the two scales."""
    gains, scores, attention, pull, log_weight, log_slope, best, along = scratch
    n = len(data.labels)
    samples = 1.0 / n
    scale = value_scale = -math.inf
    total = 0.0
    for i in range(n):
        m = best[i] = _score(data, i, weights, along, scores[i])
        highest, mass = scores[i, m], 0.0
        for t in range(data.lengths[i]):
            scores[i, t] -= highest
            attention[i, t] = exp(scores[i, t])
            mass += attention[i, t]
        phi = 0.0
        for t in range(data.lengths[i]):
            attention[i, t] /= mass
            phi += attention[i, t] * (gains[i, t] - gains[i, m])
        margin = gains[i, m] + phi
        total += _loss(margin, loss) * samples
        log_slope[i] = _log_slope(margin, loss)
        value_scale = max(value_scale, log_slope[i])
        log_mass = log(mass)
        for t in range(data.lengths[i]):
            pull[i, t] = (gains[i, t] - gains[i, m]) - phi
            log_weight[i, t] = -math.inf
            if t != m and pull[i, t] != 0.0 and not _same(data.keys, i, t, m):
                log_weight[i, t] = log_slope[i] + scores[i, t] - log_mass
                scale = max(scale, log_weight[i, t])
    gradient[:] = 0.0
    value_gradient[:] = 0.0
    for i in range(n):
        along[:] = 0.0
        for t in range(data.lengths[i]):
            if log_weight[i, t] > -math.inf:
                factor = exp(log_weight[i, t] - scale) * pull[i, t] * samples
                for j in range(len(along)):
                    along[j] += factor * (data.keys[i, t, j] - data.keys[i, best[i], j])
        for j in range(weights.shape[0]):
            for r in range(weights.shape[1]):
                gradient[j, r] -= along[j] * data.queries[i, r]
        slope = exp(log_slope[i] - value_scale) * data.labels[i] * samples
        for t in range(data.lengths[i]):
            for k in range(len(value_gradient)):
                value_gradient[k] -= slope * attention[i, t] * data.tokens[i, t, k]
    return total, scale, value_scale


@compiled(inline=True)
def _finite(x: Floats) -> bool:
    for j in range(len(x)):  # noqa: SIM110 - numba compiles no generator
        if not math.isfinite(x[j]):
            return False
    return True


@compiled(inline=True)
def _same(keys: Floats, i: int, t: int, m: int) -> bool:
    for j in range(keys.shape[2]):  # noqa: SIM110
        if keys[i, t, j] != keys[i, m, j]:
            return False
    return True


@compiled(inline=True)
def _published_gradient(
    data: DataSet, weights: Floats, scratch: Scratch, loss: int, gradient: Floats, value_gradient: Floats
) -> float:
    """Write both gradients as automatic differentiators round them; return the loss.

    ``a_t (h_t - sum_s a_s h_s)`` with ``h = l' g``, the sum in four lanes: what the published double-precision
    runs computed, whose cancellation turns the direction once the attention has settled.
    """
    gains, along = scratch.gains, scratch.along
    n = len(data.labels)
    gradient[:] = 0.0
    value_gradient[:] = 0.0
    total = 0.0
    for i in range(n):
        count, label = data.lengths[i], data.labels[i]
        scores, attention, slopes = scratch.scores[i], scratch.attention[i], scratch.pull[i]
        highest = scores[_score(data, i, weights, along, scores)]
        for t in range(count):
            attention[t] = exp(scores[t] - highest)
        attention[:count] /= _lanes(attention, count)
        margin = 0.0
        for t in range(count):
            margin += attention[t] * gains[i, t]
        total += _loss(margin, loss) / n
        slope = -1.0 / n
        if loss == LOGISTIC:
            slope = slope / (1.0 + exp(-margin)) * exp(-margin)
        elif loss == EXPONENTIAL:
            slope = slope * exp(-margin)
        for t in range(count):
            slopes[t] = gains[i, t] * slope
            scores[t] = slopes[t] * attention[t]
        mean = _lanes(scores, count)
        along[:] = 0.0
        for t in range(count):
            factor = (slopes[t] - mean) * attention[t]
            for j in range(len(along)):
                along[j] += factor * data.keys[i, t, j]
            for k in range(len(value_gradient)):
                value_gradient[k] += slope * label * attention[t] * data.tokens[i, t, k]
        for j in range(weights.shape[0]):
            for r in range(weights.shape[1]):
                gradient[j, r] += along[j] * data.queries[i, r]
    return total


@compiled(inline=True)
def _lanes(x: Floats, count: int) -> float:
    """Return the sum of the first numbers, in four partial sums that are then added in order."""
    lanes = np.zeros(4)
    for t in range(count):
        lanes[t % 4] += x[t]
    return float(lanes[0] + lanes[1] + lanes[2] + lanes[3])


@compiled(inline=True)
def _to_dual(weights: Floats, rule: Rule) -> Floats:
    """Return the mirror image ``sign(u) |u|^(exponent - 1)``; for exponent 2 the array itself."""
    if rule.exponent == 2.0:
        return weights
    dual = np.empty_like(weights)
    for j in range(len(weights)):
        dual[j] = signed_power(weights[j], rule.exponent - 1.0)
    return dual


@compiled(inline=True)
def _descend(weights: Floats, dual: Floats, gradient: Floats, scale: float, rule: Rule) -> None:
    """Take one step along ``e^scale gradient``."""
    size = 0.0
    for j in range(len(gradient)):
        size += gradient[j] * gradient[j]
    size = math.sqrt(size)
    if size == 0.0:
        return
    if rule.normalised:
        factor = rule.step / size
        if rule.epsilon > 0.0:
            factor /= 1.0 + rule.epsilon * exp(-scale) / size
    else:
        factor = rule.step * exp(scale)
    for j in range(len(dual)):
        dual[j] -= factor * gradient[j]
        if rule.exponent != 2.0:
            weights[j] = signed_power(dual[j], 1.0 / (rule.exponent - 1.0))
    if rule.radius < math.inf:
        norm = math.sqrt((weights * weights).sum())
        if norm > rule.radius:
            weights *= rule.radius / norm
