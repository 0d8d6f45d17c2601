"""The forward pass of a transformer in NumPy: states after every layer, and the attention in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from lmdata.errors import InvalidInput
from lmdata.models.forms import Layer, Linear, Network, Norm

Array = NDArray[np.floating]


def gelu(x: Array) -> Array:
    r"""Return :math:`x \Phi(x)`, Phi the distribution of the normal law (arXiv 1606.08415)."""
    found: Array = erf(x / math.sqrt(2.0))
    found += 1.0
    found *= x
    found *= 0.5
    return found


def gelu_by_tanh(x: Array) -> Array:
    r"""Return :math:`\frac{x}{2} (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3)))`, close to `gelu`."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))))


def relu(x: Array) -> Array:
    """Return the positive part."""
    return np.maximum(x, 0.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": gelu_by_tanh,
    "gelu_pytorch_tanh": gelu_by_tanh,
    "relu": relu,
}
"""By the names of config.json."""


class Passed(NamedTuple):
    """What a forward pass makes of sequences of tokens, the shorter of which end in tokens that are not there."""

    states: Array
    """(layer + 1, sequence, token, component): the embedding, then what every layer makes."""
    attention: Array | None
    """(layer, sequence, head, token, key)."""


def forward(
    network: Network,
    ids: Sequence[Sequence[int]],
    *,
    depth: int,
    dtype: np.dtype[np.floating],
    mlp: bool = True,
    layer_norm: bool = True,
    attention: bool = True,
) -> Passed:
    r"""Pass sequences of tokens through a network, and keep every state on the way.

    A block with normalisation behind (BERT) is :math:`Y = N_1(X + A(X)),\; Z = N_2(Y + M(Y))`, one with normalisation
    before (GPT-2) :math:`Y = X + A(N_1(X)),\; Z = Y + M(N_2(Y))`, with attention :math:`A(X)_i = \sum_h \sum_j P^h_{ij}
    (x_j V_h) W_h`, :math:`P^h_{ij} \propto \exp(\langle x_i Q_h, x_j K_h \rangle / \sqrt{c})`, biases left out here.

    Parameters
    ----------
    network : Network
        Of `lmdata.models.forms`.
    ids : sequence of sequences of int
        The number in the vocabulary of every token, for each sequence. Those of fewer tokens are filled up; nothing
        attends to what fills them, and its own states mean nothing.
    depth : int
        Layers to pass; the trained ones are gone through again and again.
    dtype : dtype
        Of all arithmetic.
    mlp : bool
        False leaves out M, with its normalisation and the way round it.
    layer_norm : bool
        False leaves out the normalisations of the blocks, and a final one; that of the embedding makes the tokens and
        stays.
    attention : bool
        Whether to keep the weights P.

    Raises
    ------
    InvalidInput
        If states overflow, with the layer at which they do, or weights are not finite.
    """
    lengths = np.array([len(sequence) for sequence in ids])
    n = int(lengths.max())
    there = np.arange(n) < lengths[:, None]
    numbers = np.zeros(there.shape, np.int64)
    numbers[there] = np.concatenate([np.asarray(sequence, np.int64) for sequence in ids])
    unseen = ~there[:, None, None, :]
    if network.causal:
        unseen = unseen | ~np.tri(n, dtype=bool)
    network = network if layer_norm else network._replace(final_norm=None)

    state = embedded(network, numbers, dtype)
    if not np.isfinite(state).all():
        raise InvalidInput("the embedding of a token is not finite: the file of weights is damaged; get it anew")
    states, weights = [state], []
    for number in range(depth):
        layer = network.layers[number % len(network.layers)]
        with np.errstate(over="ignore", invalid="ignore"):  # said in words below
            state, share = _block(network, layer, state, unseen, mlp=mlp, layer_norm=layer_norm)
            last = _norm(state, network.final_norm, network.epsilon) if number + 1 == depth else state
        if not np.isfinite(last).all():
            raise InvalidInput(
                f"states overflow {dtype} in layer {number + 1} of {depth}, or its weights are not finite; pass fewer "
                "layers, or keep layer_norm"
            )
        states.append(last)
        if attention:
            weights.append(share)
    return Passed(np.stack(states), np.stack(weights) if weights else None)


def embedded(network: Network, numbers: NDArray[np.int64], dtype: np.dtype[np.floating]) -> Array:
    """Return the embedding of tokens (sequence, token) by their numbers, in the first tokens' places."""
    state = network.words[numbers].astype(dtype)
    if network.kind is not None:
        state += network.kind
    state += network.places[: numbers.shape[1]]
    state = _norm(state, network.embedding_norm, network.epsilon)
    return state if network.widen is None else _linear(state, network.widen)


def _block(
    network: Network, layer: Layer, state: Array, unseen: NDArray[np.bool_], *, mlp: bool, layer_norm: bool
) -> tuple[Array, Array]:
    """Return what a layer makes of states (sequence, token, component), and the attention in it."""
    norms = (layer.attention_norm, layer.mlp_norm) if layer_norm else (None, None)
    before, after = (norms, (None, None)) if network.norm_first else ((None, None), norms)

    pulled, weights = _attend(network, layer, _norm(state, before[0], network.epsilon), unseen)
    state = _norm(state + pulled, after[0], network.epsilon)
    if mlp:
        risen = ACTIVATIONS[network.activation](_linear(_norm(state, before[1], network.epsilon), layer.rise))
        state = _norm(state + _linear(risen, layer.fall), after[1], network.epsilon)
    return state, weights


def _attend(network: Network, layer: Layer, state: Array, unseen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return what attention adds to each token, and the weights (sequence, head, token, key)."""
    sequences, n, _ = state.shape
    query, key, value = (
        _linear(state, part).reshape(sequences, n, network.heads, -1).swapaxes(1, 2)
        for part in (layer.query, layer.key, layer.value)
    )
    score = query @ key.swapaxes(2, 3)
    score /= math.sqrt(key.shape[-1])
    np.copyto(score, -np.inf, where=unseen)
    score -= score.max(axis=-1, keepdims=True)
    weights = np.exp(score, out=score)
    weights /= weights.sum(axis=-1, keepdims=True)
    mean = (weights @ value).swapaxes(1, 2).reshape((*state.shape[:2], -1))
    return _linear(mean, layer.out), weights


def _linear(x: Array, map_: Linear) -> Array:
    found: Array = x @ map_.weight.astype(x.dtype, copy=False)
    found += map_.bias
    return found


def _norm(x: Array, norm: Norm | None, epsilon: float) -> Array:
    """Return tokens of mean 0 and variance 1 over their components, scaled and shifted; as they are without a norm."""
    if norm is None:
        return x
    centred: Array = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    centred /= np.sqrt(variance + x.dtype.type(epsilon))
    centred *= norm.weight
    centred += norm.bias
    return centred
