"""A null model of given tokens: their lengths, and random directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import read_parameters
from lmdata.dynamics.tokens.given import as_source
from lmdata.dynamics.tokens.source import TokenSource, register, source_from_specification
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics import random

_STREAM = (3,)
"""Of a seed's streams, the one of directions; the tokens of the random sources are drawn from another."""


@register
@dataclass(frozen=True)
class RandomDirections(Specified):
    """The lengths of other tokens in random directions; see :func:`lmdata.tokens.random_directions`."""

    kind: ClassVar[str] = "random-directions"
    depends_on_seed: ClassVar[bool] = True

    of: TokenSource

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", as_source(self.of))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of tokens and of components."""
        return self.of.shape

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the tokens whose lengths these have."""
        return self.of.labels

    @property
    def rebuildable(self) -> bool:
        """Whether the tokens whose lengths these have can be built again."""
        return self.of.rebuildable

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, "of": self.of.specification()}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the source of a specification, whose ``of`` is that of a token source."""
        parameters = read_parameters(specification, f"token source {cls.kind!r}", ("of",))
        if "of" not in parameters:
            raise InvalidInput(f"token source {cls.kind!r} lacks 'of'; it needs the specification of a token source")
        return cls(source_from_specification(parameters["of"]))

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless."""
        return self.draw_batch([seed])[0]  # type: ignore[no-any-return]

    def draw_batch(self, seeds: Sequence[int]) -> NDArray[np.float64]:
        """Return the tokens of each seed, (seed, n, d), dimensionless."""
        same = None if self.of.depends_on_seed or not seeds else self.of.draw(seeds[0])
        drawn = np.empty((len(seeds), *self.shape))
        for row, (seed, directions) in enumerate(
            zip(seeds, random.normal(seeds, self.shape, stream=_STREAM), strict=True)
        ):
            tokens = self.of.draw(seed) if same is None else same
            directions = directions[_first_of_equals(tokens)]
            drawn[row] = directions / random.lengths(directions)[:, None] * random.lengths(tokens)[:, None]
        return drawn


def random_directions(tokens: Any) -> RandomDirections:
    """Return a source of tokens as long as given ones, each in a random direction: what length alone brings about.

    Direction i is uniform on the sphere, and belongs to token i. Tokens that are equal, such as a word that occurs
    twice, are as equal here: they share the direction of the first of them. The null model of claims on the
    directions of tokens, as of what the words of a sentence mean.

    Parameters
    ----------
    tokens : token source or array
        What gives lengths, labels and equalities: a source, or tokens (token, component).

    Returns
    -------
    TokenSource
        Draws (n, d) tokens for each seed, the same on every machine where those of ``tokens`` are.

    Raises
    ------
    InvalidInput
        If ``tokens`` are no source and no finite real tokens.

    Examples
    --------
    >>> null = random_directions([[3.0, 4.0], [0.0, 1.0], [3.0, 4.0]]).draw(seed=0)
    >>> bool(np.allclose(np.linalg.norm(null, axis=1), [5.0, 1.0, 5.0])), bool((null[0] == null[2]).all())
    (True, True)
    """
    return RandomDirections(as_source(tokens))


def _first_of_equals(tokens: NDArray[np.float64]) -> list[int]:
    """Return for each token the number of the first that equals it, its own where there is none before."""
    first: dict[tuple[float, ...], int] = {}
    return [first.setdefault(tuple(token), i) for i, token in enumerate(tokens.tolist())]
