"""Loops over the processor's cores, for compiled kernels that release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache


def cores() -> int:
    """Return how many cores this process may use: all of its own, or what ``OMP_NUM_THREADS`` says, as in workers."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _helpers(number: int) -> ThreadPoolExecutor:
    """Return threads that wait for work from one call to the next: to start them takes longer than many a step."""
    return ThreadPoolExecutor(number, thread_name_prefix="lmdata")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a child has none of its parent's threads


def parallel_for(task: Callable[[int, int], object], count: int, grain: int, *, threads: int | None = None) -> None:
    """Call ``task(begin, end)`` for ranges that make up 0..count, on ``threads`` threads (default: one a core).

    The calling thread is one of them. Ranges are ``grain`` long or more, and four a thread, so that uneven work evens
    out; a task that does not fill two ranges is called in place. Each range must be independent of the others: results
    then do not depend on the number of threads. After an error no further range is begun, and those under way are
    waited for.

    Examples
    --------
    >>> parallel_for(lambda begin, end: None, 100, 10, threads=2)
    """
    number = threads or cores()
    size = max(grain, -(-count // (4 * number)))
    if number == 1 or size >= count:
        task(0, count)
        return
    begins = iter(range(0, count, size))

    def work() -> None:
        try:
            for begin in begins:
                task(begin, min(begin + size, count))
        except BaseException:  # whatever stops this thread, an interrupt too: it is raised again
            deque(begins, maxlen=0)  # nobody begins another range
            raise

    others = [_helpers(number - 1).submit(work) for _ in range(number - 1)]
    try:
        work()
    finally:
        begun = [other for other in others if not other.cancel()]  # one that has not begun is not needed any more
        wait(begun)
    for other in begun:
        other.result()
