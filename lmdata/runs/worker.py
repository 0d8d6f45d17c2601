"""The worker's end of a run: a task computes the blocks of a fork, once, and says what came of it.

A task is never computed a second time where the scheduler sends it to another worker: it then says that the first was
lost, and the coordinator, which can find out why, decides what becomes of its blocks.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
from dataclasses import dataclass, field
from typing import Any

import icechunk
import zarr

from lmdata.data.grid import Grid
from lmdata.data.store.changes import Changes, Fork
from lmdata.data.store.forks import ForkWriter
from lmdata.data.store.prevented import preventing, summary
from lmdata.data.store.reading import read_initial, read_layout
from lmdata.errors import BackendUnavailable, StoreError
from lmdata.runs.code import Code, difference_here
from lmdata.runs.recipe import Recipe, stored_recipe
from lmdata.runs.runner import Runner
from lmdata.runs.warned import listening

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 30.0
"""A scheduler that does not answer a question for so long is lost."""
RESTART = "install what the coordinator has on every worker, and start the workers again"


@dataclass(frozen=True)
class Computed:
    """What a worker has computed, and the warnings that it was given meanwhile."""

    changes: Changes
    warnings: tuple[Warning | str, ...]


@dataclass(frozen=True)
class Lost:
    """What a task says that was begun before, by a worker that did not end it."""


@dataclass(frozen=True)
class Exhausted:
    """What a task says that needs more memory than there is."""

    reason: str


@dataclass(frozen=True)
class Task:
    """What all tasks of a run have in common.

    Parameters
    ----------
    run
        Name of the run, unique among those of a scheduler: its tasks leave their notes under it.
    backend
        The one that the coordinator has chosen.
    code
        What decides the bits, as the coordinator has it.
    seconds
        After so many, members that are not finished are left at a checkpoint.
    """

    run: str
    backend: str
    code: Code
    seconds: float


def compute(fork: Fork, task: Task) -> Computed | Lost | Exhausted | str:
    """Compute the blocks of a fork, as a worker does, for some seconds or until they are finished.

    Parameters
    ----------
    fork
        Of `lmdata.data.store.writer.RunStore.fork`.
    task
        What it has in common with the others.

    Returns
    -------
    Computed, Lost, Exhausted or str
        What is to be merged; or that it was begun before; or in words why this worker cannot go on. It is returned,
        since an error that dask fails to send would keep the coordinator waiting for ever.
    """
    try:
        return Lost() if _begun_before(task.run, fork.number) else _compute(fork, task)
    except MemoryError as error:
        return Exhausted(f"{socket.gethostname()} has no memory left: {error}")
    except Exception as error:
        logger.exception("members %s cannot be computed", fork.blocks)
        return f"{type(error).__name__}: {error}"


def _compute(fork: Fork, task: Task) -> Computed:
    if difference := difference_of(task.code):
        raise BackendUnavailable(f"a worker on {socket.gethostname()} gives other bits: {difference}; {RESTART}")
    try:
        group = zarr.open_group(fork.session.store, mode="r", zarr_format=3)
        prepared = _prepare(_Source(fork.place, str(group.attrs["layout_digest"]), task.backend, group))
    except icechunk.IcechunkError as error:
        raise (preventing(error) or StoreError)(
            f"{fork.place} cannot be read on {socket.gethostname()}: {summary(error)}; the store must be there for "
            "every worker, under the same path"
        ) from error
    sink = ForkWriter(fork, prepared.layout)
    with listening() as given:
        prepared.runner.stretch(fork.blocks, sink, seconds=task.seconds)
    return Computed(sink.changes(), tuple(given))


def difference_of(code: Code) -> str:
    """Say in what this worker would compute other bits than one with that code; nothing if it would not."""
    import psutil  # type: ignore[import-untyped]

    return difference_here(code, psutil.Process().create_time())


def _begun_before(run: str, number: int) -> bool:
    """Return whether a task was begun by a worker before; note that this one begins it otherwise."""
    from distributed import get_worker
    from distributed.utils import sync

    try:
        worker = get_worker()
    except ValueError:  # not called by one
        return False
    notes: Any = sync(worker.loop, worker.scheduler.events, topic=run, callback_timeout=SILENCE_SECONDS)
    if any(note["fork"] == number for _, note in notes):
        return True
    worker.log_event(run, {"fork": number, "worker": f"{worker.address} (pid={os.getpid()})"})
    return False


@dataclass(frozen=True)
class _Source:
    """Where a worker learns what to compute; sources are equal if all tasks of them are alike."""

    place: str
    layout_digest: str
    backend: str
    group: zarr.Group = field(compare=False)


@dataclass(frozen=True)
class _Prepared:
    """What a worker needs for every task of a store."""

    layout: Grid
    runner: Runner


@functools.lru_cache(maxsize=1)
def _prepare(source: _Source) -> _Prepared:
    """Read the recipe from the store, and draw its tokens: once for all tasks of a process."""
    layout = read_layout(source.group)
    recipe = stored_recipe(layout.attrs, read_initial(source.group), Recipe.from_specification)
    with listening():  # the coordinator was given them
        return _Prepared(layout, Runner.of(recipe, source.backend, None, layout.diagnostics))
