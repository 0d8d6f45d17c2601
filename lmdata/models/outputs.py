"""Outputs of the package transformers as datasets, told by what they have: neither it nor torch is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.models.special import check_one_scheme
from lmdata.outside.trajectory import from_trajectory

if TYPE_CHECKING:
    import xarray


def from_transformers(
    outputs: Any,
    tokenizer: Any = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    source: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] | None = None,
) -> xarray.Dataset:
    """Return what a model of the package transformers gave as a dataset, which is measured, drawn and kept like any.

    Parameters
    ----------
    outputs
        What the model returned when it was called with ``output_hidden_states=True``, and with
        ``output_attentions=True`` for its attention: ``hidden_states`` holds an array (sequence, token, component) a
        layer, ``attentions`` one (sequence, head, token, key). Tensors of torch, and arrays of jax and NumPy.
    tokenizer : optional
        That of the model: its ``convert_ids_to_tokens`` names the tokens; they have numbers without it.
    inputs : mapping, optional
        What the tokenizer gave the model: ``input_ids`` (sequence, token) for the names, ``attention_mask`` for which
        tokens each sequence has. Needed for names; without a mask all tokens count, padding too.
    source : mapping, optional
        Where the states come from, as in `lmdata.from_trajectory`.
    store : path or address, optional
        Where to keep the dataset; in memory without it.

    Returns
    -------
    xarray.Dataset
        Of `lmdata.from_trajectory`: time is the layer, seed the sequence.

    Raises
    ------
    InvalidInput
        If the outputs have no hidden states, their shapes disagree, the names cannot be told, or the tokenizer has more
        than one scheme of special tokens; nothing is written then.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> outputs = SimpleNamespace(hidden_states=(np.zeros((2, 5, 8)), np.ones((2, 5, 8))), attentions=None)
    >>> mask = [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    >>> from_transformers(outputs, inputs={"attention_mask": mask}).token_present.sum("token").values
    array([5, 3])
    """
    states = _stacked(_part(outputs, "hidden_states"), "hidden_states", 3)
    if states is None:
        raise InvalidInput(
            f"outputs is {type(outputs).__name__} without hidden_states; call the model with output_hidden_states=True"
        )
    given = {} if inputs is None else inputs
    mask = _part(given, "attention_mask")
    return from_trajectory(
        states,
        dims=("run", "layer", "token", "component"),
        token=_names(tokenizer, _part(given, "input_ids"), states.shape),
        attention=_stacked(_part(outputs, "attentions"), "attentions", 4),
        present=None if mask is None else _array(mask),
        source=source,
        store=store,
    )


def _part(holder: Any, name: str) -> Any:
    """Return a named part of an object or a mapping; None if it has none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _array(tensor: Any) -> NDArray[Any]:
    """Return the numbers of a tensor, wherever they are; bfloat16 of torch, which NumPy lacks, as float32."""
    for leave in ("detach", "cpu"):
        tensor = getattr(tensor, leave)() if callable(getattr(tensor, leave, None)) else tensor
    if str(getattr(tensor, "dtype", "")) == "torch.bfloat16":
        tensor = tensor.float()
    return np.asarray(tensor)


def _stacked(layers: Sequence[Any] | None, name: str, ndim: int) -> NDArray[Any] | None:
    """Return layers of (sequence, ...) as one array (sequence, layer, ...); None without any."""
    if layers is None or len(layers) == 0:
        return None
    if any(layer is None for layer in layers):
        raise InvalidInput(
            f"outputs.{name} has layers that are None: this attention keeps no weights; load the model "
            "with attn_implementation='eager'"
        )
    parts = [_array(layer) for layer in layers]
    shapes = {part.shape for part in parts}
    if len(shapes) != 1 or parts[0].ndim != ndim:
        raise InvalidInput(
            f"outputs.{name} has layers of shapes {sorted(shapes)!r:.120}; they are {ndim}-dimensional, and alike"
        )
    return np.stack(parts, axis=1)


def _names(tokenizer: Any, ids: Any, shape: tuple[int, ...]) -> list[list[str]] | None:
    """Return the names of the tokens of every sequence; None where nothing tells them."""
    if tokenizer is None:
        return None
    if not callable(getattr(tokenizer, "convert_ids_to_tokens", None)):
        raise InvalidInput(
            f"tokenizer is {type(tokenizer).__name__}; one with convert_ids_to_tokens is needed, or None"
        )
    check_one_scheme(getattr(tokenizer, "all_special_tokens", ()), "tokenizer")
    if ids is None:
        raise InvalidInput("the names of tokens are told by their numbers: give inputs, what the tokenizer returned")
    numbers = _array(ids)
    if numbers.shape != (shape[0], shape[2]):
        raise InvalidInput(
            f"input_ids has shape {numbers.shape}, and the hidden states are of "
            f"sequences and tokens {(shape[0], shape[2])}"
        )
    return [[str(name) for name in tokenizer.convert_ids_to_tokens(row)] for row in numbers.tolist()]
