"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from .plugging import install

__all__ = ["install"]

SHARED = Path(__file__).resolve().parents[2] / "shared"
CASES = SHARED / "cases"


@pytest.fixture(scope="session")
def cases():
    """Open a reference case by name; skip where the folder of cases is absent."""
    if not CASES.is_dir():
        pytest.skip(f"reference cases are not beside the project ({CASES.parent.name}/{CASES.name})")

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(CASES / f"{name}.npz") as file:
            return {key: file[key] for key in file.files}

    return load


@pytest.fixture(scope="session")
def movie_reviews() -> Path:
    """Return the table of film reviews that LMDATA_REVIEWS names or the project has beside it; skip without."""
    place = Path(os.environ.get("LMDATA_REVIEWS", SHARED / "data" / "reviews.tsv"))
    if not place.is_file():
        pytest.skip("there are no film reviews: LMDATA_REVIEWS names no table, and there is none beside the project")
    return place
