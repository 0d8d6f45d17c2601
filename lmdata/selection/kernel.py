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
direction of the gradient stays right to rounding however small the gradient is, and a normalised step never freezes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.compiled import compiled
from lmdata.selection.elementary import exp, log, signed_power, softplus

LOGISTIC, EXPONENTIAL, CORRELATION = 0, 1, 2

SMALLEST = 1e-150
"""Where all factors of a gradient are smaller, they are computed by logarithms: those beside them would underflow."""

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
    """What the computation of a gradient writes down on its way, reserved once a member."""

    gains: Floats  # (n, T) y_i <x_it, v>
    scores: Floats  # (n, T) less the highest of the sample
    attention: Floats  # (n, T)
    pull: Floats  # (n, T) (g_t - g_m) - phi
    factor: Floats  # (n, T) of k_t - k_m in the gradient
    slope: Floats  # (n,) |l'|
    mass: Floats  # (n,) sum of e^scores
    margin: Floats  # (n,) y_i f_i
    best: Integers  # (n,) token m
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
        if not _finite(flat) or not _finite(value):
            return iteration
        _attend(data, weights, scratch)
        if kept < len(record) and iteration == record[kept]:
            losses[kept] = _mean_loss(scratch.margin, loss)
            if not math.isfinite(losses[kept]):
                return iteration
            path[kept] = weights
            if joint:
                value_path[kept] = value
            kept += 1
        if iteration == steps:
            break
        scale = value_scale = 0.0
        if published:
            _published_factors(data, scratch, loss)
        elif not _factors(data, scratch, loss) >= SMALLEST:
            scale, value_scale = _scaled_factors(data, scratch, loss)
        _gradient(data, scratch, gradient, published)
        _descend(flat, dual, flat_gradient, scale, rule)
        if joint:
            _value_gradient(data, scratch, value_gradient)
            _descend(value, value_dual, value_gradient, value_scale, value_rule)
            _gains(data, value, scratch.gains)
    return steps


@compiled(inline=True)
def _reserve(data: DataSet, weights: Floats) -> Scratch:
    n, width = data.keys.shape[:2]
    tokens, samples = np.zeros((5, n, width)), np.zeros((3, n))
    return Scratch(
        tokens[0], tokens[1], tokens[2], tokens[3], tokens[4], samples[0], samples[1], samples[2],
        np.zeros(n, np.int64), np.zeros(weights.shape[0]),
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
def _attend(data: DataSet, weights: Floats, scratch: Scratch) -> None:
    """Write scores, attention, margins and pulls."""
    gains, scores, attention, pull, _, _, mass, margin, best, along = scratch
    for i in range(len(data.labels)):
        for j in range(weights.shape[0]):
            along[j] = 0.0
            for r in range(weights.shape[1]):
                along[j] += weights[j, r] * data.queries[i, r]
        m = 0
        for t in range(data.lengths[i]):
            score = 0.0
            for j in range(weights.shape[0]):
                score += data.keys[i, t, j] * along[j]
            scores[i, t] = score
            if score > scores[i, m]:
                m = t
        highest, total = scores[i, m], 0.0
        for t in range(data.lengths[i]):
            scores[i, t] -= highest
            attention[i, t] = exp(scores[i, t])
            total += attention[i, t]
        phi = 0.0
        for t in range(data.lengths[i]):
            attention[i, t] /= total
            phi += attention[i, t] * (gains[i, t] - gains[i, m])
        for t in range(data.lengths[i]):
            pull[i, t] = (gains[i, t] - gains[i, m]) - phi
        best[i], mass[i], margin[i] = m, total, gains[i, m] + phi


@compiled(inline=True)
def _mean_loss(margin: Floats, loss: int) -> float:
    total = 0.0
    for i in range(len(margin)):
        if loss == LOGISTIC:
            total += softplus(-margin[i])
        elif loss == EXPONENTIAL:
            total += exp(-margin[i])
        else:
            total -= margin[i]
    return total / len(margin)


@compiled(inline=True)
def _factors(data: DataSet, scratch: Scratch, loss: int) -> float:
    """Write ``|l'| a_t pull_t / n`` and ``|l'|``; return the smaller of the largest factor and the largest slope.

    Factors far below the largest may underflow, and do not matter; if the largest itself is small, they do.
    """
    _, _, attention, pull, factor, slope, _, margin, best, _ = scratch
    n = len(data.labels)
    largest = steepest = 0.0
    for i in range(n):
        slope[i] = 1.0
        if loss == EXPONENTIAL:
            slope[i] = exp(-margin[i])
        elif loss == LOGISTIC:
            falling = exp(-abs(margin[i]))
            slope[i] = (falling if margin[i] > 0.0 else 1.0) / (1.0 + falling)
        steepest = max(steepest, slope[i])
        for t in range(data.lengths[i]):
            factor[i, t] = slope[i] * attention[i, t] * pull[i, t] / n
            if abs(factor[i, t]) > largest and not _same(data.keys, i, t, best[i]):
                largest = abs(factor[i, t])
    return min(largest, steepest)


@compiled(inline=True)
def _scaled_factors(data: DataSet, scratch: Scratch, loss: int) -> tuple[float, float]:
    """Write what `_factors` does, divided by ``e^scale`` and ``e^value_scale``; return these exponents."""
    _, scores, _, pull, factor, slope, mass, margin, best, _ = scratch
    n = len(data.labels)
    scale = value_scale = -math.inf
    for i in range(n):
        slope[i] = -softplus(margin[i]) if loss == LOGISTIC else -margin[i] if loss == EXPONENTIAL else 0.0
        value_scale = max(value_scale, slope[i])
        log_mass = log(mass[i])
        for t in range(data.lengths[i]):
            factor[i, t] = slope[i] + scores[i, t] - log_mass
            if pull[i, t] != 0.0 and not _same(data.keys, i, t, best[i]):
                scale = max(scale, factor[i, t])
    for i in range(n):
        slope[i] = exp(slope[i] - value_scale)
        for t in range(data.lengths[i]):
            factor[i, t] = exp(min(0.0, factor[i, t] - scale)) * pull[i, t] / n
    return scale, value_scale


@compiled(inline=True)
def _gradient(data: DataSet, scratch: Scratch, gradient: Floats, published: bool) -> None:
    """Write ``- sum over i, t of factor_it (k_it - k_im) q_i^T``; in the published form without k_im."""
    gradient[:] = 0.0
    along = scratch.along
    for i in range(len(data.labels)):
        m = scratch.best[i]
        along[:] = 0.0
        for t in range(data.lengths[i]):
            for j in range(len(along)):
                key = data.keys[i, t, j] if published else data.keys[i, t, j] - data.keys[i, m, j]
                along[j] += scratch.factor[i, t] * key
        for j in range(gradient.shape[0]):
            for r in range(gradient.shape[1]):
                gradient[j, r] -= along[j] * data.queries[i, r]


@compiled(inline=True)
def _value_gradient(data: DataSet, scratch: Scratch, gradient: Floats) -> None:
    """Write ``- (1/n) sum_i |l'_i| y_i sum_t a_it x_it``."""
    gradient[:] = 0.0
    for i in range(len(data.labels)):
        slope = scratch.slope[i] * data.labels[i] / len(data.labels)
        for t in range(data.lengths[i]):
            for k in range(len(gradient)):
                gradient[k] -= slope * scratch.attention[i, t] * data.tokens[i, t, k]


@compiled(inline=True)
def _published_factors(data: DataSet, scratch: Scratch, loss: int) -> None:
    """Write the factors as automatic differentiators round them.

    ``a_t (h_t - sum_s a_s h_s)`` with ``h = |l'| g / n``, the sums in four lanes: what the published double-precision
    runs computed, whose cancellation turns the direction once attention has settled.
    """
    gains, scores, attention, pull, factor, slope, _, _, _, _ = scratch
    n = len(data.labels)
    for i in range(n):
        count = data.lengths[i]
        for t in range(count):
            attention[i, t] = exp(scores[i, t])
        total, margin = _lanes(attention, i, count), 0.0
        for t in range(count):
            attention[i, t] /= total
            margin += attention[i, t] * gains[i, t]
        slope[i] = 1.0 / n
        if loss == LOGISTIC:
            slope[i] = slope[i] / (1.0 + exp(-margin)) * exp(-margin)
        elif loss == EXPONENTIAL:
            slope[i] = slope[i] * exp(-margin)
        for t in range(count):
            pull[i, t] = gains[i, t] * slope[i] * attention[i, t]
        mean = _lanes(pull, i, count)
        for t in range(count):
            factor[i, t] = (gains[i, t] * slope[i] - mean) * attention[i, t]
        slope[i] *= n


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
def _lanes(x: Floats, i: int, count: int) -> float:
    """Return the sum of the first numbers of row ``i``, in four partial sums that are then added in order."""
    lanes = np.zeros(4)
    for t in range(count):
        lanes[t % 4] += x[i, t]
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
