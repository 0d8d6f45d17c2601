"""One review forward and back, and epochs of minibatches, compiled: the arithmetic is fixed, to the last bit.

All sums run over ascending indices, every product and sum is rounded on its own, and the exponential is that of
`lmdata.numerics.elementary`. One thread trains one classifier: no result depends on the number of threads, on BLAS or
on the machine.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled
from lmdata.numerics.elementary import exp, softplus

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Layers(NamedTuple):
    """What the layers between encoder and decoder do."""

    depth: int
    """K."""
    gain: float
    """alpha / (1 + alpha)."""
    soft: bool
    """Softmax weights; else equal ones on the localmax neighbourhood."""
    number: float
    """Inverse temperature beta, or alignment sensitivity delta."""


class Weights(NamedTuple):
    """What is trained; the kernels change it in place."""

    embedding: Floats
    """A row a word, (v, d)."""
    decoder: Floats
    """w and, last, b: (d + 1,)."""


class Texts(NamedTuple):
    """Reviews one after the other."""

    words: Integers
    """Number of each word, (occurrence,)."""
    first: Integers
    """Where each review begins, and where the last ends: (review + 1,)."""
    labels: Floats
    """0 or 1, (review,)."""


class Descent(NamedTuple):
    """How steps are made: Adam's (arXiv 1412.6980), on the rows of the embedding that a batch has touched."""

    step: float
    decay: float
    """Of the mean of gradients."""
    square_decay: float
    """Of the mean of their squares."""
    epsilon: float
    penalty: float
    """Of the loss: so many times half the squared length of decoder and touched embeddings, a batch."""
    encoder: bool
    """Whether the embedding is trained."""


class Moments(NamedTuple):
    """Means of gradients and of their squares, and how many steps a parameter has made."""

    embedding: Floats
    embedding_square: Floats
    embedding_steps: Integers
    decoder: Floats
    decoder_square: Floats
    decoder_steps: Integers


class Space(NamedTuple):
    """Arrays to work in, for reviews of up to n words."""

    state: Floats
    """Tokens of every layer, transposed: (K + 1, d, n)."""
    attention: Floats
    """P of every layer, (K, n, n)."""
    row: Floats
    """(n,)."""
    share: Floats
    """Column means of the product of the layers, (n,)."""
    back: Floats
    """Derivative by the state, transposed, (d, n)."""
    back_before: Floats
    """(d, n)."""
    back_scores: Floats
    """(n, n)."""


def space(layers: Layers, components: int, most: int) -> Space:
    """Return arrays to work in, for reviews of at most so many words."""
    k, d, n = layers.depth, components, max(most, 1)
    return Space(
        np.empty((k + 1, d, n)),
        np.empty((k, n, n)),
        np.empty(n),
        np.empty(n),
        np.empty((d, n)),
        np.empty((d, n)),
        np.empty((n, n)),
    )


@compiled()
def attend(state: Floats, n: int, layers: Layers, attention: Floats) -> None:
    """Write the weights P (n, n) of a state (d, n) into ``attention``."""
    d = state.shape[0]
    for i in range(n):
        row = attention[i, :n]
        row[:] = 0.0
        for c in range(d):
            own = state[c, i]
            for j in range(n):
                row[j] += own * state[c, j]
        largest = row[0]
        for j in range(1, n):
            largest = max(largest, row[j])
        total = 0.0
        for j in range(n):
            if layers.soft:
                row[j] = exp(layers.number * (row[j] - largest))
            else:
                row[j] = 1.0 if row[j] >= largest - layers.number else 0.0
            total += row[j]
        for j in range(n):
            row[j] /= total


@compiled()
def forward(words: Integers, weights: Weights, layers: Layers, work: Space) -> float:
    """Return the logit of a review; leave its states and attention in the arrays to work in."""
    n, d = words.size, weights.embedding.shape[1]
    first = work.state[0]
    for j in range(n):
        for c in range(d):
            first[c, j] = weights.embedding[words[j], c]
    for layer in range(layers.depth):
        now, then, attention = work.state[layer], work.state[layer + 1], work.attention[layer]
        attend(now, n, layers, attention)
        for c in range(d):
            for i in range(n):
                mean = 0.0
                for j in range(n):
                    mean += attention[i, j] * now[c, j]
                then[c, i] = now[c, i] + layers.gain * (mean - now[c, i])
    last = work.state[layers.depth]
    logit = weights.decoder[d]
    for c in range(d):
        total = 0.0
        for j in range(n):
            total += last[c, j]
        if n > 0:
            logit += weights.decoder[c] * (total / n)
    return float(logit)


@compiled()
def shares(n: int, layers: Layers, work: Space) -> None:
    """Write into ``work.share`` how much each embedding counts in the mean of the last state; after `forward`."""
    share, row = work.share, work.row
    for j in range(n):
        share[j] = 1.0 / n
    for layer in range(layers.depth - 1, -1, -1):
        attention = work.attention[layer]
        row[:n] = 0.0
        for i in range(n):
            for j in range(n):
                row[j] += share[i] * attention[i, j]
        for j in range(n):
            share[j] += layers.gain * (row[j] - share[j])


@compiled()
def backward(n: int, slope: float, weights: Weights, layers: Layers, work: Space) -> None:
    """Leave in ``work.back`` the derivative of the loss by the embeddings of a review's words, (d, n); after `forward`.

    ``slope`` is the derivative by the logit. Neighbourhoods are piecewise constant, so that theirs is that of the means
    alone: the derivative by word j is its share times the decoder. Softmax weights move with the state.
    """
    d = weights.embedding.shape[1]
    if not layers.soft:
        shares(n, layers, work)
        for c in range(d):
            for j in range(n):
                work.back[c, j] = slope * work.share[j] * weights.decoder[c]
        return
    back, before, by_score = work.back, work.back_before, work.back_scores
    for c in range(d):
        for j in range(n):
            back[c, j] = slope * weights.decoder[c] / n
    for layer in range(layers.depth - 1, -1, -1):
        state, attention = work.state[layer], work.attention[layer]
        for i in range(n):
            by_weight = work.row
            by_weight[:n] = 0.0
            for c in range(d):
                for j in range(n):
                    by_weight[j] += back[c, i] * state[c, j]
            mean = 0.0
            for j in range(n):
                mean += attention[i, j] * by_weight[j]
            for j in range(n):
                by_score[i, j] = layers.gain * layers.number * attention[i, j] * (by_weight[j] - mean)
        for c in range(d):
            for j in range(n):
                before[c, j] = (1.0 - layers.gain) * back[c, j]
            for i in range(n):
                through_score = 0.0
                for j in range(n):
                    before[c, j] += layers.gain * attention[i, j] * back[c, i] + by_score[i, j] * state[c, i]
                    through_score += by_score[i, j] * state[c, j]
                before[c, i] += through_score
        for c in range(d):
            for j in range(n):
                back[c, j] = before[c, j]


@compiled()
def sigmoid(logit: float) -> float:
    """Return 1 / (1 + e^-x), without overflow."""
    small = exp(-abs(logit))
    return 1.0 / (1.0 + small) if logit >= 0.0 else small / (1.0 + small)


@compiled()
def _adam(value: Floats, gradient: Floats, mean: Floats, square: Floats, made: int, rule: Descent) -> None:
    """Make one step of Adam, its number counted from 1, and forget the gradient."""
    first = 1.0 - exp_power(rule.decay, made)
    second = 1.0 - exp_power(rule.square_decay, made)
    for c in range(value.size):
        slope = gradient[c]
        mean[c] = rule.decay * mean[c] + (1.0 - rule.decay) * slope
        square[c] = rule.square_decay * square[c] + (1.0 - rule.square_decay) * (slope * slope)
        value[c] -= rule.step * (mean[c] / first) / (np.sqrt(square[c] / second) + rule.epsilon)
        gradient[c] = 0.0


@compiled()
def exp_power(base: float, power: int) -> float:
    """Return a power by repeated squaring, of a fixed order."""
    found, square = 1.0, base
    while power > 0:
        if power & 1:
            found *= square
        square *= square
        power >>= 1
    return found


@compiled()
def train_epoch(
    texts: Texts,
    order: Integers,
    batch: int,
    weights: Weights,
    moments: Moments,
    layers: Layers,
    rule: Descent,
    work: Space,
) -> float:
    """Train on the reviews of ``order``, a batch at a time; return their mean loss, each before its batch's step."""
    v, d = weights.embedding.shape
    by_embedding, by_decoder = np.zeros((v, d)), np.zeros(d + 1)
    touched, is_touched = np.empty(v, np.int64), np.zeros(v, np.bool_)
    total = 0.0
    for begin in range(0, order.size, batch):
        end = min(begin + batch, order.size)
        count = 0
        for place in range(begin, end):
            review = order[place]
            words = texts.words[texts.first[review] : texts.first[review + 1]]
            n = words.size
            logit = forward(words, weights, layers, work)
            total += softplus(-logit if texts.labels[review] > 0.5 else logit)
            slope = (sigmoid(logit) - texts.labels[review]) / (end - begin)
            by_decoder[d] += slope
            if n == 0:
                continue
            last = work.state[layers.depth]
            for c in range(d):
                mean = 0.0
                for j in range(n):
                    mean += last[c, j]
                by_decoder[c] += slope * (mean / n)
            if not rule.encoder:
                continue
            backward(n, slope, weights, layers, work)
            for j in range(n):
                word = words[j]
                if not is_touched[word]:
                    is_touched[word] = True
                    touched[count] = word
                    count += 1
                for c in range(d):
                    by_embedding[word, c] += work.back[c, j]
        for number in range(count):
            word = touched[number]
            is_touched[word] = False
            for c in range(d):
                by_embedding[word, c] += rule.penalty * weights.embedding[word, c]
            moments.embedding_steps[word] += 1
            _adam(
                weights.embedding[word],
                by_embedding[word],
                moments.embedding[word],
                moments.embedding_square[word],
                moments.embedding_steps[word],
                rule,
            )
        for c in range(d):
            by_decoder[c] += rule.penalty * weights.decoder[c]
        moments.decoder_steps[0] += 1
        _adam(weights.decoder, by_decoder, moments.decoder, moments.decoder_square, moments.decoder_steps[0], rule)
    return total / order.size


@compiled()
def read_all(
    texts: Texts,
    weights: Weights,
    layers: Layers,
    work: Space,
    logits: Floats,
    share: Floats,
    leader: NDArray[np.bool_],
    begin: int,
    end: int,
) -> None:
    """Write logits (review,), and of every occurrence its share and whether it leads, for reviews begin to end.

    A token leads that is in the neighbourhood of its own in the last state: of softmax layers in that of hardmax.
    """
    d = weights.embedding.shape[1]
    delta = 0.0 if layers.soft else layers.number
    for review in range(begin, end):
        first, last = texts.first[review], texts.first[review + 1]
        n = last - first
        logits[review] = forward(texts.words[first:last], weights, layers, work)
        if n == 0:
            continue
        shares(n, layers, work)
        state = work.state[layers.depth]
        for i in range(n):
            share[first + i] = work.share[i]
            own, largest = 0.0, -np.inf
            for j in range(n):
                score = 0.0
                for c in range(d):
                    score += state[c, i] * state[c, j]
                largest = max(largest, score)
                own = score if j == i else own
            leader[first + i] = own >= largest - delta


@compiled()
def losses(logits: Floats, labels: Floats) -> tuple[float, float]:
    """Return the mean logistic loss of logits, and the share that is told right: positive above zero.

    Examples
    --------
    >>> loss, right = losses(np.array([0.0, 3.0]), np.array([0.0, 0.0]))
    >>> round(loss, 4), right
    (1.8709, 0.5)
    """
    total, right = 0.0, 0
    for i in range(logits.size):
        positive = labels[i] > 0.5
        total += softplus(-logits[i] if positive else logits[i])
        right += (logits[i] > 0.0) == positive
    return total / logits.size, right / logits.size
