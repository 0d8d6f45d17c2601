"""Lets ``xarray.open_dataset("lmdata:NAME")`` open a catalogued dataset, or a store's folder, without an engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint

PREFIX = "lmdata:"

DECODERS = ("mask_and_scale", "decode_times", "decode_timedelta", "use_cftime", "concat_characters", "decode_coords")
"""Options of `xarray.open_dataset` that tell how to decode what files hold; a dataset of lmdata has nothing encoded."""

WRITTEN_BY_XARRAY = frozenset({"_FillValue", "coordinates"})
"""Attributes of stored variables that lmdata never writes, and xarray does."""


class LmdataBackend(BackendEntrypoint):
    """The engine ``lmdata`` of xarray: lazily indexed arrays, or with ``chunks={}`` dask chunks as stored.

    It is for catalogued names, run stores, and what lmdata exported or derived. What xarray itself wrote of such data
    (``ds.to_zarr``) is xarray's to read. The options that tell how to decode change nothing.

    Examples
    --------
    >>> LmdataBackend().guess_can_open("lmdata:hardmax-square"), LmdataBackend().guess_can_open("data.nc")
    (True, False)
    """

    description: ClassVar[str] = "Datasets of lmdata by catalogued name (lmdata:NAME) or by folder"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        *("filename_or_obj", "drop_variables", "allow_partial"),
        *DECODERS,
    )
    supports_groups: ClassVar[bool] = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether this is ``lmdata:NAME``, a run store, or a plain zarr folder that lmdata wrote."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        if _catalogued(filename_or_obj) is not None:
            return True
        folder = Path(filename_or_obj).expanduser()
        if (folder / "repo").is_file():
            return True
        metadata = folder / "zarr.json"
        return metadata.is_file() and _exported(metadata.read_bytes())

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        allow_partial: bool = False,
        **decoders: Any,
    ) -> xr.Dataset:
        """Open lazily; a catalogued dataset that is not in the cache is built first. Errors as `lmdata.open`."""
        if unknown := set(decoders) - set(DECODERS):
            raise TypeError(f"the engine lmdata takes no option {min(unknown)!r}")
        name = _catalogued(filename_or_obj)
        if name is not None:
            from lmdata.library import catalog

            dataset: xr.Dataset = catalog.open(name, allow_partial=allow_partial, chunked=False)
        else:
            from lmdata.data.opening import open_dataset

            dataset = open_dataset(filename_or_obj, allow_partial=allow_partial, chunked=False)
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(names, errors="ignore")

    def open_datatree(  # type: ignore[override]
        self, filename_or_obj: str | os.PathLike[str], **options: Any
    ) -> xr.DataTree:
        """Open as a tree of one node, since a dataset of lmdata has no groups; options as for `open_dataset`."""
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **options))

    def open_groups_as_dict(  # type: ignore[override]
        self, filename_or_obj: str | os.PathLike[str], **options: Any
    ) -> dict[str, xr.Dataset]:
        """Open as the one group that there is, ``/``; options as for `open_dataset`."""
        return {"/": self.open_dataset(filename_or_obj, **options)}


def _catalogued(location: str | os.PathLike[str]) -> str | None:
    """Return the name in ``lmdata:NAME``, or None; xarray makes an absolute path of it in `open_mfdataset`.

    That takes names from xarray 2026.7 on.

    Examples
    --------
    >>> _catalogued("lmdata:hardmax-square"), _catalogued("/home/me/lmdata:hardmax-square"), _catalogued("run")
    ('hardmax-square', 'hardmax-square', None)
    """
    text = os.fspath(location)
    name = Path(text).name
    if not name.startswith(PREFIX) or (name != text and Path(text).exists()):
        return None
    return name.removeprefix(PREFIX)


def _exported(metadata: bytes) -> bool:
    """Return whether the metadata of a zarr group are those of what lmdata wrote, not of a copy that xarray made."""
    try:
        group = json.loads(metadata)
        attributes = group["attributes"]
        arrays = group["consolidated_metadata"]["metadata"].values()
        derived = {"lmdata_derived", "coordinates"} <= set(attributes)  # xarray takes the second off, and puts it below
        ours = "layout_digest" in attributes and ("lmdata_schema" in attributes or derived)
        return ours and not any(
            WRITTEN_BY_XARRAY & set(array.get("attributes", {})) or array["codecs"][-1]["name"] != "crc32c"
            for array in arrays
            if array["node_type"] == "array"
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):  # no zarr group, or none of ours
        return False
