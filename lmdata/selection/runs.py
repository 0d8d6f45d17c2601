"""Training runs as labelled datasets, in memory or in a store, on the road of every run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmdata.errors import BackendUnavailable, InvalidInput
from lmdata.runs import road
from lmdata.runs.means import Means
from lmdata.runs.progress import Progress
from lmdata.runs.provenance import check_returns
from lmdata.selection.dataset import BACKEND
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.source import ProblemSource, source_from_specification
from lmdata.selection.sources import Starts
from lmdata.selection.training import Trainer

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray


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
    durable: bool = False,
    progress: Progress | bool | None = None,
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
        Where to keep the run, as for `lmdata.simulate`: members are committed as they are trained, and
        `lmdata.resume` goes on with a run that was interrupted. In memory without it.
    durable
        Flush every commit to disk before a member counts as kept.
    progress
        Called as ``progress(members done, members)``; True shows a bar.

    Returns
    -------
    xarray.Dataset
        In memory, or lazy from the store, with dims (<swept>, start, seed, iteration, sample, token, feature): the
        trained ``prompt``, ``weight`` or ``value`` and the ``loss`` by iteration; ``status``, ``digest`` and
        ``steps_done`` by member; and the problem: ``token_vector``, ``token_count``, ``label``, ``fixed_value``,
        ``fixed_weight``, ``query_vector``, ``word``, as far as there are such. All numbers are dimensionless. A member
        whose numbers overflow has the status failed, and is NaN; ``steps_done`` says how far it went.

    Raises
    ------
    InvalidInput
        Before any work, naming the argument, its value and the remedy.
    RecipeMismatch, StoreError
        If the store holds something else, or cannot be written.
    IncompleteDataset
        If the store holds an unfinished run, or members have failed.
    Interrupted
        On Ctrl-C; finished members are kept and the message says how to resume.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction, train
    >>> ds = train(TokenSelection(), construction("single-local"), starts=[[0, 1, 0], [0, -1.5, 0]], steps=200)
    >>> dict(ds.prompt.sizes)
    {'start': 2, 'seed': 1, 'iteration': 201, 'feature': 3}
    """
    recipe = SelectionRecipe.of(model, problem, steps=steps, starts=starts, seeds=seeds, sweep=sweep, record=record)
    return road.run(TRAINING, recipe, Means(store=store, durable=durable, progress=progress))


class Training:
    """The kind of run in which attention is trained; see `lmdata.runs.road.Kind`."""

    def read(self, specification: Any, *, initial: NDArray[np.float64] | None = None) -> SelectionRecipe:
        """Return the recipe of a specification."""
        return SelectionRecipe.from_specification(specification)

    def check(self, recipe: SelectionRecipe, means: Means) -> None:
        """Refuse what training runs do not have: another backend than their own, and workers.

        Raises
        ------
        InvalidInput, BackendUnavailable
            Naming the argument.
        """
        if means.certify:
            raise InvalidInput("certify is True, and only limits of localmax are proved; leave it out")
        if means.scheduler is not None:
            raise InvalidInput(f"scheduler is {means.scheduler!r}, and training runs are computed here; leave it out")
        if means.backend not in ("auto", "numpy", BACKEND):
            raise BackendUnavailable(
                f"backend is {means.backend!r}; training runs have one, {BACKEND!r}: give that, 'numpy' or 'auto'"
            )

    def prepare(self, recipe: SelectionRecipe, means: Means, layout: Any = None) -> Trainer:
        """Draw problems and starts, and check them; refuse what could not be resumed from a store."""
        self.check(recipe, means)
        if layout is None and means.store is not None:
            arrays = "give the problem as arrays (lmdata.selection.given)"
            check_returns(
                recipe.model, TokenSelection.from_specification, what="the model", otherwise="leave out store"
            )
            check_returns(recipe.problem, source_from_specification, what="the problem", otherwise=arrays)
        return Trainer.of(recipe, means, layout)


TRAINING = Training()


def run(recipe: SelectionRecipe, *, progress: Progress | bool | None = None) -> xr.Dataset:
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
    return road.run(TRAINING, recipe, Means(progress=progress))


def run_to_store(
    recipe: SelectionRecipe,
    store: str | os.PathLike[str],
    *,
    durable: bool = False,
    progress: Progress | bool | None = None,
) -> xr.Dataset:
    """Run a recipe into a store, and open it lazily; a store that already holds this recipe's run is opened.

    Parameters
    ----------
    recipe, progress
        As for `lmdata.selection.run`.
    store, durable
        As for `lmdata.selection.train`.

    Returns
    -------
    xarray.Dataset
        Lazy, as `lmdata.open` returns it.

    Raises
    ------
    RecipeMismatch, IncompleteDataset, StoreError, Interrupted
        As for `lmdata.selection.train`.

    Examples
    --------
    >>> import tempfile
    >>> from lmdata.selection import SelectionRecipe, TokenSelection, construction
    >>> recipe = SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_to_store(recipe, folder + "/run").prompt.shape
    (1, 1, 21, 3)
    """
    return road.run(TRAINING, recipe, Means(store=store, durable=durable, progress=progress))
