"""Work spread over threads is done once each, whatever fails and whoever calls."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from lmdata.dynamics.threads import cores, crew


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize(("count", "grain"), [(0, 1), (1, 1), (7, 1), (100, 3), (100, 60), (100, 1000)])
def test_ranges_make_up_the_whole(threads, count, grain):
    ranges, lock = [], threading.Lock()

    def task(begin, end):
        with lock:
            ranges.append((begin, end))

    crew(threads)(task, count, grain)
    assert sorted(i for begin, end in ranges for i in range(begin, end)) == list(range(count))
    assert all(end - begin >= min(grain, count) for begin, end in sorted(ranges)[:-1])


def test_a_task_may_spread_work_itself():
    done, lock = [], threading.Lock()

    def inner(begin, end):
        with lock:
            done.extend(range(begin, end))

    crew(2)(lambda begin, end: [crew(2)(inner, 10, 1) for _ in range(begin, end)], 20, 1)
    assert sorted(done) == sorted([*range(10)] * 20)


@pytest.mark.parametrize("bad", [0, 3, 7])
def test_an_error_reaches_the_caller_and_ends_the_work(bad):
    def task(begin, end):
        if begin <= bad < end:
            raise ArithmeticError(f"{bad} is bad")

    for _ in range(20):
        with pytest.raises(ArithmeticError, match="is bad"):
            crew(2)(task, 8, 1)
    seen = []
    crew(2)(lambda begin, end: seen.append(begin), 8, 1)
    assert len(seen) == 8


FORKED = """
import os, warnings
from lmdata.dynamics.threads import crew
warnings.simplefilter("ignore")  # of threads beside a fork, which is what this is about
done = []
crew(2)(lambda begin, end: done.append(begin), 8, 1)
child = os.fork()
if child == 0:
    done.clear()
    crew(2)(lambda begin, end: done.append(begin), 8, 1)
    os._exit(0 if len(done) == 8 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_has_threads_of_its_own():
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)


def test_there_is_a_core():
    assert cores() >= 1
