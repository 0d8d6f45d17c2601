"""Encoder-only transformers by the names of their weights: BERT, ALBERT (shared layers), GPT-2 (causal).

Each form says where the parts of one and the same network (`lmdata.models.forward`) lie in its file of weights. Forms
and names are those of the Hugging Face layout: ``config.json`` and ``model.safetensors``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput, UnknownName
from lmdata.wording import counted


class Linear(NamedTuple):
    """An affine map x W + b."""

    weight: NDArray[np.floating]
    """(in, out)."""
    bias: NDArray[np.floating]
    """(out,)."""


class Norm(NamedTuple):
    """A layer normalisation: scale and shift of each component."""

    weight: NDArray[np.floating]
    bias: NDArray[np.floating]


class Layer(NamedTuple):
    """One block: attention, then a perceptron at each token, each with its normalisation."""

    query: Linear
    key: Linear
    value: Linear
    out: Linear
    attention_norm: Norm
    rise: Linear
    fall: Linear
    mlp_norm: Norm


class Network(NamedTuple):
    """A transformer, its weights mapped from disk as they are stored."""

    words: NDArray[np.floating]
    """(vocabulary, embedded component)."""
    places: NDArray[np.floating]
    """(longest, embedded component)."""
    kind: NDArray[np.floating] | None
    """The embedding of a first sentence, (embedded component,)."""
    embedding_norm: Norm | None
    widen: Linear | None
    """From the components of the embedding to those of the tokens."""
    layers: tuple[Layer, ...]
    final_norm: Norm | None
    norm_first: bool
    """Whether what goes into attention and perceptron is normalised, instead of what comes out."""
    causal: bool
    heads: int
    activation: str
    epsilon: float

    @property
    def width(self) -> int:
        """Components of a token."""
        return int(self.layers[0].out.weight.shape[1])


class Weights:
    """Arrays by name, each asked for with the shape that the configuration tells.

    Parameters
    ----------
    arrays : mapping
        Those of the file.
    prefixes : tuple of str
        What may stand before every name; the first with which the word embeddings are there is taken.
    probe : str
        The name of the word embeddings.
    file : Path
        For messages.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], prefixes: tuple[str, ...], probe: str, file: Path) -> None:
        self._arrays, self._file = arrays, file
        found = [prefix for prefix in prefixes if prefix + probe in arrays]
        if not found:
            raise InvalidInput(f"{file} has no weights named {probe!r}: it is of another form than config.json tells")
        self._prefix = found[0]

    def __call__(self, name: str, *shape: int) -> NDArray[np.floating]:
        """Return the array of a name."""
        name = self._prefix + name
        if name not in self._arrays:
            raise InvalidInput(f"{self._file} has no weights named {name!r}, which config.json tells of")
        array = self._arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise InvalidInput(
                f"{self._file}: {name!r} is {array.dtype} {array.shape}; by config.json it is a float {shape}"
            )
        return array

    def linear(self, name: str, inside: int, outside: int) -> Linear:
        """Return a map that is stored as (out, in)."""
        return Linear(self(f"{name}.weight", outside, inside).T, self(f"{name}.bias", outside))

    def norm(self, name: str, width: int) -> Norm:
        """Return a normalisation."""
        return Norm(self(f"{name}.weight", width), self(f"{name}.bias", width))


class Config:
    """A ``config.json``: plain values, each asked for with its type.

    Parameters
    ----------
    values : mapping
        Of the file.
    file : Path
        For messages.
    """

    def __init__(self, values: Mapping[str, Any], file: Path) -> None:
        self._values, self.file = values, file

    def count(self, name: str, default: int | None = None) -> int:
        """Return a positive whole number."""
        value = self._values.get(name)
        value = default if value is None else value
        if type(value) is not int or value < 1:
            raise InvalidInput(f"{self.file}: {name} is {value!r:.40}; it must be a whole number of at least 1")
        return value

    def number(self, name: str, default: float) -> float:
        """Return a positive number."""
        value = self._values.get(name, default)
        if not isinstance(value, int | float) or not 0 < value < 1:
            raise InvalidInput(f"{self.file}: {name} is {value!r:.40}; it must be a number between 0 and 1")
        return float(value)

    def only(self, name: str, allowed: Any) -> None:
        """Refuse another value than the one that is built here."""
        if (value := self._values.get(name, allowed)) != allowed:
            raise InvalidInput(
                f"{self.file}: {name} is {value!r:.40}; models with {name} = {allowed!r} can be run here"
            )

    def one_of(self, name: str, allowed: Mapping[str, Any], default: str) -> str:
        """Return one of some names."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise InvalidInput(f"{self.file}: {name} is {value!r:.40}; known: {', '.join(allowed)}")
        return str(value)

    def heads(self, name: str, width: int) -> int:
        """Return the number of heads, which share the components evenly."""
        heads = self.count(name)
        if width % heads:
            raise InvalidInput(f"{self.file}: {counted(width, 'component')} cannot be shared by {heads} heads")
        return heads


class Parts(NamedTuple):
    """Names of the parts of a layer of BERT's kind, below that of the layer; `Layer` says what they are."""

    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    rise: str
    fall: str
    mlp_norm: str


_BERT = Parts(
    *("attention.self.query", "attention.self.key", "attention.self.value"),
    *("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"),
)
_ALBERT = Parts(
    *("attention.query", "attention.key", "attention.value", "attention.dense", "attention.LayerNorm"),
    *("ffn", "ffn_output", "full_layer_layer_norm"),
)


def bert(config: Config, arrays: Mapping[str, NDArray[Any]], activations: Mapping[str, Any], file: Path) -> Network:
    """Return a network of BERT's form (arXiv 1810.04805)."""
    config.only("position_embedding_type", "absolute")
    config.only("is_decoder", False)
    weights = Weights(arrays, ("", "bert."), "embeddings.word_embeddings.weight", file)
    layer = _layers(config, weights, _BERT)
    return _encoder(
        config,
        weights,
        embedded=config.count("hidden_size"),
        widen=None,
        layers=tuple(layer(f"encoder.layer.{number}") for number in range(config.count("num_hidden_layers"))),
        activation=config.one_of("hidden_act", activations, "gelu"),
    )


def albert(config: Config, arrays: Mapping[str, NDArray[Any]], activations: Mapping[str, Any], file: Path) -> Network:
    """Return a network of ALBERT's form (arXiv 1909.11942): layers of one group share their weights."""
    width, narrow = config.count("hidden_size"), config.count("embedding_size")
    config.only("position_embedding_type", "absolute")
    config.only("inner_group_num", 1)
    depth, groups = config.count("num_hidden_layers"), config.count("num_hidden_groups", 1)
    if groups > depth:
        raise InvalidInput(f"{config.file}: {groups} groups of layers are more than there are layers, {depth}")
    weights = Weights(arrays, ("", "albert."), "embeddings.word_embeddings.weight", file)
    layer = _layers(config, weights, _ALBERT)
    shared = [layer(f"encoder.albert_layer_groups.{group}.albert_layers.0") for group in range(groups)]
    return _encoder(
        config,
        weights,
        embedded=narrow,
        widen=weights.linear("encoder.embedding_hidden_mapping_in", narrow, width),
        layers=tuple(shared[number * groups // depth] for number in range(depth)),
        activation=config.one_of("hidden_act", activations, "gelu_new"),
    )


def _layers(config: Config, weights: Weights, parts: Parts) -> Callable[[str], Layer]:
    """Return what makes a layer of the name of its weights."""
    width, inner = config.count("hidden_size"), config.count("intermediate_size")

    def layer(name: str) -> Layer:
        own = Parts(*(f"{name}.{part}" for part in parts))
        return Layer(
            weights.linear(own.query, width, width),
            weights.linear(own.key, width, width),
            weights.linear(own.value, width, width),
            weights.linear(own.out, width, width),
            weights.norm(own.attention_norm, width),
            weights.linear(own.rise, width, inner),
            weights.linear(own.fall, inner, width),
            weights.norm(own.mlp_norm, width),
        )

    return layer


def _encoder(
    config: Config, weights: Weights, *, embedded: int, widen: Linear | None, layers: tuple[Layer, ...], activation: str
) -> Network:
    """Return a network that normalises behind its parts and masks nothing, with so many embedded components."""
    return Network(
        words=weights("embeddings.word_embeddings.weight", config.count("vocab_size"), embedded),
        places=weights("embeddings.position_embeddings.weight", config.count("max_position_embeddings"), embedded),
        kind=weights("embeddings.token_type_embeddings.weight", config.count("type_vocab_size"), embedded)[0],
        embedding_norm=weights.norm("embeddings.LayerNorm", embedded),
        widen=widen,
        layers=layers,
        final_norm=None,
        norm_first=False,
        causal=False,
        heads=config.heads("num_attention_heads", config.count("hidden_size")),
        activation=activation,
        epsilon=config.number("layer_norm_eps", 1e-12),
    )


def gpt2(config: Config, arrays: Mapping[str, NDArray[Any]], activations: Mapping[str, Any], file: Path) -> Network:
    """Return a network of GPT-2's form: a causal mask, what goes into attention and perceptron normalised."""
    width = config.count("n_embd")
    inner = config.count("n_inner", 4 * width)
    for name, allowed in (("scale_attn_weights", True), ("scale_attn_by_inverse_layer_idx", False)):
        config.only(name, allowed)
    config.only("add_cross_attention", False)
    weights = Weights(arrays, ("", "transformer."), "wte.weight", file)

    def linear(name: str, inside: int, outside: int) -> Linear:  # stored as (in, out)
        return Linear(weights(f"{name}.weight", inside, outside), weights(f"{name}.bias", outside))

    def layer(number: int) -> Layer:
        name = f"h.{number}"
        thrice = linear(f"{name}.attn.c_attn", width, 3 * width)
        query, key, value = (
            Linear(thrice.weight[:, part], thrice.bias[part])
            for part in (slice(0, width), slice(width, 2 * width), slice(2 * width, None))
        )
        return Layer(
            *(query, key, value, linear(f"{name}.attn.c_proj", width, width)),
            weights.norm(f"{name}.ln_1", width),
            linear(f"{name}.mlp.c_fc", width, inner),
            linear(f"{name}.mlp.c_proj", inner, width),
            weights.norm(f"{name}.ln_2", width),
        )

    return Network(
        words=weights("wte.weight", config.count("vocab_size"), width),
        places=weights("wpe.weight", config.count("n_positions"), width),
        kind=None,
        embedding_norm=None,
        widen=None,
        layers=tuple(layer(number) for number in range(config.count("n_layer"))),
        final_norm=weights.norm("ln_f", width),
        norm_first=True,
        causal=True,
        heads=config.heads("n_head", width),
        activation=config.one_of("activation_function", activations, "gelu_new"),
        epsilon=config.number("layer_norm_epsilon", 1e-5),
    )


Form = Callable[[Config, Mapping[str, NDArray[Any]], Mapping[str, Any], Path], Network]

FORMS: dict[str, Form] = {"bert": bert, "albert": albert, "gpt2": gpt2}
"""By the ``model_type`` of config.json."""


def network(
    config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], activations: Mapping[str, Any], folder: Path
) -> Network:
    """Return the network that a configuration tells of.

    Raises
    ------
    UnknownName
        If its form is none of `FORMS`.
    InvalidInput
        If weights are missing or of another shape, or it has a part that is not built here.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in FORMS:
        raise UnknownName.among(f"form of model (model_type in {folder / 'config.json'})", kind, FORMS)
    return FORMS[kind](Config(config, folder / "config.json"), arrays, activations, folder / "model.safetensors")
