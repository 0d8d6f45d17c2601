"""Sentences as tokens: words by a pretrained static embedding that ships inside a package and works offline.

The embedding is that of wordllama (its weights ``l2_supercat_256``: 32,000 word pieces, 256 components, trained as
Matryoshka embeddings, so that the first k components are an embedding of their own: arXiv 2205.13147).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import read_parameters
from lmdata.dynamics.tokens.source import register
from lmdata.errors import BackendUnavailable, ExtraMissing, InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count
from lmdata.numerics.random import lengths

COMPONENTS = 256
EMBEDDING = "wordllama/l2_supercat_256"

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@register
@dataclass(frozen=True)
class TextTokens(Specified):
    """The words of a text, each a token; see :func:`lmdata.tokens.text`."""

    kind: ClassVar[str] = "text"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True

    text: str
    dimension: int = COMPONENTS

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not _WORD.search(self.text):
            raise InvalidInput(f"text is {self.text!r}; it must be a string with at least one word")
        dimension = as_count(self.dimension, "dimension")
        if dimension > COMPONENTS:
            raise InvalidInput(
                f"dimension is {dimension}; the embedding has {COMPONENTS} components: give at most that"
            )
        object.__setattr__(self, "dimension", dimension)

    @property
    def words(self) -> tuple[str, ...]:
        """The words in order, as written: letters and digits, with apostrophes and hyphens inside."""
        return words_of(self.text)

    @property
    def labels(self) -> tuple[str, ...]:
        """The words; one that occurs more than once has its place in the text behind it, counted from 1: the@7."""
        count = Counter(self.words)
        return tuple(word if count[word] == 1 else f"{word}@{place}" for place, word in enumerate(self.words, start=1))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of words and of components."""
        return len(self.words), self.dimension

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "text": self.text, "dimension": self.dimension, "embedding": EMBEDDING}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the source of a specification, refusing any embedding but ours."""
        parameters = read_parameters(specification, "token source 'text'", ("text", "dimension", "embedding"))
        if "text" not in parameters:
            raise InvalidInput("token source 'text' lacks 'text'; it needs text")
        embedding = parameters.pop("embedding", EMBEDDING)
        if embedding != EMBEDDING:
            raise InvalidInput(f"tokens 'text' are of the embedding {embedding!r}; this lmdata has {EMBEDDING!r} alone")
        return cls(**parameters)

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the words' tokens, (n, dimension), scaled so that the longest has length 1.

        A word is the mean of its pieces. All in float64, over ascending pieces and components.

        Raises
        ------
        BackendUnavailable
            If the packages of the extra ``text`` are not installed.
        """
        pieces, embedding = _embedding()
        tokens = np.stack([_mean(embedding[pieces(word), : self.dimension]) for word in self.words])
        return tokens / lengths(tokens).max()


def text(sentence: str, *, dimension: int = COMPONENTS) -> TextTokens:
    """Return a source whose tokens are the words of a sentence, by a pretrained embedding; it works offline.

    A word is the mean of its pieces' embeddings (wordllama); all are scaled so that the longest token has length 1.
    The words label the tokens; a repeated word is as many tokens, labelled with their places: the@1, the@7.

    Parameters
    ----------
    sentence : str
        Any text; punctuation is left out.
    dimension : int
        Components to keep, from the first, at most 256.

    Returns
    -------
    TokenSource
        Draws (words, dimension) tokens, whatever the seed; its labels are the words.

    Raises
    ------
    InvalidInput
        If there is no word in the sentence, or the dimension is not in 1..256.
    BackendUnavailable
        On drawing, if the packages of the extra ``text`` are not installed.

    Examples
    --------
    >>> text("The cat saw the other cat.").labels
    ('The', 'cat@2', 'saw', 'the', 'other', 'cat@6')
    """
    return TextTokens(sentence, dimension)


def words_of(sentence: str) -> tuple[str, ...]:
    """Return the words of a text in order, as written: letters and digits, with apostrophes and hyphens inside.

    Examples
    --------
    >>> words_of("It isn't well-made: 2/10.")
    ('It', "isn't", 'well-made', '2', '10')
    """
    return tuple(_WORD.findall(sentence))


def _mean(rows: NDArray[np.float16]) -> NDArray[np.float64]:
    """Return the mean of rows, summed in order in float64."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total / np.float64(len(rows))


def _embedding() -> tuple[Any, NDArray[np.float16]]:
    """Return a function from a word to its piece numbers, and the embedding of all pieces."""
    if missing := ExtraMissing.of("text", "tokens.text", ("wordllama", "safetensors", "tokenizers")):
        raise missing
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = _package_folder()
    weights = load_file(folder / "weights" / "l2_supercat_256.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))

    def pieces(word: str) -> list[int]:
        return list(tokenizer.encode(word, add_special_tokens=False).ids)

    return pieces, weights["embedding.weight"]


def _package_folder() -> Path:
    """Return the folder of the installed wordllama, without importing it (its loader looks for files online)."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise BackendUnavailable("the package wordllama has no folder to read from; pip install 'lmdata[text]' anew")
    return Path(spec.origin).parent
