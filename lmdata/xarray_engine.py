"""Lets ``xarray.open_dataset("lmdata:NAME")`` open a catalogued dataset, or a store's folder, without an engine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint

PREFIX = "lmdata:"


class LmdataBackend(BackendEntrypoint):
    """The engine ``lmdata`` of xarray: lazily indexed arrays, or with ``chunks={}`` dask chunks as stored.

    Examples
    --------
    >>> LmdataBackend().guess_can_open("lmdata:hardmax-square"), LmdataBackend().guess_can_open("data.nc")
    (True, False)
    """

    description: ClassVar[str] = "Datasets of lmdata by catalogued name (lmdata:NAME) or by folder"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = ("filename_or_obj", "drop_variables", "allow_partial")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether this is ``lmdata:NAME``, a run store, or a plain zarr folder of lmdata."""
        if isinstance(filename_or_obj, str) and filename_or_obj.startswith(PREFIX):
            return True
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        folder = Path(filename_or_obj)
        if (folder / "repo").is_file():
            return True
        metadata = folder / "zarr.json"
        return metadata.is_file() and b'"lmdata_' in metadata.read_bytes()

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        allow_partial: bool = False,
    ) -> xr.Dataset:
        """Open lazily; a catalogued dataset that is not in the cache is built first. Errors as `lmdata.open`."""
        location = os.fspath(filename_or_obj)
        if location.startswith(PREFIX):
            from lmdata.library import catalog

            name = location.removeprefix(PREFIX)
            dataset: xr.Dataset = catalog.open(name, allow_partial=allow_partial, chunked=False)
        else:
            from lmdata.data.opening import open_dataset

            dataset = open_dataset(location, allow_partial=allow_partial, chunked=False)
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(names, errors="ignore")
