"""The compiled training loop of one-layer softmax attention; arrays in, arrays out.

A member trains a matrix ``U`` (a, r), and on request a vector ``v`` (d,), on one data set:

    scores       s_it = <k_it, U q_i>              keys k (n, T, a), queries q (n, r)
    attention    a_i  = softmax(s_i)
    output       f_i  = sum_t a_it <x_it, v>
    loss         L    = (1/n) sum_i l(y_i f_i)

Training the prompt ``p`` is ``k = X W``, ``q = 1``; training the weights ``W`` is ``k = X``, ``q = z``; training
factors moves K and Q of ``U = K Q^T``. Under a nonlinear head, ``f_i = <v, sigma(sum_t a_it x_it)>``, the head is
replaced in each iteration by its tangent there, whose token scores are ``g_t = y <v sigma'(sum_t a_it x_it), x_t>``.

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

from lmdata.numerics.compiled import compiled
from lmdata.numerics.elementary import exp, log, softplus
from lmdata.selection.descent import Rule, Trained, descend, factor_gradient, finite, keep, multiply, to_dual

LOGISTIC, EXPONENTIAL, CORRELATION = 0, 1, 2
LINEAR, RELU, TANH = 0, 1, 2  # else sigmoid

SMALLEST = 1e-150
"""Where all factors of a gradient are smaller, they are computed by logarithms: those beside them would underflow."""

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Places = NDArray[np.uint64]  # unsigned, so that no index can count from the end: loops need not ask


class DataSet(NamedTuple):
    """One data set as the kernel takes it: the N tokens of all samples in a row, so that loops over them are dense."""

    keys: Floats  # (a, N)
    queries: Floats  # (n, r)
    tokens: Floats  # (d, N)
    labels: Floats  # (n,)
    first: Places  # (n + 1,) where each sample's tokens begin, and N
    alike: Integers  # (N,) first token of the sample that has the same key


class Scratch(NamedTuple):
    """What the computation of a gradient writes down on its way, reserved once a member."""

    gains: Floats  # (N,) y_i <x_it, v>
    scores: Floats  # (N,) less the highest of the sample
    attention: Floats  # (N,)
    pull: Floats  # (N,) (g_t - g_m) - phi
    factor: Floats  # (N,) of k_t - k_m in the gradient
    slope: Floats  # (n,) |l'|
    mass: Floats  # (n,) sum of e^scores
    margin: Floats  # (n,) y_i f_i
    best: Places  # (n,) token m


def train_member(
    data: DataSet,
    start: Floats,
    value: Floats,
    rule: Rule,
    value_rule: Rule,
    loss: int,
    head: int,
    joint: bool,
    factored: bool,
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
    start : (a, r) or, of factors, K above Q, (a + r, columns), value : (d,)
        Start; overwritten.
    head : int
        Number of the head in `lmdata.selection.heads.HEADS`.
    record : (k,)
        Ascending iterations to keep, at most ``steps``.
    path : (k, *start.shape), value_path : (k, d) or (0, d), losses : (k,)
        Results, filled as far as the numbers stay finite.
    """
    n, total = len(data.labels), data.keys.shape[1]
    tokens, samples = np.zeros((5, total)), np.zeros((3, n))
    scratch = Scratch(
        tokens[0],
        tokens[1],
        tokens[2],
        tokens[3],
        tokens[4],
        samples[0],
        samples[1],
        samples[2],
        np.zeros(n, np.uint64),
    )
    moved = _trained(start)
    prompt = _trained(np.zeros((data.keys.shape[0], data.queries.shape[1]))) if factored else moved
    return _train(
        data, scratch, moved, prompt, _trained(value[:, None]), rule, value_rule, loss, head, joint, factored,
        published, steps, record, path, value_path, losses,
    )  # fmt: skip


def _trained(start: Floats) -> Trained:
    """Return a parameter that is to be moved, and room for its steps."""
    return Trained(start, start.reshape(-1), np.empty(start.size), np.empty(start.shape))


@compiled(no_refcount=True)
def _train(
    data: DataSet,
    scratch: Scratch,
    moved: Trained,
    prompt: Trained,
    value: Trained,
    rule: Rule,
    value_rule: Rule,
    loss: int,
    head: int,
    joint: bool,
    factored: bool,
    published: bool,
    steps: int,
    record: Integers,
    path: Floats,
    value_path: Floats,
    losses: Floats,
) -> int:
    """Do the work of `train_member` on arrays that are reserved already; ``moved`` is the prompt, or its factors."""
    to_dual(moved, rule)
    to_dual(value, value_rule)
    _gains(data, value.flat, scratch.gains)
    kept = 0
    for iteration in range(steps + 1):
        if not finite(moved.flat) or not finite(value.flat):
            return iteration
        if factored:
            multiply(moved.matrix, prompt.matrix)
        _attend(data, prompt.matrix, scratch)
        if head != LINEAR:
            _to_tangent(data, value.flat, scratch, head)
        if kept < len(record) and iteration == record[kept]:
            losses[kept] = _mean_loss(scratch.margin, loss)
            if not math.isfinite(losses[kept]):
                return iteration
            keep(moved.matrix, path, kept)
            if joint:
                for k in range(len(value.flat)):
                    value_path[kept, k] = value.flat[k]
            kept += 1
        if iteration == steps:
            break
        scale = value_scale = 0.0
        if published:
            _published_factors(data, scratch, loss)
        elif not _factors(data, scratch, loss) >= SMALLEST:
            scale, value_scale = _scaled_factors(data, scratch, loss)
        _gradient(data, scratch, prompt.gradient, published)
        if factored:
            factor_gradient(moved.matrix, prompt.gradient, moved.gradient)
        descend(moved, scale, rule)
        if joint:
            _value_gradient(data, scratch, value.gradient)
            descend(value, value_scale, value_rule)
            _gains(data, value.flat, scratch.gains)
    return steps


@compiled(no_refcount=True)
def _gains(data: DataSet, value: Floats, gains: Floats) -> None:
    """Write ``g_it = y_i <x_it, v>``, the score of a token."""
    _, _, tokens, labels, first, _ = data
    for t in range(len(gains)):
        gains[t] = 0.0
    for k in range(len(value)):
        for t in range(len(gains)):
            gains[t] += tokens[k, t] * value[k]
    for i in range(len(labels)):
        for t in range(first[i], first[i + 1]):
            gains[t] *= labels[i]


@compiled(no_refcount=True)
def _attend(data: DataSet, weights: Floats, scratch: Scratch) -> None:
    """Write scores, attention, margins and pulls."""
    keys, queries, _, labels, first, _ = data
    gains, scores, attention, pull, _, _, mass, margin, best = scratch
    for t in range(len(scores)):
        scores[t] = 0.0
    for i in range(len(labels)):
        begin, end = first[i], first[i + 1]
        for j in range(weights.shape[0]):
            along = 0.0
            for r in range(weights.shape[1]):
                along += weights[j, r] * queries[i, r]
            for t in range(begin, end):
                scores[t] += keys[j, t] * along
        m, highest = begin, scores[begin]
        for t in range(begin, end):
            if scores[t] > highest:
                m, highest = t, scores[t]
        for t in range(begin, end):
            scores[t] -= highest
        best[i] = m
    for t in range(len(scores)):
        attention[t] = exp(scores[t])
    for i in range(len(labels)):
        begin, end, highest = first[i], first[i + 1], gains[best[i]]
        total = phi = 0.0
        for t in range(begin, end):
            total += attention[t]
        for t in range(begin, end):
            attention[t] /= total
            pull[t] = gains[t] - highest
        for t in range(begin, end):
            phi += attention[t] * pull[t]
        for t in range(begin, end):
            pull[t] -= phi
        mass[i], margin[i] = total, highest + phi


@compiled(no_refcount=True)
def _to_tangent(data: DataSet, value: Floats, scratch: Scratch, head: int) -> None:
    """Write the margins under a nonlinear head, and gains and pulls of its tangent at the attended means."""
    _, _, tokens, labels, first, _ = data
    gains, _, attention, pull, _, _, _, margin, best = scratch
    for i in range(len(labels)):
        begin, end, output, phi = first[i], first[i + 1], 0.0, 0.0
        for t in range(begin, end):
            gains[t] = 0.0
        for k in range(len(value)):
            mean = 0.0
            for t in range(begin, end):
                mean += attention[t] * tokens[k, t]
            reached, slope = _activated(mean, head)
            output += value[k] * reached
            for t in range(begin, end):
                gains[t] += tokens[k, t] * (value[k] * slope)
        for t in range(begin, end):
            gains[t] *= labels[i]
        highest = gains[best[i]]
        for t in range(begin, end):
            pull[t] = gains[t] - highest
        for t in range(begin, end):
            phi += attention[t] * pull[t]
        for t in range(begin, end):
            pull[t] -= phi
        margin[i] = labels[i] * output


@compiled(no_refcount=True)
def _activated(x: float, head: int) -> tuple[float, float]:
    """Return what a neuron makes of a number, and the slope there; see `lmdata.selection.heads`."""
    if head == RELU:
        return (x, 1.0) if x > 0.0 else (0.0, 0.0)
    small = exp(-abs(x) * (2.0 if head == TANH else 1.0))
    share = 1.0 / (1.0 + small)
    if head == TANH:
        return math.copysign((1.0 - small) / (1.0 + small), x), 4.0 * small * share * share
    return (small if x < 0.0 else 1.0) / (1.0 + small), small * share * share


@compiled(no_refcount=True)
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


@compiled(no_refcount=True)
def _factors(data: DataSet, scratch: Scratch, loss: int) -> float:
    """Write ``|l'| a_t pull_t / n`` and ``|l'|``; return the smaller of the largest factor and the largest slope.

    Factors far below the largest may underflow, and do not matter; if the largest itself is small, they do.
    """
    _, _, _, labels, first, alike = data
    _, _, attention, pull, factor, slope, _, margin, best = scratch
    n = len(labels)
    largest = steepest = 0.0
    for i in range(n):
        steep = 1.0
        if loss == EXPONENTIAL:
            steep = exp(-margin[i])
        elif loss == LOGISTIC:
            falling = exp(-abs(margin[i]))
            steep = (falling if margin[i] > 0.0 else 1.0) / (1.0 + falling)
        slope[i] = steep
        steepest = max(steepest, steep)
        for t in range(first[i], first[i + 1]):
            factor[t] = steep * attention[t] * pull[t] / n
        same = alike[best[i]]
        for t in range(first[i], first[i + 1]):
            size = abs(factor[t]) if alike[t] != same else 0.0
            largest = size if size > largest else largest
    return min(largest, steepest)


@compiled(no_refcount=True)
def _scaled_factors(data: DataSet, scratch: Scratch, loss: int) -> tuple[float, float]:
    """Write what `_factors` does, divided by ``e^scale`` and ``e^value_scale``; return these exponents."""
    _, _, _, labels, first, alike = data
    _, scores, _, pull, factor, slope, mass, margin, best = scratch
    n = len(labels)
    scale = value_scale = -math.inf
    for i in range(n):
        slope[i] = -softplus(margin[i]) if loss == LOGISTIC else -margin[i] if loss == EXPONENTIAL else 0.0
        value_scale = max(value_scale, slope[i])
        log_mass = log(mass[i])
        for t in range(first[i], first[i + 1]):
            factor[t] = slope[i] + scores[t] - log_mass
            if pull[t] != 0.0 and alike[t] != alike[best[i]]:
                scale = max(scale, factor[t])
    for i in range(n):
        slope[i] = exp(slope[i] - value_scale)
    for t in range(len(factor)):
        factor[t] = exp(min(0.0, factor[t] - scale)) * pull[t] / n
    return scale, value_scale


@compiled(no_refcount=True)
def _gradient(data: DataSet, scratch: Scratch, gradient: Floats, published: bool) -> None:
    """Write ``- sum over i, t of factor_it (k_it - k_im) q_i^T``; in the published form without k_im."""
    keys, queries, _, labels, first, _ = data
    factor, best = scratch.factor, scratch.best
    for j in range(gradient.shape[0]):
        for r in range(gradient.shape[1]):
            gradient[j, r] = 0.0
        for i in range(len(labels)):
            origin = 0.0 if published else keys[j, best[i]]
            along = 0.0
            for t in range(first[i], first[i + 1]):
                along += factor[t] * (keys[j, t] - origin)
            for r in range(gradient.shape[1]):
                gradient[j, r] -= along * queries[i, r]


@compiled(no_refcount=True)
def _value_gradient(data: DataSet, scratch: Scratch, gradient: Floats) -> None:
    """Write ``- (1/n) sum_i |l'_i| y_i sum_t a_it x_it``, (d, 1)."""
    _, _, tokens, labels, first, _ = data
    attention, slope = scratch.attention, scratch.slope
    for k in range(len(gradient)):
        gradient[k, 0] = 0.0
        for i in range(len(labels)):
            steep = slope[i] * labels[i] / len(labels)
            for t in range(first[i], first[i + 1]):
                gradient[k, 0] -= steep * attention[t] * tokens[k, t]


@compiled(no_refcount=True)
def _published_factors(data: DataSet, scratch: Scratch, loss: int) -> None:
    """Write the factors as automatic differentiators round them.

    ``a_t (h_t - sum_s a_s h_s)`` with ``h = |l'| g / n``, the sums in four lanes: what the published double-precision
    runs computed, whose cancellation turns the direction once attention has settled.
    """
    _, _, _, labels, first, _ = data
    gains, scores, attention, pull, factor, slope, _, _, _ = scratch
    n = len(labels)
    for t in range(len(scores)):
        attention[t] = exp(scores[t])
    for i in range(n):
        begin, end = first[i], first[i + 1]
        total, margin = _lanes(attention, begin, end), 0.0
        for t in range(begin, end):
            attention[t] /= total
            margin += attention[t] * gains[t]
        slope[i] = 1.0 / n
        if loss == LOGISTIC:
            slope[i] = slope[i] / (1.0 + exp(-margin)) * exp(-margin)
        elif loss == EXPONENTIAL:
            slope[i] = slope[i] * exp(-margin)
        for t in range(begin, end):
            pull[t] = gains[t] * slope[i] * attention[t]
        mean = _lanes(pull, begin, end)
        for t in range(begin, end):
            factor[t] = (gains[t] * slope[i] - mean) * attention[t]
        slope[i] *= n


@compiled(no_refcount=True)
def _lanes(x: Floats, begin: int, end: int) -> float:
    """Return the sum of a range of numbers, in four partial sums that are then added in order."""
    total = 0.0
    for lane in range(begin, end if end < begin + 4 else begin + 4):
        part = 0.0
        for t in range(lane, end, 4):
            part += x[t]
        total += part
    return total
