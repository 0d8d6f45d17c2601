"""Training runs kept on disk: one verified zarr folder a run, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lmdata.errors import RecipeMismatch
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.training import Progress, run

if TYPE_CHECKING:
    import xarray as xr

MADE_BY = "lmdata.selection.train"


def run_to_store(
    recipe: SelectionRecipe,
    store: str | os.PathLike[str],
    *,
    durable: bool = False,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Run a recipe into a store, and open it lazily; a store that already holds this recipe's run is opened.

    Parameters
    ----------
    recipe, progress
        As for `lmdata.selection.run`.
    store
        A path.
    durable
        Flush the store to disk before it appears at the path.

    Raises
    ------
    RecipeMismatch
        If the store holds something else.
    StoreError
        If it cannot be written or read.

    Examples
    --------
    >>> import tempfile
    >>> from lmdata.selection import SelectionRecipe, TokenSelection, construction
    >>> recipe = SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_to_store(recipe, folder + "/run").prompt.shape
    (1, 1, 21, 3)
    """
    from lmdata.data.derived import save_derived
    from lmdata.data.opening import open_dataset

    if not Path(store).exists():
        made = run(recipe, progress=progress)
        parameters = {"recipe_id": recipe.id}
        save_derived(made, store, source=made, made_by=MADE_BY, parameters=parameters, durable=durable)
    ds = open_dataset(store)
    found = json.loads(ds.attrs.get("parameters", "{}")).get("recipe_id")
    if found != recipe.id:
        raise RecipeMismatch(
            f"{store} holds a dataset of another recipe ({str(found)[:12]}, this one is {recipe.id[:12]}), and is left "
            "as it is; choose another place"
        )
    return ds
