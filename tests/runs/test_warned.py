"""Warnings are kept apart by thread, and what shows them is put back."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from lmdata.runs.warned import listening

THREADS = 4


def test_each_thread_hears_its_own_warnings_and_afterwards_all_is_as_before():
    before = warnings.showwarning, warnings.filters[:]
    together = threading.Barrier(THREADS, timeout=10)

    def warn(thread):
        heard = []
        for turn in range(20):
            with listening() as given:
                warnings.warn(f"{thread} in turn {turn}", stacklevel=1)
                if turn % 3 == thread % 3:
                    warnings.warn("at times", stacklevel=1)
                if turn == 10:
                    together.wait()  # all listen at a time, and end in any order
            heard.append([str(warning) for warning in given])
        return heard

    with ThreadPoolExecutor(THREADS) as pool:
        heard = list(pool.map(warn, range(THREADS)))
    for thread, turns in enumerate(heard):
        for turn, given in enumerate(turns):
            assert given == [f"{thread} in turn {turn}", *["at times"] * (turn % 3 == thread % 3)]
    assert (warnings.showwarning, warnings.filters) == before


def test_who_does_not_listen_is_warned_as_before():
    with pytest.warns(UserWarning, match="another") as seen, listening() as given, ThreadPoolExecutor(1) as pool:
        pool.submit(warnings.warn, "another").result()
    assert (given, len(seen)) == ([], 1)
