"""Token sources: where the tokens of a run start. Public as ``lmdata.tokens``."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics import random
from lmdata.dynamics.checks import as_count, as_number, as_tokens
from lmdata.dynamics.model import read_parameters
from lmdata.errors import InvalidInput, UnknownName


@runtime_checkable
class TokenSource(Protocol):
    """Gives the (n, d) tokens that a member of some seed starts from; frozen and described by its specification."""

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


@dataclass(frozen=True)
class RandomTokens(ABC):
    """Tokens drawn at random for each seed: bit for bit the same on every machine (see lmdata.dynamics.random)."""

    kind: ClassVar[str]
    depends_on_seed: ClassVar[bool] = True
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int
    d: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", as_count(self.n, "n"))
        object.__setattr__(self, "d", as_count(self.d, "d"))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        return self.n, self.d

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, **vars(self)}

    @abstractmethod
    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d)."""


@dataclass(frozen=True)
class Uniform(RandomTokens):
    """See :func:`uniform`."""

    kind: ClassVar[str] = "uniform"
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "low", as_number(self.low, "low"))
        object.__setattr__(self, "high", as_number(self.high, "high", minimum=self.low, above=True))
        as_number(self.high - self.low, "high - low")

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d)."""
        return self.low + (self.high - self.low) * random.uniform(seed, self.shape)


class Normal(RandomTokens):
    """See :func:`normal`."""

    kind: ClassVar[str] = "normal"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d)."""
        return random.normal(seed, self.shape)


class Ball(RandomTokens):
    """See :func:`ball`."""

    kind: ClassVar[str] = "ball"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d)."""
        return random.sphere(seed, (self.n, self.d + 2))[:, : self.d].copy()


class Sphere(RandomTokens):
    """See :func:`sphere`."""

    kind: ClassVar[str] = "sphere"

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d)."""
        return random.sphere(seed, self.shape)


@dataclass(frozen=True)
class ArrayTokens:
    """See :func:`array`. Two are equal if their values, labels and seeds are."""

    kind: ClassVar[str] = "array"
    rebuildable: ClassVar[bool] = False

    values: NDArray[np.float64] = field(repr=False, compare=False)
    labels: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.values.astype("<f8").tobytes()).hexdigest())
        self.values.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        n, d = self.values.shape[-2:]
        return n, d

    @property
    def depends_on_seed(self) -> bool:
        """Whether there is one start a seed."""
        return self.values.ndim == 3

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values: what identifies the tokens, not the tokens themselves."""
        described: dict[str, Any] = {
            "kind": self.kind,
            "shape": list(self.values.shape),
            "sha256": self.sha256,
        }
        if self.labels is not None:
            described["labels"] = list(self.labels)
        if self.seeds is not None:
            described["seeds"] = list(self.seeds)
        return described

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d); refuse a seed that the array has no start for."""
        if self.seeds is None:
            return self.values
        if seed not in self.seeds:
            raise InvalidInput(f"tokens hold a start for the seeds {list(self.seeds)}, none for seed {seed}")
        return self.values[self.seeds.index(seed)]  # type: ignore[no-any-return]


def uniform(n: int, d: int, *, low: float = -1.0, high: float = 1.0) -> Uniform:
    """Return a source of ``n`` tokens whose ``d`` components are uniform in [low, high).

    Examples
    --------
    >>> uniform(16, 2).draw(seed=0).shape
    (16, 2)
    """
    return Uniform(n, d, low, high)


def normal(n: int, d: int) -> Normal:
    """Return a source of ``n`` tokens with ``d`` standard normal components.

    Examples
    --------
    >>> normal(16, 2).draw(seed=0).shape
    (16, 2)
    """
    return Normal(n, d)


def ball(n: int, d: int) -> Ball:
    """Return a source of ``n`` tokens uniform in the unit ball of R^d.

    They are the first d components of points uniform on the sphere in R^(d+2) (Archimedes' theorem).

    Examples
    --------
    >>> bool((np.linalg.norm(ball(16, 3).draw(seed=0), axis=1) <= 1).all())
    True
    """
    return Ball(n, d)


def sphere(n: int, d: int) -> Sphere:
    """Return a source of ``n`` tokens uniform on the unit sphere of R^d.

    Examples
    --------
    >>> np.linalg.norm(sphere(3, 4).draw(seed=0), axis=1).round(12)
    array([1., 1., 1.])
    """
    return Sphere(n, d)


def array(
    values: Any, *, labels: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> ArrayTokens:
    """Return a source of given tokens.

    Parameters
    ----------
    values : array_like (token, component) or (seed, token, component)
        One start for all seeds, or one for each. A DataArray is taken by the names of its dimensions, with the
        token and seed coordinates that it has.
    labels : sequence of str, optional
        A distinct name for each token.
    seeds : sequence of int, optional
        The seeds of a three-dimensional array's starts; 0, 1, ... by default.

    Raises
    ------
    InvalidInput
        If the values are no finite real tokens (see :func:`lmdata.dynamics.checks.as_tokens`), or labels or seeds
        do not fit them.

    Examples
    --------
    >>> array([[1, 0], [0, 1]], labels=["a", "b"]).labels
    ('a', 'b')
    """
    if hasattr(values, "dims"):
        values, labels, seeds = _from_named(values, labels, seeds)
    tokens = as_tokens(values)
    n = tokens.shape[-2]
    if labels is not None:
        labels = tuple(str(label) for label in labels)
        if len(labels) != n or len(set(labels)) != n:
            raise InvalidInput(
                f"labels has {len(labels)} names, {len(set(labels))} distinct; give {n} distinct ones"
            )
    if tokens.ndim == 2:
        return ArrayTokens(tokens, labels)
    starts = tuple(range(len(tokens)) if seeds is None else map(int, seeds))
    if len(starts) != len(tokens) or len(set(starts)) != len(starts):
        raise InvalidInput(
            f"tokens hold {len(tokens)} starts for {len(starts)} seeds; give one start for each seed, "
            "or a (token, component) array for all"
        )
    return ArrayTokens(tokens, labels, starts)


def _from_named(
    values: Any, labels: Sequence[str] | None, seeds: Sequence[int] | None
) -> tuple[Any, Any, Any]:
    """Return the array of a DataArray in our order, with its labels and seeds unless others are given."""
    order = [name for name in ("seed", "token", "component") if name in values.dims]
    if len(order) != len(values.dims) or "token" not in order or "component" not in order:
        raise InvalidInput(
            f"tokens has the dimensions {tuple(values.dims)}; they must be (token, component) or "
            "(seed, token, component): rename them, or give the bare array"
        )
    coords = values.coords
    if labels is None and "token" in coords and coords["token"].dtype.kind in "UO":
        labels = coords["token"].values.tolist()
    if seeds is None and "seed" in order and "seed" in coords:
        seeds = coords["seed"].values.tolist()
    return values.transpose(*order).values, labels, seeds


def as_source(tokens: Any, *, seeds: Sequence[int] | None = None) -> TokenSource:
    """Return a token source as it is, and anything else as an :func:`array`.

    ``seeds`` are those that a (seed, token, component) array without seed coordinates holds starts for, in order.

    Examples
    --------
    >>> as_source([[0.0], [1.0]]).shape
    (2, 1)
    """
    if isinstance(tokens, TokenSource):
        return tokens
    named = "seed" in getattr(tokens, "coords", ())
    return array(tokens, seeds=None if named else seeds)


def source_from_specification(specification: Any, *, values: Any = None) -> TokenSource:
    """Return the token source of a specification.

    Parameters
    ----------
    specification : mapping
        ``{"kind": ..., parameters}``; an array may be given by its ``values``.
    values : array, optional
        The tokens, (token, component) or one start a seed, of an array whose specification only identifies them;
        their hash is checked.

    Raises
    ------
    UnknownName
        If there is no such source or parameter.
    InvalidInput
        If a parameter is missing or not allowed, or the values are missing or not those of the specification.

    Examples
    --------
    >>> source_from_specification({"kind": "uniform", "n": 8, "d": 2}).shape
    (8, 2)
    """
    if not isinstance(specification, Mapping) or "kind" not in specification:
        raise InvalidInput(
            f"token specification {specification!r} has no 'kind'; give {{'kind': 'uniform', ...}}"
        )
    kind = specification["kind"]
    if kind == "array":
        return _array_from_specification(specification, values)
    sources: dict[str, type[RandomTokens]] = {cls.kind: cls for cls in (Uniform, Normal, Ball, Sphere)}
    if kind not in sources:
        raise UnknownName.among("token source", str(kind), [*sources, "array"])
    cls = sources[kind]
    parameters = read_parameters(specification, f"tokens {kind!r}", tuple(cls.__dataclass_fields__))
    for name in ("n", "d"):
        if name not in parameters:
            raise InvalidInput(
                f"tokens {kind!r} lack {name!r}; give the number of tokens n and of components d"
            )
    return cls(**parameters)


def _array_from_specification(specification: Mapping[str, Any], values: Any) -> ArrayTokens:
    """Return the array source of a specification, from its own values or from those given."""
    known = ("values", "shape", "sha256", "labels", "seeds")
    parameters = read_parameters(specification, "tokens 'array'", known)
    values = parameters.get("values", values)
    if values is None:
        raise InvalidInput("tokens 'array' names its values by hash alone; give the values too")
    shared = len(parameters.get("shape", ())) == 2 and np.ndim(values) == 3
    source = array(
        values[0] if shared else values, labels=parameters.get("labels"), seeds=parameters.get("seeds")
    )
    if parameters.get("sha256", source.sha256) != source.sha256:
        raise InvalidInput(
            f"tokens have the SHA-256 {source.sha256[:12]}..., the specification says "
            f"{parameters['sha256'][:12]}...: they are not the same tokens"
        )
    return source
