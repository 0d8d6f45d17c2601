"""The page on token selection says what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import lmdata

PAGE = Path(lmdata.__file__).parents[1] / "docs" / "token-selection.md"


def test_the_tutorial_runs_as_printed():
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 8
    assert result.failed == 0
