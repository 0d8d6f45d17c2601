"""Proofs of the limits of a recipe's members: they follow from where members start, before any has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.dynamics.batch import draw
from lmdata.dynamics.models.localmax import Localmax
from lmdata.errors import InvalidInput
from lmdata.runs.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_provable(recipe: Recipe) -> None:
    """Refuse the recipe of another model than localmax.

    Raises
    ------
    InvalidInput
        Naming the model.
    """
    if not isinstance(recipe.model, Localmax):
        raise InvalidInput(
            f"certify is True, and the model is of kind {recipe.model.kind!r}: only limits of localmax are proved; "
            "leave it out"
        )


def proved(recipe: Recipe, members: Sequence[int] | None = None) -> dict[str, NDArray[Any]]:
    """Prove the limits of members; what is not proved is said to be so.

    Parameters
    ----------
    recipe
        Of localmax.
    members
        Their numbers in the grid; all of them by default.

    Returns
    -------
    dict
        By name, as declared in `lmdata.data.registry.CERTIFICATES` but for ``proved_exactly``, which nobody asked
        for: (<swept>, seed, ...), or (member, ...) of some.

    Examples
    --------
    >>> import lmdata
    >>> recipe = Recipe.of(lmdata.Localmax(0.1), lmdata.tokens.uniform(6, 2), steps=3, seeds=range(4))
    >>> proved(recipe)["certified"]
    array([ True,  True,  True,  True])
    """
    from lmdata.dynamics.limits.certificates import certificates  # compiled

    check_provable(recipe)
    starts = draw(recipe.tokens, recipe.distinct_seeds)
    numbers = np.arange(recipe.size) if members is None else np.asarray(members)
    count = len(recipe.seeds)
    first = starts[numbers % count % len(starts)] + 0.0
    models = [model for model in recipe.models if isinstance(model, Localmax)]
    found = certificates(first, numbers // count, models=models)._asdict()
    del found["proved_exactly"]
    shape = (*map(len, recipe.sweep.values()), count) if members is None else numbers.shape
    return {name: values.reshape(*shape, *values.shape[1:]) for name, values in found.items()}
