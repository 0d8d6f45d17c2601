"""Simulate the members of a recipe, in memory or into a store, and resume what was interrupted."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.data.registry import COMPLETE
from lmdata.dynamics.kernels.backends import choose
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.tokens import source_from_specification
from lmdata.errors import ClusterLost, InvalidInput, RecipeMismatch
from lmdata.numerics.random import ROOT_ENTROPY
from lmdata.runs.cluster import checked, connected
from lmdata.runs.provenance import check_returns, foreign
from lmdata.runs.recipe import Recipe, stored_recipe
from lmdata.runs.runner import Memory, Progress, Runner
from lmdata.runs.sizes import check_size

if TYPE_CHECKING:
    import xarray

    from lmdata.data.layout import Layout
    from lmdata.data.store.writer import RunStore
    from lmdata.dynamics.model import Model


class Interrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C (or SIGTERM in the commands) after its finished members were committed."""


def simulate(
    model: Model,
    tokens: Any,
    *,
    steps: int,
    seeds: Sequence[int] = (0,),
    sweep: dict[str, Sequence[float]] | None = None,
    record: int | Sequence[int] | None = None,
    backend: str = "auto",
    store: str | os.PathLike[str] | None = None,
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    r"""Simulate every member of a sweep and return the trajectories as a labelled dataset.

    Members are the points of ``sweep`` times ``seeds``. All members of one seed start from the same tokens.
    A member's bits depend on the model, its tokens and its own swept values alone: not on the other members,
    the backend, the block sizes or the number of threads.

    Parameters
    ----------
    model : Model
        The dynamics, e.g. ``lmdata.Localmax(alignment_sensitivity=0.1)``.
    tokens : token source or array
        A source from `lmdata.tokens`, a (token, component) array (one start for all seeds) or a
        (seed, token, component) array (one start per seed); dimensionless.
    steps : int
        Number of steps T; time runs from 0 (the initial state) to T.
    seeds : sequence of int
        One member per seed; the ``seed`` dimension is always there.
    sweep : mapping of parameter name to values, optional
        Each swept parameter overrides the model's own value and becomes a dimension, in the order given.
    record : None, int or sequence of int
        Every step, every k steps (first and last always), or exactly these step numbers.
    backend : str
        ``"auto"``, ``"numpy"`` or ``"cupy"``, with a kernel after a colon where one is to be forced.
        ``"auto"`` takes what serves; what was taken stands in the ``backend`` attribute.
    store : path or address, optional
        Where to keep the run, a path or ``s3://bucket/prefix`` (credentials in the environment): members are
        committed as they finish. An existing store is opened if it is finished and of the same recipe, and refused
        otherwise.
    durable : bool
        Flush every commit to disk before a member counts as kept: it then survives a loss of power too, not only the
        end of the process. Each commit takes as long as the disk needs.
    scheduler : int or str, optional
        With a store: let the workers of a dask.distributed cluster compute, while this process commits. Either the
        number of worker processes to be started here, or the address of a scheduler, ``tls://...`` on another
        machine (see `lmdata.runs.cluster.connected`), whose workers must reach the store under the same path. A script
        that starts workers needs the usual ``if __name__ == "__main__":``.
    progress : callable, bool or None
        Called as ``progress(done, total)`` after each batch; True shows a tqdm bar; silent by default.

    Returns
    -------
    xarray.Dataset
        ``position`` (<swept>, seed, time, token, component), with ``status``, ``digest`` and ``steps_done`` a
        member. In memory without a store; with one, lazy, as `lmdata.open` returns it.

    Raises
    ------
    InvalidInput
        Before any work, naming the argument, its value and the remedy.
    StoreExists, RecipeMismatch, IncompleteDataset
        If ``store`` holds something else, another recipe, or an unfinished run (resume it).
    BackendUnavailable
        If the backend cannot run here, or no scheduler answers.
    ClusterLost
        If the cluster is lost, or a worker cannot go on; finished members are kept and the message says how to resume.
    Interrupted
        On Ctrl-C; finished members are kept and the message says how to resume.

    Examples
    --------
    >>> import lmdata
    >>> model = lmdata.Localmax(influence=0.5)
    >>> ds = lmdata.simulate(model, lmdata.tokens.uniform(16, 2), steps=20,
    ...                      sweep={"alignment_sensitivity": [0, 0.1]}, seeds=range(3))
    >>> dict(ds.sizes)
    {'alignment_sensitivity': 2, 'seed': 3, 'time': 21, 'token': 16, 'component': 2}
    """
    recipe = Recipe.of(model, tokens, steps=steps, seeds=seeds, sweep=sweep, record=record)
    return run(recipe, backend=backend, store=store, durable=durable, scheduler=scheduler, progress=progress)


def run(
    recipe: Recipe,
    *,
    backend: str = "auto",
    store: str | os.PathLike[str] | None = None,
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Run a recipe: `simulate` with its arguments already checked. Parameters and errors as there."""
    if store is not None:
        if not isinstance(store, str | os.PathLike) or not os.fspath(store):
            raise InvalidInput(f"store must be a path; got {store!r}")
        from lmdata.data.store.storage import Place

        if Place.of(store).taken():
            _check_means(recipe, backend, scheduler)
            return _open_finished(recipe, store)
    elif durable:
        raise InvalidInput("durable is True, and there is no store to be flushed to disk; give store=PATH")
    elif scheduler is not None:
        raise InvalidInput(f"scheduler is {scheduler!r}, and its workers need a store to write into; give store=PATH")
    if store is not None:
        _check_returns(recipe)
    check_size(recipe, store)
    runner = Runner.of(recipe, backend, progress)
    layout = _layout(runner)
    if store is None:
        return _in_memory(recipe, layout, runner)
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.writer import RunStore

    with _resumable(store, durable), _computing(runner, scheduler) as compute:
        if scheduler is not None:
            layout = _spread_out(layout, runner.most)
        with RunStore.create(store, layout, initial=recipe.initial, durable=durable) as writer:
            compute(writer)
    return open_dataset(store)


def resume(
    store: str | os.PathLike[str],
    *,
    backend: str = "auto",
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Compute the members that a stored run still lacks, and return the dataset.

    Finished members are never computed again; the final digests equal those of an uninterrupted run.
    A finished store is opened as it is.

    Parameters
    ----------
    store : path or address
        The store of a run that `simulate` began.
    backend, durable, scheduler, progress
        As in `simulate`; each may be another than the run was begun with.

    Returns
    -------
    xarray.Dataset
        Lazy, as `lmdata.open` returns it.

    Raises
    ------
    RecipeMismatch
        If the store's recipe cannot be run by this version of lmdata.
    ClusterLost
        As in `simulate`.
    StoreLocked
        If another process is writing to the store.
    UnknownName
        If its model or tokens are of a package that is not installed; the message says which.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     started = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.resume(f"{folder}/run").equals(started)
    True
    """
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.writer import RunStore

    with _resumable(store, durable), RunStore.append_to(store, durable=durable) as writer:
        recipe = stored_recipe(writer.layout.attrs, writer.initial)
        _check_means(recipe, backend, scheduler)
        if writer.pending():
            runner = Runner.of(recipe, backend, progress, writer.layout.diagnostics)
            with _computing(runner, scheduler) as compute:
                compute(writer)
    return open_dataset(store)


def _check_means(recipe: Recipe, backend: str, scheduler: int | str | None) -> None:
    """Check what a run would be computed with, also where nothing is left to be computed."""
    n, d = recipe.tokens.shape
    choose(backend, kind=recipe.model.kind, members=recipe.size, tokens=n, components=d)
    if scheduler is not None:
        checked(scheduler)


def _check_returns(recipe: Recipe) -> None:
    """Refuse what could not be resumed: a recipe that its own specification would not give back."""
    initial = recipe.initial
    read: Callable[[Any], Any] = functools.partial(source_from_specification, values=initial)
    array = "give its tokens as an array (lmdata.tokens.array)"
    check_returns(recipe.model, model_from_specification, what="the model", otherwise="leave out store")
    check_returns(recipe.tokens, read, what="the token source", otherwise=array)


def _layout(runner: Runner) -> Layout:
    from lmdata.data.layout import Layout

    recipe = runner.recipe
    n, d = recipe.tokens.shape
    created = datetime.now(UTC).isoformat(timespec="seconds")
    of_others = foreign(recipe.model, recipe.tokens)
    return Layout(
        swept=recipe.sweep,
        seeds=recipe.seeds,
        time=recipe.model.times(recipe.recorded),
        time_unit=recipe.model.time_unit,
        labels=recipe.tokens.labels,
        tokens=n,
        components=d,
        dtype=recipe.dtype,
        diagnostics=runner.diagnostics,
        attrs={
            "model": _json(recipe.model.specification()),
            "tokens": _json(recipe.tokens.specification()),
            "recipe": recipe.text,
            "recipe_id": recipe.id,
            "root_seed": str(ROOT_ENTROPY),
            "versions": _json(versions()),
            "backend": str(runner.choice),
            "created": created,
            "history": f"{created} simulated by lmdata {versions()['lmdata']}",
            **({"plugins": _json(of_others)} if of_others else {}),
        },
    )


def _spread_out(layout: Layout, members: int) -> Layout:
    """Return the layout with about so many members in a storage chunk, if it has more: no two workers share one."""
    from lmdata.data.layout import spread

    if math.prod(layout.chunk[:-1]) <= members:
        return layout
    return replace(layout, chunk=(*spread(layout.shape, members), layout.chunk[-1]))


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of lmdata, Python and the libraries that a run stands on."""
    names = ("lmdata", "numpy", "xarray", "zarr", "icechunk")
    return {name: importlib.metadata.version(name) for name in names} | {"python": sys.version.split()[0]}


def _json(value: Any) -> str:
    from lmdata.data.digest import canonical_json

    return canonical_json(value)


def _in_memory(recipe: Recipe, layout: Layout, runner: Runner) -> xarray.Dataset:
    from lmdata.data.digest import member_digests
    from lmdata.data.layout import assemble

    memory = Memory(recipe, layout.diagnostics)
    runner(layout.blocks(), memory)
    digests = np.zeros(layout.size, "<U64")
    complete = np.flatnonzero(memory.status == COMPLETE)
    whole = memory.position if len(complete) == layout.size else memory.position[complete]
    digests[complete] = member_digests(layout.keys(complete.tolist()), whole)
    return assemble(
        layout,
        memory.position.reshape(*layout.shape, *memory.position.shape[1:]),
        status=memory.status.reshape(layout.shape),
        digest=digests.reshape(layout.shape),
        steps_done=memory.steps_done.reshape(layout.shape),
        diagnostics={name: values.reshape(*layout.shape, -1) for name, values in memory.diagnostics.items()},
    )


@contextmanager
def _computing(runner: Runner, scheduler: int | str | None) -> Iterator[Callable[[RunStore], None]]:
    """Yield what computes the members that a store lacks: this process, or the workers of a cluster."""
    if scheduler is None:
        yield lambda store: runner(store.pending(), store)
        return
    from lmdata.runs.scaling import scale_out

    with connected(scheduler) as client:
        yield lambda store: scale_out(runner, store, client)


@contextmanager
def _resumable(store: str | os.PathLike[str], durable: bool) -> Iterator[None]:
    """Where a run is stopped, once the store has kept what is finished, say how far it is and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"stopped {_how_far(store, durable)}") from None
    except ClusterLost as error:
        raise ClusterLost(f"{error}; stopped {_how_far(store, durable)}") from error.__cause__


def _how_far(store: str | os.PathLike[str], durable: bool) -> str:
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.storage import Place

    if not Place.of(store).taken():
        return f"before {store} was made: nothing is kept"
    status = open_dataset(store, allow_partial=True)["status"].values
    if np.all(status == COMPLETE):
        return f"when all {status.size} members were complete: {store} is finished"
    path = os.fspath(store)
    call, command = repr(path), shlex.quote(path)
    if durable:
        call, command = f"{call}, durable=True", f"{command} --durable"
    return (
        f"after {np.count_nonzero(status == COMPLETE)} of {status.size} members, which are kept; go on with "
        f"lmdata.resume({call}), or in a shell: lmdata resume {command}"
    )


def _open_finished(recipe: Recipe, store: str | os.PathLike[str]) -> xarray.Dataset:
    """Open an existing store if it is finished and of this recipe; say what is different otherwise."""
    from lmdata.data.opening import open_dataset

    dataset = open_dataset(store, allow_partial=True)
    if dataset.attrs["recipe_id"] != recipe.id:
        raise RecipeMismatch(
            f"{store} holds a run of another recipe and is left as it is; choose another place. They differ in\n"
            + recipe.difference(json.loads(dataset.attrs["recipe"]))
        )
    return open_dataset(store)
