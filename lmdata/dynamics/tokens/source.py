"""What a token source is, and the makers of those that ship."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.model import read_parameters
from lmdata.dynamics.tokens.drawn import Ball, Normal, Sphere, Uniform
from lmdata.dynamics.tokens.given import ArrayTokens, named
from lmdata.dynamics.tokens.published import ConfigurationTokens
from lmdata.dynamics.tokens.sentence import COMPONENTS, EMBEDDING, TextTokens
from lmdata.errors import InvalidInput, UnknownName


@runtime_checkable
class TokenSource(Protocol):
    """Gives the (n, d) tokens from which a member of some seed starts; frozen, and described by its specification."""

    kind: ClassVar[str]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """A distinct name for each token, or None."""
        ...

    @property
    def depends_on_seed(self) -> bool:
        """Whether different seeds start from different tokens."""
        ...

    @property
    def rebuildable(self) -> bool:
        """Whether the specification alone gives the tokens back; if not, they must be kept."""
        ...

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        ...

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        ...


def uniform(n: int, d: int, low: float = -1.0, high: float = 1.0) -> Uniform:
    """Return a source of ``n`` tokens whose ``d`` components are uniform in [low, high).

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.
    low, high : float
        Bounds of each component, low < high.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer, or low and high are no finite numbers with low < high.

    Examples
    --------
    >>> uniform(2, 2).draw(seed=0)
    array([[ 0.3679844 ,  0.97835016],
           [ 0.4105408 , -0.65363235]])
    """
    return Uniform(n, d, low, high)


def normal(n: int, d: int) -> Normal:
    """Return a source of ``n`` tokens with ``d`` independent standard normal components.

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> normal(16, 2).draw(seed=0).shape
    (16, 2)
    """
    return Normal(n, d)


def ball(n: int, d: int) -> Ball:
    """Return a source of ``n`` tokens uniform in the unit ball of R^d.

    They are the first d components of points uniform on the sphere of R^(d+2) (Barthe et al., math/0503650).

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> bool((np.linalg.norm(ball(16, 3).draw(seed=0), axis=1) < 1).all())
    True
    """
    return Ball(n, d)


def sphere(n: int, d: int) -> Sphere:
    """Return a source of ``n`` tokens uniform on the unit sphere of R^d.

    Parameters
    ----------
    n, d : int
        Numbers of tokens and of components.

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, dimensionless, the same on every machine.

    Raises
    ------
    InvalidInput
        If n or d is no positive integer.

    Examples
    --------
    >>> np.linalg.norm(sphere(3, 4).draw(seed=0), axis=1).round(12)
    array([1., 1., 1.])
    """
    return Sphere(n, d)


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


def configuration(name: str) -> ConfigurationTokens:
    """Return a published configuration of hardmax dynamics (arXiv 2407.01602).

    Parameters
    ----------
    name : {"emerging-leader", "triangle", "square", "followed-token"}
        The authors ran each with influence 0.5 for 30 steps.

    Returns
    -------
    TokenSource
        Draws the published (n, 2) tokens, whatever the seed.

    Raises
    ------
    UnknownName
        If there is no configuration of that name.

    Examples
    --------
    >>> configuration("triangle").draw(seed=0)[:3]
    array([[ 1. ,  1. ],
           [ 0.5, -0.5],
           [-1. , -1. ]])
    """
    return ConfigurationTokens(name)


def array(values: Any, *, labels: Sequence[str] | None = None, seeds: Sequence[int] | None = None) -> ArrayTokens:
    """Return a source of given tokens.

    Parameters
    ----------
    values : array_like (token, component) or (seed, token, component)
        One start for all seeds, or one for each. A DataArray is taken by the names of its dimensions, with the
        token and seed coordinates that it has.
    labels : sequence of str, optional
        A distinct name for each token.
    seeds : sequence of int, optional
        The seeds whose starts a three-dimensional array holds, in order; 0, 1, ... by default.

    Returns
    -------
    TokenSource
        Draws the given (n, d) tokens for each seed.

    Raises
    ------
    InvalidInput
        If the values are no finite real tokens (see :func:`lmdata.numerics.checks.as_tokens`), or the labels or
        seeds do not fit them.

    Examples
    --------
    >>> array([[1, 0], [0, 1]], labels=["a", "b"]).labels
    ('a', 'b')
    """
    if hasattr(values, "dims"):
        values, own_labels, own_seeds = named(values)
        labels = own_labels if labels is None else labels
        seeds = own_seeds if seeds is None else seeds
    return ArrayTokens(values, None if labels is None else tuple(labels), None if seeds is None else tuple(seeds))


def as_source(tokens: Any, *, seeds: Sequence[int] | None = None) -> TokenSource:
    """Return a token source as it is, and anything else as :func:`array`.

    Parameters
    ----------
    tokens : token source or array
        A source, or tokens (token, component) or (seed, token, component).
    seeds : sequence of int, optional
        Those whose starts a (seed, token, component) array without a seed coordinate holds, in order.

    Returns
    -------
    TokenSource

    Examples
    --------
    >>> as_source([[0.0], [1.0]]).shape
    (2, 1)
    """
    if isinstance(tokens, TokenSource):
        return tokens
    return array(tokens, seeds=None if "seed" in getattr(tokens, "coords", ()) else seeds)


def source_from_specification(specification: Any, *, values: Any = None) -> TokenSource:
    """Return the token source of a specification.

    Parameters
    ----------
    specification : mapping
        ``{"kind": ..., parameters}``; an array may be given by its ``values``.
    values : array, optional
        The tokens, (token, component) or (seed, token, component), of an array whose specification only identifies
        them; they are checked against its hash.

    Returns
    -------
    TokenSource
        Equal to the one that the specification was taken from.

    Raises
    ------
    UnknownName
        If there is no such source or parameter.
    InvalidInput
        If a parameter is missing or not allowed, or the values are missing or not those of the specification.

    Examples
    --------
    >>> source_from_specification({"kind": "uniform", "n": 8, "d": 2})
    Uniform(n=8, d=2, low=-1.0, high=1.0)
    """
    if not isinstance(specification, Mapping) or "kind" not in specification:
        raise InvalidInput(f"token specification {specification!r} has no 'kind'; give {{'kind': 'uniform', ...}}")
    kind = str(specification["kind"])
    if kind == ArrayTokens.kind:
        return _array_from_specification(specification, values)
    sources: dict[str, Any] = {
        source.kind: source for source in (Uniform, Normal, Ball, Sphere, TextTokens, ConfigurationTokens)
    }
    if kind not in sources:
        raise UnknownName.among("token source", kind, [*sources, ArrayTokens.kind])
    if kind == TextTokens.kind:
        specification = _without_embedding(specification)
    fields = dataclasses.fields(sources[kind])
    parameters = read_parameters(specification, f"tokens {kind!r}", [field.name for field in fields])
    for field in fields:
        if field.default is dataclasses.MISSING and field.name not in parameters:
            raise InvalidInput(f"tokens {kind!r} lack {field.name!r}; give it in the specification")
    source: TokenSource = sources[kind](**parameters)
    return source


def _without_embedding(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a text's specification without the name of its embedding, refusing any but ours."""
    embedding = specification.get("embedding", EMBEDDING)
    if embedding != EMBEDDING:
        raise InvalidInput(f"tokens 'text' are of the embedding {embedding!r}; this lmdata has {EMBEDDING!r} alone")
    return {name: value for name, value in specification.items() if name != "embedding"}


def _array_from_specification(specification: Mapping[str, Any], values: Any) -> ArrayTokens:
    """Return the array source of a specification, from its own values or from those given."""
    known = ("values", "shape", "sha256", "labels", "seeds")
    parameters = read_parameters(specification, "tokens 'array'", known)
    values = parameters.get("values", values)
    if values is None:
        raise InvalidInput("tokens 'array' are named by their hash alone; give their values too")
    source = array(values, labels=parameters.get("labels"), seeds=parameters.get("seeds"))
    expected = parameters.get("sha256", source.sha256)
    if expected != source.sha256:
        raise InvalidInput(
            f"tokens have the SHA-256 {source.sha256[:12]}..., their specification says {expected[:12]}...: "
            "they are not the same tokens"
        )
    return source
