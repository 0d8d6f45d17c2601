"""Compiled code is kept on disk for as long as no file changes that it may have been made of."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lmdata.numerics.compiled import compiled

CALLER = """
import os
from lmdata.numerics import compiled
compiled._sources = lambda: os.environ["SOURCES"]
@compiled.compiled()
def twice(x):
    return 2 * x
twice(3)
print(*(sum(count.values()) for count in (twice.stats.cache_hits, twice.stats.cache_misses)))
"""


@pytest.mark.long
def test_code_is_compiled_once_and_again_after_a_change_of_any_source(tmp_path):
    module = tmp_path / "caller.py"
    module.write_text(CALLER)

    def hits_and_misses(sources):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "SOURCES": sources}
        done = subprocess.run([sys.executable, module], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert hits_and_misses("first") == ["0", "1"]
    assert hits_and_misses("first") == ["1", "0"]
    assert hits_and_misses("second") == ["0", "1"]
    assert hits_and_misses("second") == ["1", "0"]


def test_where_nothing_can_be_written_it_is_compiled_without_a_cache(monkeypatch):
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    @compiled()
    def twice(x):
        return 2 * x

    assert twice(3) == 6
    assert not hasattr(twice._cache, "_cache_file")  # numba's own, which keeps nothing
