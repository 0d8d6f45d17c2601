"""Datasets by name or path: the catalogue, opening, verification and the pipelines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray


def open(name_or_path: str | os.PathLike[str], *, allow_partial: bool = False) -> xarray.Dataset:  # noqa: A001
    """Open a dataset lazily, by path."""
    from lmdata.data.opening import open_dataset

    return open_dataset(name_or_path, allow_partial=allow_partial)
