"""Work that is shared out over threads is done once each, whatever fails and whoever calls."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from lmdata.numerics.threads import cores, parallel_for


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize(("count", "grain"), [(0, 1), (1, 1), (7, 1), (100, 3), (100, 60), (100, 1000)])
def test_ranges_make_up_the_whole(threads, count, grain):
    ranges, lock = [], threading.Lock()

    def task(begin, end):
        with lock:
            ranges.append((begin, end))

    parallel_for(task, count, grain, threads=threads)
    assert sorted(i for begin, end in ranges for i in range(begin, end)) == list(range(count))
    assert all(end - begin >= min(grain, count) for begin, end in sorted(ranges)[:-1])


def test_a_task_may_share_out_work_itself():
    done, lock = [], threading.Lock()

    def inner(begin, end):
        with lock:
            done.extend(range(begin, end))

    parallel_for(
        lambda begin, end: [parallel_for(inner, 10, 1, threads=2) for _ in range(begin, end)], 20, 1, threads=2
    )
    assert sorted(done) == sorted([*range(10)] * 20)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bad", [0, 3, 11])
def test_an_error_reaches_the_caller_when_all_work_has_ended(bad, threads):
    under_way, ended = [], []

    def task(begin, end):
        under_way.append(begin)
        try:
            time.sleep(0.002)
            if begin <= bad < end:
                raise ArithmeticError(f"{bad} is bad")
        finally:
            ended.append(begin)

    for _ in range(5):
        under_way.clear()
        ended.clear()
        with pytest.raises(ArithmeticError, match="is bad"):
            parallel_for(task, 12, 1, threads=threads)
        assert sorted(ended) == sorted(under_way)
        assert threads == 1 or len(ended) <= bad + 2 * threads
    assert run_all(threads, 12) == list(range(12))


def run_all(threads, count):
    seen = []
    parallel_for(lambda begin, end: seen.extend(range(begin, end)), count, 1, threads=threads)
    return sorted(seen)


FORKED = """
import os, warnings
from lmdata.numerics.threads import parallel_for
warnings.simplefilter("ignore")  # of threads beside a fork, which is what this is about
done = []
parallel_for(lambda begin, end: done.append(begin), 8, 1, threads=2)
child = os.fork()
if child == 0:
    done.clear()
    parallel_for(lambda begin, end: done.append(begin), 8, 1, threads=2)
    os._exit(0 if len(done) == 8 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)


def test_there_is_a_core():
    assert cores() >= 1
