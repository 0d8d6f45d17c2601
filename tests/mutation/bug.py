"""What a planted bug is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A plausible bug of one line, and the tests that are to notice it."""

    file: str
    """Below ``lmdata/``."""
    old: str
    """Stands in the file once."""
    new: str
    tests: str
    """Files or folders below ``tests/``, or doctests as ``lmdata/...``, apart by blanks."""
    same: str = ""
    """Why nothing can notice it, where the changed code does the same."""
