"""Whole batches of models and token sources, also of those that know of one member at a time.

A token source may have ``draw_batch(seeds)``, and a model the class method ``check_batch(models, tokens, steps)``:
both then do for many members at once what ``draw(seed)`` and ``check(tokens, steps)`` do for one. Without them, and
where a subclass has changed only the method for one, that one is called member by member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmdata.dynamics.model import Model
    from lmdata.dynamics.tokens.source import TokenSource


def draw(source: TokenSource, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Return the tokens of each seed, (seed, n, d), in C order: a sum's last bit may depend on how its terms lie.

    Raises
    ------
    InvalidInput
        If the source draws tokens that are not of its shape.

    Examples
    --------
    >>> from lmdata.dynamics import tokens
    >>> draw(tokens.uniform(16, 2), range(3)).shape
    (3, 16, 2)
    """
    if _takes_batches(type(source), "draw", "draw_batch"):
        drawn = np.asarray(source.draw_batch(seeds), dtype=np.float64)  # type: ignore[attr-defined]
    else:
        drawn = np.stack([np.asarray(source.draw(seed), dtype=np.float64) for seed in seeds])
    if drawn.shape != (len(seeds), *source.shape):
        raise InvalidInput(
            f"tokens of kind {source.kind!r} have the shape {drawn.shape[1:]}, and the source says that it is "
            f"{tuple(source.shape)}; let draw return what shape says"
        )
    return np.ascontiguousarray(drawn)


def check(models: Sequence[Model], tokens: NDArray[np.float64], steps: int) -> None:
    """Check each of the models, which differ in sweepable parameters alone, with each of the starts (seed, n, d).

    Raises
    ------
    InvalidInput
        As the models say, if some start cannot be stepped right.

    Examples
    --------
    >>> from lmdata.dynamics import Localmax
    >>> check([Localmax(0.1), Localmax(0.2)], np.ones((3, 16, 2)), 10)
    """
    if _takes_batches(type(models[0]), "check", "check_batch"):
        type(models[0]).check_batch(models, tokens, steps)  # type: ignore[attr-defined]
        return
    for model in models:
        for start in tokens:
            model.check(start, steps)


def distinct[M](models: Sequence[M]) -> tuple[list[M], NDArray[np.intp]]:
    """Return each object among the models once, and for every member the place of its own in that list.

    Members share the models of a sweep, so that what depends on a model alone need not be done for each.

    Examples
    --------
    >>> one, other = object(), object()
    >>> found, places = distinct([one, other, one])
    >>> [found[place] is model for place, model in zip(places, [one, other, one])]
    [True, True, True]
    """
    identities = np.fromiter(map(id, models), np.uint64, len(models))
    _, first, places = np.unique(identities, return_index=True, return_inverse=True)
    return [models[place] for place in first.tolist()], places


def _takes_batches(cls: type[Any], single: str, batch: str) -> bool:
    """Return whether the method for batches is the last word: not if a subclass of its class changes the other."""
    for base in cls.__mro__:
        if batch in vars(base):
            return True
        if single in vars(base):
            return False
    return False
