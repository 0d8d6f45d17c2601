"""Keeps every test and doctest, of all rooms, away from the user's own cache and catalogue."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMDATA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
