"""Sources of problems: the papers' constructions by name, random sets, given arrays, labelled sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import read_parameters
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics import random
from lmdata.numerics.checks import as_count, as_number
from lmdata.selection.problem import Problem
from lmdata.selection.source import PlainSource, register

DATA_STREAM, START_STREAM = 1, 2
"""Independent streams of random numbers of one seed."""


@register
@dataclass(frozen=True)
class Construction(PlainSource):
    """See :func:`construction`."""

    kind: ClassVar[str] = "construction"
    sweepable: ClassVar[tuple[str, ...]] = ("contrast",)

    name: str
    contrast: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in CONSTRUCTIONS:
            raise UnknownName.among("construction", self.name, CONSTRUCTIONS)
        if self.name != "unequal-scores" and self.contrast is not None:
            raise InvalidInput(f"contrast is {self.contrast}, but only 'unequal-scores' has one; leave it out")
        if self.name == "unequal-scores":
            contrast = 1.0 if self.contrast is None else self.contrast
            object.__setattr__(self, "contrast", as_number(contrast, "contrast", minimum=0.0, above=True))

    @property
    def depends_on_seed(self) -> bool:
        """Whether the construction has a random part."""
        return self.name == "three-clusters"

    def draw(self, seed: int) -> Problem:
        """Return the construction; the seed matters for ``three-clusters`` alone."""
        return CONSTRUCTIONS[self.name](self, seed)


def construction(name: str, *, contrast: float | None = None) -> Construction:
    """Return one of the small problems on which arXiv 2306.13596 shows what gradient descent selects.

    Parameters
    ----------
    name
        ``single-global``: one input of three tokens; every start ends at the token of highest score.
        ``single-local``: the same with another third score, so that a second token is locally optimal.
        ``three-clusters``: three inputs of seven tokens round three centres, random by seed.
        ``joint-tight``, ``joint-loose``: three labelled inputs for training v and p together; all inputs are
        support vectors of the label margin in the first, two of three in the second.
        ``unequal-scores``: two inputs whose selected tokens have scores ``contrast`` and 1; what the logistic and
        the correlation loss make of it.
    contrast
        Of ``unequal-scores``; 1 by default. A sweep may vary it.

    Returns
    -------
    Construction
        Draws the problem; `contrast` can be swept where there is one.

    Examples
    --------
    >>> construction("joint-tight").draw(0).labels
    array([ 1., -1.,  1.])
    """
    return Construction(name, contrast)


_PLANE = np.diag([1.0, 1.0, 0.0])
"""Keys in the plane; the third feature holds the score alone."""


def _single(third_score: float) -> Problem:
    tokens = np.array([[[-0.1, 1.0, 1.0], [1.0, 0.0, 0.9], [0.0, 0.0, third_score]]])
    return Problem(tokens, np.ones(1), value=[0, 0, 1], weight=_PLANE)


def _three_clusters(seed: int) -> Problem:
    centres = np.array([[1.0, 0.0], [-1.0, 1.0], [-0.5, -0.5]])[[0, 1, 1, 1, 2, 2, 2]]
    tokens = np.empty((3, 7, 3))
    tokens[..., :2] = centres + 0.2 * normal(seed, DATA_STREAM, (3, 7, 2))
    tokens[..., 2] = np.array([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    return Problem(tokens, np.ones(3), value=[0, 0, 1], weight=_PLANE)


def _joint(height: float) -> Problem:
    selected = np.array([[1.0, 1.0], [1.0, -1.0], [0.5, height]])
    return Problem(np.stack([np.zeros((3, 2)), selected], axis=1), np.array([1.0, -1.0, 1.0]), value=[-1, 0])


def _unequal(contrast: float) -> Problem:
    selected = np.array([[1.0, 1.0, contrast], [1.0, -1.0, 1.0]])
    return Problem(np.stack([np.zeros((2, 3)), selected], axis=1), np.ones(2), value=[0, 0, 1], weight=_PLANE)


CONSTRUCTIONS: dict[str, Callable[[Construction, int], Problem]] = {
    "single-global": lambda source, seed: _single(0.9),
    "single-local": lambda source, seed: _single(0.0),
    "three-clusters": lambda source, seed: _three_clusters(seed),
    "joint-tight": lambda source, seed: _joint(1.0),
    "joint-loose": lambda source, seed: _joint(1.5),
    "unequal-scores": lambda source, seed: _unequal(float(source.contrast or 1.0)),
}


QUERIES = ("none", "first token", "random", "shared")


@register
@dataclass(frozen=True)
class Gaussian(PlainSource):
    """See :func:`gaussian`."""

    kind: ClassVar[str] = "gaussian"
    depends_on_seed: ClassVar[bool] = True

    samples: int
    tokens: int
    features: int
    queries: str = "none"

    def __post_init__(self) -> None:
        for name, minimum in (("samples", 1), ("tokens", 2), ("features", 1)):
            object.__setattr__(self, name, as_count(getattr(self, name), name, minimum=minimum))
        if self.queries not in QUERIES:
            raise UnknownName.among("kind of queries", str(self.queries), QUERIES)

    def draw(self, seed: int) -> Problem:
        """Return the problem of a seed: tokens, labels, value vector and queries, in this order of the stream."""
        n, width, d = self.samples, self.tokens, self.features
        numbers = normal(seed, DATA_STREAM, (n * width * d + n + d + n * d,))
        tokens, labels, value, query = np.split(numbers, np.cumsum([n * width * d, n, d]))
        tokens = tokens.reshape(n, width, d)
        shared = np.eye(d)[0]
        queries = {"none": None, "first token": tokens[:, 0], "random": query.reshape(n, d), "shared": shared}
        return Problem(tokens, np.where(labels > 0, 1.0, -1.0), value=value, query=queries[self.queries])


def gaussian(samples: int, tokens: int, features: int, *, queries: str = "none") -> Gaussian:
    """Return random problems: standard normal tokens and value vector, labels by the toss of a coin.

    The bits are the same on every machine (see lmdata.numerics.random).

    Parameters
    ----------
    samples, tokens, features
        Sizes n, T and d.
    queries : {"none", "first token", "random", "shared"}
        Queries for the training of W: the first token of each sample (self-attention), normal ones, or one for all, the
        first unit vector z. Then training W is training p = W z: see `TokenSelection`.

    Returns
    -------
    Gaussian
        Draws another problem for every seed.

    Examples
    --------
    >>> gaussian(4, 6, 10).draw(seed=3).tokens.shape
    (4, 6, 10)
    """
    return Gaussian(samples, tokens, features, queries)


@register
@dataclass(frozen=True, eq=False)
class Given(PlainSource):
    """See :func:`given`."""

    kind: ClassVar[str] = "given"
    depends_on_seed: ClassVar[bool] = False

    problem: Problem = field(repr=False)

    def specification(self) -> dict[str, Any]:
        """Return the source with all its numbers as plain JSON values."""
        p = self.problem
        arrays = {name: getattr(p, name) for name in ("tokens", "labels", "value", "weight", "query", "lengths")}
        lists = {name: None if array is None else array.tolist() for name, array in arrays.items()}
        return {"kind": self.kind, **lists, "words": None if p.words is None else [list(w) for w in p.words]}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the source of a specification."""
        names = [f.name for f in dataclasses.fields(Problem)]
        parameters = read_parameters(specification, "problem 'given'", names)
        for name in ("tokens", "labels"):
            if name not in parameters:
                raise InvalidInput(f"problem 'given' lacks {name!r}; give tokens (sample, token, feature) and labels")
        if parameters.get("lengths") is not None:
            parameters["lengths"] = np.asarray(parameters["lengths"])
        return cls(Problem(**parameters))

    def draw(self, seed: int) -> Problem:
        """Return the problem, whatever the seed."""
        return self.problem


def given(tokens: Any, labels: Any, **others: Any) -> Given:
    """Return the source of one problem, from its arrays; see :class:`Problem` for the arguments.

    Parameters
    ----------
    tokens : (sample, token, feature)
        The tokens of every sample, finite.
    labels : (sample,)
        1 or -1 each.
    **others
        Further arguments of `Problem`: ``value``, ``weight``, ``query``, ``lengths``, ``words``.

    Returns
    -------
    Given
        A source that gives this problem for every seed.

    Examples
    --------
    >>> given([[[0, 1], [1, 0]]], [1], value=[1, 0]).draw(seed=5).scores()
    array([[0., 1.]])
    """
    return Given(Problem(tokens, labels, **others))


@dataclass(frozen=True)
class Starts:
    """See :func:`starts`."""

    values: tuple[Any, ...] | None
    count: int
    scale: float

    @classmethod
    def from_specification(cls, specification: Any) -> Self:
        """Return the starts of a specification: ``{values: ...}``, or ``{count: ..., scale: ...}``."""
        if not isinstance(specification, Mapping):
            raise InvalidInput(
                f"starts is {specification!r:.200}; give {{'values': [...]}} or {{'count': 10, 'scale': 1.0}}"
            )
        made = starts(**read_parameters(specification, "starts", ("values", "count", "scale")))
        return cls(made.values, made.count, made.scale)

    def specification(self) -> dict[str, Any]:
        """Return the starts as plain JSON values."""
        if self.values is not None:
            return {"values": list(self.values)}
        return {"count": self.count, "scale": self.scale}

    def draw(self, seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the starts of a seed, (start, *shape), where ``shape`` is the parameter's; refuse others."""
        if self.values is None:
            return self.scale * normal(seed, START_STREAM, (self.count, *shape))
        array = np.array(self.values, dtype=np.float64)
        if array.shape[1:] != shape:
            raise InvalidInput(f"starts has shape {array.shape}; it must be (start, {', '.join(map(str, shape))})")
        return array


def starts(values: Any = None, *, count: int = 1, scale: float = 1.0) -> Starts:
    """Return starting points of the trained prompt or weights: given ones, or ``count`` random ones.

    Parameters
    ----------
    values : (start, feature), (start, feature, feature) or (start, 2, feature, width), optional
        Given starts of p, of W, or of K and Q, the same for every seed.
    count, scale
        Otherwise: number of normal starts drawn for each seed, and their standard deviation; ``scale=0`` starts
        at zero.

    Returns
    -------
    Starts
        Draws (count, feature), (count, feature, feature) or (count, 2, feature, width) starts for each seed.

    Examples
    --------
    >>> starts(count=3).draw(0, (2,)).shape
    (3, 2)
    """
    if values is None:
        return Starts(None, as_count(count, "count"), as_number(scale, "scale", minimum=0.0))
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"starts is no rectangular array of numbers ({error}); give (start, feature)") from error
    if array.ndim not in (2, 3, 4) or 0 in array.shape or not np.isfinite(array).all():
        raise InvalidInput(
            f"starts has shape {array.shape} or is not finite; give finite (start, feature), or (start, feature, "
            "feature) for weights, or (start, 2, feature, width) for factors"
        )
    return Starts(tuple(array.tolist()), len(array), 1.0)


def normal(seed: int, stream: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return standard normal numbers of one of a seed's streams."""
    return random.normal([seed], shape, stream=(stream,))[0]  # type: ignore[no-any-return]
