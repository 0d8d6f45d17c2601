"""Run a compiled kernel, which holds no interpreter lock, over a range of tasks in threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SMALL = 2_000_000
"""Work (in pairs of tokens) below which starting threads costs more than it saves."""


def in_threads(kernel: Callable[[int, int], None], tasks: int, *, work: int) -> None:
    """Call ``kernel(first, last)`` on ranges that cover ``range(tasks)``, in threads where the work is worth it.

    Which thread takes which range cannot change a result: tasks write to places of their own.

    Examples
    --------
    >>> seen = []
    >>> in_threads(lambda first, last: seen.append((first, last)), 3, work=10)
    >>> seen
    [(0, 3)]
    """
    workers = min(len(os.sched_getaffinity(0)), tasks)
    if workers < 2 or work < SMALL:
        kernel(0, tasks)
        return
    bounds = [tasks * part // (4 * workers) for part in range(4 * workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(kernel, bounds[:-1], bounds[1:]):
            pass
