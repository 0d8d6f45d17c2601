"""Training runs as labelled datasets, in memory or on disk: one verified zarr folder a run, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmdata.data.derived import save_derived
from lmdata.data.opening import open_dataset
from lmdata.errors import InvalidInput, RecipeMismatch
from lmdata.numerics.checks import as_path
from lmdata.runs.means import Means
from lmdata.selection.dataset import assemble
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.source import ProblemSource
from lmdata.selection.sources import Starts
from lmdata.selection.training import Progress, train_members

if TYPE_CHECKING:
    import xarray as xr

MADE_BY = "lmdata.selection.train"


def train(
    model: TokenSelection,
    problem: ProblemSource | Problem,
    *,
    steps: int,
    starts: Starts | Any = None,
    seeds: Sequence[int] = (0,),
    sweep: Mapping[str, Sequence[float]] | None = None,
    record: int | Sequence[int] | None = None,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Train one-layer softmax attention from every start, on the problem of every seed, at every swept value.

    Parameters
    ----------
    model
        What is trained, by which loss and how.
    problem
        A source such as ``construction("single-local")``, ``gaussian(...)`` or ``sentences()``, or a `Problem`.
    steps
        Number of iterations T; iteration 0 is the start.
    starts
        Starts of the prompt or of W: an array (start, feature) or (start, feature, feature), or
        ``starts(count=...)``; zero by default. In joint training v starts at the problem's value vector.
    seeds
        Seeds of random problems and of random starts.
    sweep
        Values of parameters of the model or of the problem; each becomes a dimension of that name.
    record
        Iterations to keep: all, every k-th and the last, or exactly these.
    store
        Where to keep the run: a new folder, or one that holds the same run already. In memory without it. It is
        trained in memory and appears in one move when it is whole, so that there is nothing to resume.
    progress
        Called as ``progress(members done, members)``.

    Returns
    -------
    xarray.Dataset
        In memory, or lazy from the store, with dims (<swept>, start, seed, iteration, sample, token, feature): the
        trained ``prompt``, ``weight`` or ``value`` and the ``loss`` by iteration; ``status``, ``digest`` and
        ``steps_done`` by member; and the problem: ``token_vector``, ``token_count``, ``label``, ``fixed_value``,
        ``fixed_weight``, ``query_vector``, ``word``, as far as there are such. All numbers are dimensionless. A member
        whose numbers overflow has the status failed, and NaN from there on.

    Raises
    ------
    InvalidInput
        Before any work, naming the argument, its value and the remedy.
    RecipeMismatch, StoreError
        If the store holds something else, or cannot be written.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), starts=[[0, 1, 0], [0, -1.5, 0]], steps=200)
    >>> dict(ds.prompt.sizes)
    {'start': 2, 'seed': 1, 'iteration': 201, 'feature': 3}
    """
    recipe = SelectionRecipe.of(model, problem, steps=steps, starts=starts, seeds=seeds, sweep=sweep, record=record)
    if store is None:
        return run(recipe, progress=progress)
    return run_to_store(recipe, store, progress=progress)


def run(recipe: SelectionRecipe, *, progress: Progress | None = None) -> xr.Dataset:
    """Run a recipe in memory; `train` with its arguments already checked.

    Parameters
    ----------
    recipe : SelectionRecipe
        What is trained, from where, and for how long.
    progress : callable, optional
        Called as ``progress(members done, members)``.

    Returns
    -------
    Dataset
        As of `train`.

    Examples
    --------
    >>> from lmdata.selection import SelectionRecipe, TokenSelection, construction, run
    >>> run(SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=20)).prompt.shape
    (1, 1, 21, 3)
    """
    problems, paths = train_members(recipe, progress)
    return assemble(recipe, problems, paths)


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

    Returns
    -------
    xarray.Dataset
        Lazy, as `lmdata.open` returns it.

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
    if not as_path(store, "store").exists():
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


def run_with(recipe: SelectionRecipe, means: Means) -> xr.Dataset:
    """Run a recipe into the store of some means.

    Raises
    ------
    InvalidInput
        If a scheduler is given: training runs are computed here.
    """
    if means.scheduler is not None:
        raise InvalidInput(f"scheduler is {means.scheduler!r}, and training runs are computed here; leave it out")
    assert means.store is not None
    progress = means.progress if callable(means.progress) else None
    return run_to_store(recipe, means.store, durable=means.durable, progress=progress)
