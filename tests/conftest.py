"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .plugging import install

__all__ = ["install"]

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"


@pytest.fixture(scope="session")
def cases():
    """Open a reference case by name; skip where the folder of cases is absent."""
    if not CASES.is_dir():
        pytest.skip(f"reference cases are not beside the project ({CASES.parent.name}/{CASES.name})")

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(CASES / f"{name}.npz") as file:
            return {key: file[key] for key in file.files}

    return load
