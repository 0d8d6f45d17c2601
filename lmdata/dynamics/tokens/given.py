"""Token sources that hold given tokens, described by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import read_parameters
from lmdata.dynamics.tokens.source import TokenSource, register
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count, as_text, as_tokens
from lmdata.wording import counted


@register
@dataclass(frozen=True)
class ArrayTokens(Specified):
    """Given tokens; see :func:`lmdata.tokens.array`. Two are equal if values, labels and seeds are."""

    kind: ClassVar[str] = "array"
    rebuildable: ClassVar[bool] = False

    values: NDArray[np.float64] = field(repr=False, compare=False)
    labels: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        values = as_tokens(self.values)
        values.flags.writeable = False
        checked = {
            "values": values,
            "labels": None if self.labels is None else _as_labels(self.labels, values.shape[-2]),
            "seeds": None if values.ndim == 2 else _as_seeds(self.seeds, len(values)),
            "sha256": hashlib.sha256(values.astype("<f8").tobytes()).hexdigest(),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        n, d = self.values.shape[-2:]
        return n, d

    @property
    def depends_on_seed(self) -> bool:
        """Whether there is one start a seed."""
        return self.seeds is not None

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values: what identifies the tokens, not the tokens themselves."""
        described: dict[str, Any] = {"kind": self.kind, "shape": list(self.values.shape), "sha256": self.sha256}
        if self.labels is not None:
            described["labels"] = list(self.labels)
        if self.seeds is not None:
            described["seeds"] = list(self.seeds)
        return described

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the source of a specification together with its ``values``, which are checked against the hash."""
        known = ("values", "shape", "sha256", "labels", "seeds")
        parameters = read_parameters(specification, "tokens 'array'", known)
        if parameters.get("values") is None:
            raise InvalidInput("tokens 'array' are named by their hash alone; give their values too")
        source = cls(parameters["values"], parameters.get("labels"), parameters.get("seeds"))
        expected = parameters.get("sha256", source.sha256)
        if expected != source.sha256:
            raise InvalidInput(
                f"tokens have the SHA-256 {source.sha256[:12]}..., their specification says {expected!s:.12}...: "
                "they are not the same tokens"
            )
        return source

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless; errors are those of `draw_batch`."""
        return self.draw_batch([seed])[0]  # type: ignore[no-any-return]

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless.

        Raises
        ------
        InvalidInput
            If there is one start a seed, and none for one of these.
        """
        if self.seeds is None:
            return np.broadcast_to(self.values, (len(seeds), *self.shape))
        rows = {seed: row for row, seed in enumerate(self.seeds)}
        for seed in seeds:
            if seed not in rows:
                raise InvalidInput(
                    f"tokens hold starts for the seeds {list(self.seeds)}, none for seed {seed}; "
                    "give one for each seed, or a (token, component) array for all"
                )
        starts: NDArray[np.float64] = self.values[[rows[seed] for seed in seeds]]
        starts.flags.writeable = False
        return starts


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
    return ArrayTokens(values, _tuple(labels), _tuple(seeds))


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


def named(values: Any) -> tuple[Any, list[str] | None, list[int] | None]:
    """Return the array of a DataArray as ([seed,] token, component), with its labels and seeds where it has any."""
    order = [name for name in ("seed", "token", "component") if name in values.dims]
    if len(order) != len(values.dims) or order[-2:] != ["token", "component"]:
        raise InvalidInput(
            f"tokens have the dimensions {tuple(values.dims)}; they must be (token, component) or "
            "(seed, token, component): rename them, or give the bare array"
        )
    coords = values.coords
    has_labels = "token" in coords and coords["token"].dtype.kind in "OTU"
    has_seeds = "seed" in order and "seed" in coords
    return (
        values.transpose(*order).values,
        coords["token"].values.tolist() if has_labels else None,
        coords["seed"].values.tolist() if has_seeds else None,
    )


def _tuple[T](values: Sequence[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)


def _as_labels(labels: Any, n: int) -> tuple[str, ...]:
    """Return n distinct labels as a tuple."""
    if isinstance(labels, str | bytes) or not isinstance(labels, Iterable):
        raise InvalidInput(f"labels must be a sequence of {counted(n, 'distinct string')}; got {labels!r:.200}")
    names = tuple(labels)
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise InvalidInput(f"labels hold {wrong[0]!r}, which is no string; give {counted(n, 'distinct string')}")
    names = tuple(as_text(name, f"labels[{i}]") for i, name in enumerate(names))
    if len(names) != n or len(set(names)) != n:
        raise InvalidInput(
            f"labels have {counted(len(names), 'name')}, {len(set(names))} of them distinct; "
            f"give {counted(n, 'distinct string')}"
        )
    return names


def _as_seeds(seeds: Sequence[int] | None, starts: int) -> tuple[int, ...]:
    """Return one distinct seed for each start; 0, 1, ... by default."""
    if seeds is None:
        return tuple(range(starts))
    numbers = tuple(as_count(seed, f"seeds[{i}]", minimum=0) for i, seed in enumerate(seeds))
    if len(numbers) != starts or len(set(numbers)) != starts:
        raise InvalidInput(
            f"tokens hold {counted(starts, 'start')}, seeds are {list(numbers)}; give one distinct seed for each "
            "start, or a (token, component) array for all seeds"
        )
    return numbers
