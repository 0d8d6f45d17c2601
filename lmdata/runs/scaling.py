"""Scaling out: workers of a dask cluster compute blocks into forks of the store, and the coordinator commits.

A task is a stretch of a few blocks: from where they stood at the last commit for some seconds, or to their end. It
is pure, in that its chunks belong to no commit until its fork is merged: that it may run twice does no harm. A long
member is a sequence of stretches, each on any worker, with a checkpoint between them.
"""

from __future__ import annotations

import logging
import time
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from lmdata.data.registry import ABSENT
from lmdata.data.store.changes import Block, Changes, Fork
from lmdata.errors import BackendUnavailable, ClusterLost
from lmdata.runs.code import Code
from lmdata.runs.progress import reporting
from lmdata.runs.runner import Runner
from lmdata.runs.worker import RESTART, SILENCE_SECONDS, Computed, Exhausted, Lost, Task, compute, difference_of

if TYPE_CHECKING:
    from distributed import Client, Future

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
TRIALS = 2
"""How often a block may lose a worker before it is computed alone, and, with that, how often until it is given up."""
LOG_LINES = 200
"""Lines of those logs that are looked through."""
MEMORY = "memory budget"
"""What stands in the log of what watches over a worker, where it ended the worker for taking too much."""


def check_workers(client: Client, code: Code) -> None:
    """Refuse workers that would compute other bits than this process: with other source, or other versions below it.

    Raises
    ------
    BackendUnavailable
        Naming the worker, what is different and the remedy.
    ClusterLost
        If the scheduler does not answer.
    """
    from distributed.comm import CommClosedError

    with _reaching():
        answers: dict[str, Any] = client.sync(
            client._run, difference_of, code, on_error="return", callback_timeout=SILENCE_SECONDS
        )
    for address, answer in answers.items():
        if isinstance(answer, CommClosedError):  # it is gone; who takes its place is asked with its first task
            continue
        if isinstance(answer, BaseException):
            answer = f"it has another lmdata ({type(answer).__name__}: {answer})"
        if answer:
            raise BackendUnavailable(f"the worker at {address} gives other bits: {answer}; {RESTART}")


def scale_out(runner: Runner, store: RunStore, client: Client) -> None:
    """Compute what a store lacks with the workers of a client, and commit it.

    A worker that is lost is replaced by another, and its blocks are computed again, at last each alone. A block that
    has lost one worker after the other, or took more memory than a worker has, is marked as failed with the reason, and
    the others go on.

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
    losses: Counter[Block] = Counter()
    trial: Fork | None = None
    with reporting(runner.progress, total) as report, _Tasks(client, runner) as tasks:
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
                for block in fork.blocks:
                    losses[block] += 1
                    if fork is trial and (found.memory or losses[block] > TRIALS):
                        logger.warning("members %s are given up: %s", block, found.reason)
                        store.fail(block, found.reason)
                        done += len(block)
                    elif found.memory or losses[block] >= TRIALS:
                        suspects.append(block)  # another task of these workers may be to blame: try each block alone
                    else:
                        waiting.append([block])
            store.commit(only_if_due=True)
            report(done)


@dataclass(frozen=True)
class _Loss:
    """Why a task was not ended by the worker that began it, and whether it took more memory than there is."""

    reason: str
    memory: bool = False


class _Tasks:
    """The tasks that are out, and the forks that they write; as a context, those still out are cancelled at its end.

    Parameters
    ----------
    client
        Of a cluster.
    runner
        What the workers do.
    """

    def __init__(self, client: Client, runner: Runner) -> None:
        self._client = client
        recipe = runner.recipe
        code = Code.here(recipe.model, recipe.tokens)
        self._task = Task(f"lmdata-{uuid.uuid4().hex}", str(runner.choice), code, STRETCH_SECONDS)
        self._forks: dict[Future, Fork] = {}
        self._threads = 1
        self._looked = self._seen = time.monotonic()

    def __enter__(self) -> Self:
        self._look()
        return self

    def __exit__(self, *error: object) -> None:
        if self._client.status == "running":
            with suppress(TimeoutError):
                self._client.sync(self._client._cancel, list(self._forks), callback_timeout=SILENCE_SECONDS)

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
            task = self._client.submit(compute, fork, self._task, pure=False)
        self._forks[task] = fork

    def ended(self) -> Iterator[tuple[Fork, Changes | _Loss]]:
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
                    failed = task.status == "error"
                    found = task.exception(SILENCE_SECONDS) if failed else task.result(SILENCE_SECONDS)
                except KilledWorker as error:  # it became one since
                    found = error
            if isinstance(found, Computed):
                given += found.warnings
                yield fork, found.changes
            elif isinstance(found, Exhausted):
                yield fork, _Loss(found.reason, memory=True)
            elif isinstance(found, Lost | KilledWorker):
                yield fork, self._loss(fork)
            else:
                refusals.append(str(found))
        for warning in given:  # what they came with is merged by now, also where they are errors
            warnings.warn(warning, stacklevel=3)
        if refusals:
            raise ClusterLost(f"a worker could not go on: {refusals[0]}")
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._look()

    def _loss(self, fork: Fork) -> _Loss:
        """Find out why a worker was lost: what watches over it logs when it ended it for its memory."""
        notes = self._ask("events", topic=self._task.run)
        workers = [note["worker"] for _, note in notes if note["fork"] == fork.number]
        logs = self._ask("worker_logs", n=LOG_LINES, workers=None, nanny=True)
        for _, line in (entry for entries in logs.values() for entry in entries):
            if MEMORY in line and any(worker in line for worker in workers):
                return _Loss(f"it takes more memory than a worker has ({line}); give workers more of it", memory=True)
        last = workers[-1] if workers else "one that left no note"
        return _Loss(f"every worker that computed it was lost, the last of them {last}")

    def _ask(self, what: str, **arguments: Any) -> Any:
        """Ask the scheduler something.

        Raises
        ------
        ClusterLost
            If it does not answer.
        """
        with _reaching():
            return self._client.sync(
                getattr(self._client.scheduler, what), callback_timeout=SILENCE_SECONDS, **arguments
            )

    def _look(self) -> None:
        """Count the threads of the cluster.

        Raises
        ------
        ClusterLost
            If there have been none for too long.
        """
        threads = sum(self._ask("ncores", workers=None).values())
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
