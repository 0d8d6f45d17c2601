"""What a token source is, and the kinds that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import Kinds


@runtime_checkable
class TokenSource(Protocol):
    """Gives the (n, d) tokens from which a member of some seed starts; frozen, and described by its specification.

    It is read back by its own ``from_specification``; without one, as a dataclass whose fields are the parameters.
    """

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
        """Whether the specification alone gives the tokens back; if not, it cannot be stored but as an array."""
        ...

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        ...

    def draw(self, seed: int) -> NDArray[np.float64]:
        """Return the tokens of a seed, (n, d), dimensionless.

        A source may also have ``draw_batch(seeds)``, which returns (seed, n, d) in one go, as those that ship have.
        """
        ...


SOURCES: Kinds[TokenSource] = Kinds("token source", "tokens")
"""The token sources by their kinds: lmdata's own, those registered, and those of other packages."""

register = SOURCES.register


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
    if values is not None and isinstance(specification, Mapping):
        specification = {"values": values, **specification}
    return SOURCES.read(specification)
