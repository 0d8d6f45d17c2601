"""Scaling out: workers of a dask cluster compute blocks into forks of the store, and the coordinator commits.

A task is a stretch of a few blocks: from where they stood at the last commit for some seconds, or to their end. It
is pure, in that its chunks belong to no commit until its fork is merged: that it may run twice does no harm. A long
member is a sequence of stretches, each on any worker, with a checkpoint between them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import socket
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import icechunk
import zarr

from lmdata.data.layout import Layout
from lmdata.data.registry import ABSENT
from lmdata.data.store.changes import Block, Changes, Fork
from lmdata.data.store.forks import ForkWriter
from lmdata.data.store.prevented import summary
from lmdata.data.store.reading import read_initial, read_layout
from lmdata.errors import BackendUnavailable, ClusterLost, StoreError
from lmdata.runs.progress import reporting
from lmdata.runs.recipe import Recipe, stored_recipe
from lmdata.runs.runner import Runner
from lmdata.runs.warned import listening

if TYPE_CHECKING:
    from distributed import Client, Future, KilledWorker

    from lmdata.data.store.writer import RunStore

logger = logging.getLogger(__name__)

STRETCH_SECONDS = 10.0
"""A task that takes longer ends at a checkpoint: what the loss of a worker can lose."""
TASKS_PER_THREAD = 2
"""Tasks that are out for each thread of the cluster: one that computes, and one that it finds ready."""
PATIENCE_SECONDS = 60.0
"""A run waits this long for workers where all are gone: lost ones are replaced, or come back."""
LOOK_SECONDS = 2.0
"""While nothing ends, how often it is looked whether there are workers."""


def scale_out(runner: Runner, store: RunStore, client: Client) -> None:
    """Compute what a store lacks with the workers of a client, and commit it.

    A worker that is lost is replaced by another; a block whose tasks lose one worker after the other is marked as
    failed, once it has done so alone, and the others go on.

    Parameters
    ----------
    runner
        Of the store's recipe.
    store
        Its blocks are given out as forks.
    client
        From `lmdata.runs.cluster.connected`.

    Raises
    ------
    ClusterLost
        If the scheduler or all workers are lost, or a task raised; what is finished is in the store.
    StoreError
        If the store cannot be written.
    """
    pending = store.pending()
    total = runner.recipe.size
    done = total - sum(map(len, pending))
    waiting: deque[Sequence[Block]] = deque(runner.groups(pending))
    suspects: deque[Block] = deque()
    trial: Fork | None = None
    with reporting(runner.progress, total) as report, _Tasks(client, str(runner.choice)) as tasks:
        report(done)
        while waiting or suspects or tasks.running:
            if not waiting and not tasks.running:
                trial = store.fork([suspects.popleft()])
                tasks.start(trial)
            while waiting and tasks.room:
                tasks.start(store.fork(waiting.popleft()))
            for fork, found in tasks.ended():
                if isinstance(found, Changes):
                    store.merge(found)
                    ended = {member for member, outcome in found.outcomes.items() if outcome.status != ABSENT}
                    left = [tuple(member for member in block if member not in ended) for block in fork.blocks]
                    waiting.extendleft([block] for block in left if block)
                    done += len(ended)
                    continue
                store.withdraw(fork)
                if fork is not trial:  # another task of these workers may be to blame: try each block alone
                    suspects.extend(fork.blocks)
                    continue
                logger.warning("members %s are given up: %s", fork.blocks[0], found)
                store.fail(fork.blocks[0], f"every worker that computed it was lost: {found}")
                done += len(fork.blocks[0])
            store.commit(only_if_due=True)
            report(done)


class _Tasks:
    """The tasks that are out, and the forks that they write; as a context, those still out are cancelled at its end.

    Parameters
    ----------
    client
        Of a cluster.
    backend
        What the workers compute with.
    """

    def __init__(self, client: Client, backend: str) -> None:
        self._client = client
        self._backend = backend
        self._forks: dict[Future, Fork] = {}
        self._threads = 1
        self._looked = self._seen = time.monotonic()

    def __enter__(self) -> Self:
        self._look()
        return self

    def __exit__(self, *error: object) -> None:
        if self._client.status == "running":
            self._client.cancel(list(self._forks))

    @property
    def running(self) -> int:
        """Number of tasks that are out."""
        return len(self._forks)

    @property
    def room(self) -> bool:
        """Whether one more would soon be computed."""
        return self.running < TASKS_PER_THREAD * self._threads

    def start(self, fork: Fork) -> None:
        """Let a worker compute the blocks of a fork."""
        with _reaching():
            task = self._client.submit(compute, fork, self._backend, _version(), STRETCH_SECONDS, pure=False)
        self._forks[task] = fork

    def ended(self) -> Iterator[tuple[Fork, Changes | KilledWorker]]:
        """Wait a while, and yield the forks of the tasks that have ended with what came of them.

        Raises
        ------
        ClusterLost
            If a task raised, or the scheduler or all workers are lost.
        """
        from distributed import KilledWorker, wait

        done: Iterable[Future] = ()
        given: list[Warning | str] = []
        with _reaching(), suppress(TimeoutError):
            done = wait(list(self._forks), timeout=LOOK_SECONDS, return_when="FIRST_COMPLETED").done
        refusals = []
        for task in done:
            fork = self._forks.pop(task)
            with _reaching():
                try:
                    found = task.exception() if task.status == "error" else task.result()
                except KilledWorker as error:  # it became one since
                    found = error
            if isinstance(found, KilledWorker):
                yield fork, found
            elif isinstance(found, Computed):
                given += found.warnings
                yield fork, found.changes
            else:
                refusals.append(str(found))
        for warning in given:  # what they came with is merged by now, also where they are errors
            warnings.warn(warning, stacklevel=3)
        if refusals:
            raise ClusterLost(f"a worker could not go on: {refusals[0]}")
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()

    def _look(self) -> None:
        """Count the threads of the cluster.

        Raises
        ------
        ClusterLost
            If there have been none for too long.
        """
        with _reaching():
            threads = sum(self._client.nthreads().values())
        self._looked = time.monotonic()
        if threads:
            self._threads, self._seen = threads, self._looked
        elif self._looked - self._seen > PATIENCE_SECONDS:
            raise ClusterLost(f"all dask workers were lost, and none has come for {PATIENCE_SECONDS:g} seconds")


@contextmanager
def _reaching() -> Iterator[None]:
    """Turn the ways in which dask says that its scheduler is gone into one.

    Raises
    ------
    ClusterLost
        If it is.
    """
    from distributed import CancelledError
    from distributed.client import ClosedClientError

    try:
        yield
    except (CancelledError, ClosedClientError, OSError) as error:
        raise ClusterLost("the dask scheduler was lost") from error


@dataclass(frozen=True)
class Computed:
    """What a worker has computed, and the warnings that it was given meanwhile."""

    changes: Changes
    warnings: tuple[Warning | str, ...]


def compute(fork: Fork, backend: str, version: str, seconds: float) -> Computed | str:
    """Compute the blocks of a fork, as a worker does, for some seconds or until they are finished.

    Parameters
    ----------
    fork
        Of `lmdata.data.store.writer.RunStore.fork`.
    backend
        The one that the coordinator has chosen.
    version
        Of the coordinator's lmdata.
    seconds
        After so many, members that are not finished are left at a checkpoint.

    Returns
    -------
    Computed or str
        What is to be merged; or in words why this worker cannot go on. It is returned, since an error that dask
        fails to send would keep the coordinator waiting for ever.
    """
    try:
        return _compute(fork, backend, version, seconds)
    except Exception as error:
        logger.exception("members %s cannot be computed", fork.blocks)
        return f"{type(error).__name__}: {error}"


def _compute(fork: Fork, backend: str, version: str, seconds: float) -> Computed:
    if version != _version():
        raise BackendUnavailable(f"a worker has lmdata {_version()}, the coordinator {version}; install one of them")
    try:
        group = zarr.open_group(fork.session.store, mode="r", zarr_format=3)
        prepared = _prepare(_Source(fork.place, str(group.attrs["layout_digest"]), backend, group))
    except icechunk.IcechunkError as error:
        raise StoreError(
            f"{fork.place} cannot be read on {socket.gethostname()}: {summary(error)}; the store must be there for "
            "every worker, under the same path"
        ) from error
    sink = ForkWriter(fork, prepared.layout)
    with listening() as given:
        prepared.runner.stretch(fork.blocks, sink, seconds=seconds)
    return Computed(sink.changes(), tuple(given))


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

    layout: Layout
    runner: Runner


@functools.lru_cache(maxsize=1)
def _prepare(source: _Source) -> _Prepared:
    """Read the recipe from the store, and draw its tokens: once for all tasks of a process."""
    layout = read_layout(source.group)
    recipe = stored_recipe(layout.attrs, read_initial(source.group), Recipe.from_specification)
    with listening():  # the coordinator was given them
        return _Prepared(layout, Runner.of(recipe, source.backend, None, layout.diagnostics))


def _version() -> str:
    return importlib.metadata.version("lmdata")
