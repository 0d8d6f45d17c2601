"""What kind of thing is stored at a place: the one place where that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from lmdata.data.store.prevented import fetched, looking
from lmdata.data.store.storage import Place
from lmdata.errors import CorruptDataset

GROUP = "zarr.json"
"""File that every folder of plain zarr has."""


class StoredAs(Enum):
    """Kinds of things that are stored; of runs and their exports, ``lmdata_form`` then says which kind of run it is."""

    RUN = "a run store: an icechunk repository, or nothing that is known, which opening it then says"
    EXPORT = "plain zarr of a run"
    DERIVED = "plain zarr of what was computed from a dataset, of an atlas, or of a trained classifier"
    FILE = "a file, as xarray's to_netcdf writes it"


def stored_as(place: Place, version: str | None = None) -> StoredAs:
    """Return what kind of thing is at a place.

    Parameters
    ----------
    place
        Where it is; in a bucket there are run stores alone.
    version
        Of what is asked for, if there are versions of it, it is a run store; opening it as one says so otherwise.

    Raises
    ------
    Prevented
        If the machine, missing rights or the network prevent finding out.

    Examples
    --------
    >>> stored_as(Place.of("s3://bucket/runs/one")).name
    'RUN'
    """
    if place.folder is None or version is not None:
        return StoredAs.RUN
    with looking(place.folder):
        if place.folder.is_file():
            return StoredAs.FILE
    if not is_plain(place):
        return StoredAs.RUN
    return StoredAs.DERIVED if "lmdata_derived" in _attributes(place.folder) else StoredAs.EXPORT


def is_plain(place: Place) -> bool:
    """Return whether there is a folder of plain zarr at a place, without reading what is in it."""
    if place.folder is None:
        return False
    with looking(place.folder):
        return (place.folder / GROUP).is_file()


def _attributes(folder: Path) -> Mapping[str, Any]:
    """Return what plain zarr says of itself; nothing where it cannot be read, which opening it then says."""

    def read() -> Mapping[str, Any]:
        return zarr.open_group(LocalStore(folder, read_only=True), mode="r", zarr_format=3).attrs.asdict()

    try:
        return fetched(read, f"{folder} cannot be read")
    except CorruptDataset:
        return {}
