"""Spreading a compiled task over the processor's cores, for kernels that release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

type Spread = Callable[[Callable[[int, int], object], int, int], object]
"""``spread(task, count, grain)`` calls ``task(begin, end)`` for ranges that make up 0..count, grain long or more."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def crew(threads: int | None = None) -> Iterator[Spread]:
    """Give a `Spread` over ``threads`` threads (default: one a core) that live as long as the context.

    Ranges are four a thread, so that uneven work evens out; a task that does not fill two ranges is called in
    place. Each range must be independent of the others: results then do not depend on the number of threads.

    Examples
    --------
    >>> with crew(2) as spread:
    ...     spread(lambda begin, end: None, 100, 10)
    """
    number = threads or cores()
    with ThreadPoolExecutor(number) as pool:  # starts its threads when they are first needed

        def spread(task: Callable[[int, int], object], count: int, grain: int) -> None:
            size = max(grain, -(-count // (4 * number)))
            if number == 1 or size >= count:
                task(0, count)
                return
            futures = [pool.submit(task, begin, min(begin + size, count)) for begin in range(0, count, size)]
            for future in futures:
                future.result()

        yield spread
