"""The one road of every kind of run: in memory or into a store, and on from where it was interrupted."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lmdata.data.digest import canonical_json
from lmdata.data.frames import Sink
from lmdata.data.registry import COMPLETE
from lmdata.errors import ClusterLost, Interrupted, RecipeMismatch
from lmdata.numerics.random import ROOT_ENTROPY
from lmdata.runs.means import Means
from lmdata.runs.memory import in_memory
from lmdata.runs.provenance import foreign, held
from lmdata.runs.recipe import AnyRecipe, stored_recipe, stored_specification
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

    from lmdata.data.grid import Grid
    from lmdata.data.store.writer import RunStore

type Compute = Callable[[RunStore], None]
"""Computes the members that a store lacks."""


class Work(Protocol):
    """A recipe that is ready to be computed."""

    @property
    def layout(self) -> Grid:
        """What the dataset will be."""

    def __call__(self, blocks: Iterable[Sequence[int]], sink: Sink) -> None:
        """Compute members in this process, and hand them to the sink."""

    def computing(self) -> AbstractContextManager[Compute]:
        """Yield what computes the members that a store lacks."""


class Kind[R: AnyRecipe](Protocol):
    """A kind of run: how its recipes are read, and what computes them."""

    def read(self, specification: Any, *, initial: NDArray[np.float64] | None = None) -> R:
        """Return the recipe that plain values are, with the tokens that were kept beside it."""

    def check(self, recipe: R, means: Means) -> None:
        """Check what a run would be computed with, also where nothing is left to be computed."""

    def prepare(self, recipe: R, means: Means, layout: Any = None) -> Work:
        """Return the work to be done, for a store of this layout if there is one; refuse what cannot be done."""


def run[R: AnyRecipe](kind: Kind[R], recipe: R, means: Means) -> xarray.Dataset:
    """Run a recipe; a store that is finished and of the same recipe is opened.

    Parameters
    ----------
    kind
        Of the recipe.
    recipe
        What is to be computed.
    means
        Where and with what.

    Returns
    -------
    xarray.Dataset
        In memory without a store; with one, lazy, as `lmdata.open` returns it.

    Raises
    ------
    InvalidInput
        If it cannot be computed by these means.
    RecipeMismatch, IncompleteDataset
        If the store holds something else, or an unfinished run.
    Interrupted, ClusterLost
        If it was stopped; finished members are kept and the message says how to resume.
    """
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.storage import Place
    from lmdata.data.store.writer import RunStore

    if means.store is not None and Place.of(means.store).taken():
        kind.check(recipe, means)
        return _open_finished(recipe, means.store, certified=means.certify)
    work = kind.prepare(recipe, means)
    if means.store is None:
        return in_memory(work.layout, work)
    with (
        resumable(means),
        work.computing() as compute,
        RunStore.create(means.store, work.layout, initial=recipe.initial, durable=means.durable) as writer,
    ):
        compute(writer)
    return open_dataset(means.store)


def resume(kind_of: Callable[[Mapping[str, Any]], Kind[Any]], means: Means) -> xarray.Dataset:
    """Compute the members that a stored run still lacks, and return the dataset.

    Parameters
    ----------
    kind_of
        Called with a recipe's specification: returns the kind of run that it is.
    means
        Where the store is, and with what its members are computed.

    Raises
    ------
    RecipeMismatch
        If the store's recipe cannot be run by this version of lmdata.
    StoreLocked
        If another process is writing to the store.
    Interrupted, ClusterLost
        As for `run`.
    """
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.writer import RunStore

    assert means.store is not None
    with resumable(means), RunStore.append_to(means.store, durable=means.durable) as writer:
        kind = kind_of(stored_specification(writer.layout.attrs))
        recipe = stored_recipe(writer.layout.attrs, writer.initial, kind.read)
        kind.check(recipe, means)
        if writer.pending():
            with kind.prepare(recipe, means, writer.layout).computing() as compute:
                compute(writer)
    return open_dataset(means.store)


def attributes(recipe: AnyRecipe, *, backend: str, made: str) -> dict[str, Any]:
    """Return the attributes of a run: its recipe, what it is computed with, and which other packages have a part in it.

    Parameters
    ----------
    recipe
        What is computed.
    backend
        What computes it.
    made
        The past participle of what is done, for the history.
    """
    specification = recipe.specification()
    created = datetime.now(UTC).isoformat(timespec="seconds")
    others = foreign(*held(recipe))
    return {
        "model": canonical_json(specification["model"]),
        "tokens": canonical_json(specification["tokens"]),
        "recipe": recipe.text,
        "recipe_id": recipe.id,
        "root_seed": str(ROOT_ENTROPY),
        "versions": canonical_json(versions()),
        "backend": backend,
        "created": created,
        "history": f"{created} {made} by lmdata {versions()['lmdata']}",
        **({"plugins": canonical_json(others)} if others else {}),
    }


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of lmdata, Python and the libraries that a run stands on."""
    names = ("lmdata", "numpy", "numba", "xarray", "zarr", "icechunk")
    return {name: importlib.metadata.version(name) for name in names} | {"python": sys.version.split()[0]}


@contextmanager
def resumable(means: Means) -> Iterator[None]:
    """Where a run is stopped, once the store has kept what is finished, say how far it is and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped {_how_far(means)}") from None
    except ClusterLost as error:
        raise ClusterLost(f"{error}; stopped {_how_far(means)}") from error.__cause__


def _how_far(means: Means) -> str:
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.storage import Place

    assert means.store is not None
    if not Place.of(means.store).taken():
        return f"before {means.store} was made: nothing is kept"
    status = open_dataset(means.store, allow_partial=True)["status"].values
    done = np.count_nonzero(status == COMPLETE)
    if done == status.size:
        return f"with {done} of {counted(status.size, 'member')} complete: {means.store} is finished"
    path = os.fspath(means.store)
    call, command = repr(path), shlex.quote(path)
    if means.durable:
        call, command = f"{call}, durable=True", f"{command} --durable"
    return (
        f"after {done} of {counted(status.size, 'member')}, which are kept; go on with "
        f"lmdata.resume({call}), or in a shell: lmdata resume {command}"
    )


def _open_finished(recipe: AnyRecipe, store: str | os.PathLike[str], *, certified: bool) -> xarray.Dataset:
    """Open an existing store if it is finished and of this recipe; say what is different otherwise."""
    from lmdata.data.opening import open_dataset

    dataset = open_dataset(store, allow_partial=True)
    if dataset.attrs.get("recipe_id") != recipe.id:
        there = json.loads(dataset.attrs.get("recipe", "{}"))
        raise RecipeMismatch(
            f"{store} holds a dataset of another recipe and is left as it is; choose another place. They differ in\n"
            + difference(recipe.specification(), there)
        )
    if certified and "certified" not in dataset:
        raise RecipeMismatch(
            f"{store} holds this run without certificates, and is left as it is; lmdata.certify(lmdata.open(...)) "
            "proves what there is, or choose another place"
        )
    return open_dataset(store)


def difference(mine: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say in one line per key where another recipe's specification differs from this one.

    Examples
    --------
    >>> difference({"steps": 3, "seeds": [0]}, {"steps": 4, "seeds": [0]})
    '  steps: 4 there, 3 here'
    """
    return "\n".join(
        f"  {key}: {other.get(key, '(absent)')!r} there, {mine.get(key, '(absent)')!r} here"
        for key in sorted({*mine, *other})
        if mine.get(key) != other.get(key)
    )
