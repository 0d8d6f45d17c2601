"""Opening a stored dataset: lazily, from one snapshot, and never with a hole that looks like a number."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import icechunk
import numpy as np
import xarray as xr
from zarr.core.sync import sync

from lmdata.data import registry
from lmdata.data.derived import open_derived
from lmdata.data.layout import assemble
from lmdata.data.lazy import stored
from lmdata.data.store import prevented, storage
from lmdata.data.store.lock import holder_of
from lmdata.data.store.prevented import fetched
from lmdata.data.store.reading import Stored, read_failures
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.errors import CorruptDataset, IncompleteDataset, StoreError
from lmdata.wording import counted


def open_dataset(
    location: str | os.PathLike[str],
    *,
    allow_partial: bool = False,
    chunked: bool = True,
    version: str | None = None,
) -> xr.Dataset:
    """Open a run store or an exported dataset lazily: one snapshot, dask chunks of whole storage chunks.

    Parameters
    ----------
    location
        Folder of a run store or of a plain zarr export, ``s3://`` address of a run store, or netCDF file that
        xarray's ``to_netcdf`` wrote of such data.
    allow_partial
        Open a dataset with absent or failed members too: their positions are NaN, ``status`` tells which.
    chunked
        Give dask arrays; otherwise xarray's own lazily indexed arrays, which any ``chunks`` can follow.

    version
        A published version of a run store (``v1``); the last commit without it.

    Returns
    -------
    Dataset
        (<swept>, seed, time, token, component); bookkeeping and coordinates in memory, the rest unread. The
        attribute ``snapshot`` names the commit that was opened: later commits do not show.

    Raises
    ------
    IncompleteDataset
        If members are absent or failed and ``allow_partial`` is False.
    CorruptDataset
        If the store cannot be read; or later, while computing, if a chunk is missing or damaged.
    RecipeMismatch
        If a newer lmdata wrote it.
    Prevented
        If the machine, missing rights or the network prevent reading it.
    FileNotFoundError, StoreError
        If there is no dataset of lmdata at the location.

    Examples
    --------
    >>> import tempfile
    >>> open_dataset(tempfile.mkdtemp())
    Traceback (most recent call last):
    lmdata.errors.StoreError: ... is no run store of lmdata: it holds no icechunk repository
    """
    place = Place.of(location)
    match stored_as(place, version):
        case StoredAs.FILE:
            return open_file(Place.local(location), allow_partial=allow_partial, chunked=chunked)
        case StoredAs.DERIVED:
            return open_derived(Place.local(location), chunked=chunked)
    source = Stored.open(place, tag=version)
    partial = not source.members.complete.all()
    if partial and not allow_partial:
        raise IncompleteDataset(_incomplete(source))
    if partial:
        _check_presence(source)
    dataset = _lazy(source, partial=partial)
    if source.session is not None:
        dataset.attrs["snapshot"] = source.session.snapshot_id
    dataset.encoding["source"] = str(place)
    return _chunk(dataset, source) if chunked else dataset


def open_file(file: Path, *, allow_partial: bool = False, chunked: bool = True) -> xr.Dataset:
    """Open a netCDF file that ``to_netcdf`` wrote of a dataset of lmdata; its numbers are those of the file, unchecked.

    Raises
    ------
    StoreError
        If no installed engine of xarray reads it, or it is no dataset of lmdata.
    IncompleteDataset
        If members are absent or failed and ``allow_partial`` is False.
    """
    try:
        dataset = xr.open_dataset(file, chunks={} if chunked else None)
    except (ValueError, OSError, LookupError, TypeError, ImportError) as error:
        raise StoreError(
            f"{file} is no run store of lmdata, which is a folder, and no netCDF file that can be read here: "
            f"{prevented.summary(error)}; for netCDF, pip install h5netcdf"
        ) from error
    if dataset.attrs.get("lmdata_schema") != registry.SCHEMA:
        found = dataset.attrs.get("lmdata_schema")
        dataset.close()
        raise StoreError(f"{file} is no dataset of lmdata: its attribute lmdata_schema is {found!r}")
    dataset = dataset.assign_coords({name: column.load() for name, column in dataset.coords.items()})
    status = dataset.get("status")
    if status is not None and not allow_partial and (status != registry.COMPLETE).any():
        raise IncompleteDataset(
            f"{file} holds members that are absent or failed; open what there is with allow_partial=True and mind the "
            "coordinate 'status'"
        )
    return dataset


def _lazy(source: Stored, *, partial: bool) -> xr.Dataset:
    layout, members = source.layout, source.members
    present = members.complete if partial else None
    arrays = {
        name: stored(storage.array(source.group, name, missing=partial), present, source.place)
        for name in layout.written
    }
    dataset = assemble(
        layout,
        arrays.pop(layout.parts[0]),
        status=members.status,
        digest=members.digest,
        steps_done=members.steps_done,
        diagnostics=arrays,
    )
    if failures := read_failures(source.group):
        dataset.attrs["failures"] = json.dumps(failures, sort_keys=True)
    for name in layout.written:
        dataset[name].encoding["preferred_chunks"] = dict(
            zip(layout.dimensions(name), layout.chunks(name), strict=True)
        )
    return dataset


def _chunk(dataset: xr.Dataset, source: Stored) -> xr.Dataset:
    """Give dask arrays whose chunks are the storage chunks, under names that the snapshot decides."""
    token = f"{source.place}-{dataset.attrs.get('snapshot', dataset.attrs.get('digest'))}"
    for name in source.layout.written:
        variable = dataset[name].variable
        dataset[name] = variable.chunk(variable.encoding["preferred_chunks"], name=f"{name}-{token}")
    return dataset


def _check_presence(source: Stored) -> None:
    """Check that every chunk with a complete member is there: where members are absent, holes do not raise."""
    if source.session is None:
        raise CorruptDataset(f"{source.place} is no export of lmdata: not every member is complete")
    for name in source.layout.written:
        grid = len(source.layout.shape)
        chunk = source.layout.chunks(name)[:grid]
        with storage.committed(source.place, source.group.store):
            stored_chunks = fetched(partial(_chunk_coordinates, source.session, name), f"{source.place} cannot be read")
        there = {corner[:grid] for corner in stored_chunks}
        for place in np.argwhere(source.members.complete):
            if tuple((place // chunk).tolist()) not in there:
                key = source.layout.key(int(np.ravel_multi_index(tuple(place), source.layout.shape)))
                raise CorruptDataset(f"{source.place}: {name} of member {key} is missing; run lmdata.verify")


def _chunk_coordinates(session: icechunk.Session, name: str) -> list[tuple[int, ...]]:
    async def listed() -> list[tuple[int, ...]]:
        return [corner async for corner in session.chunk_coordinates(f"/{name}")]

    return sync(listed())


def _incomplete(source: Stored) -> str:
    status, place = source.members.status, source.place
    so_far = (
        f"{place} is incomplete: of {counted(status.size, 'member')} {np.sum(status == registry.ABSENT)} are missing "
        f"and {np.sum(status == registry.FAILED)} failed. "
    )
    writer = None if place.folder is None else holder_of(place.folder / storage.LOCK_FILE)
    if writer is not None:
        return (
            f"{so_far}It is being written by {writer}: wait until that has finished, or open what there is with "
            "allow_partial=True and mind the variable 'status'"
        )
    return (
        f"{so_far}Finish it with lmdata.resume({str(place)!r}) or `lmdata resume {place}`, "
        "or open what there is with allow_partial=True and mind the variable 'status'"
    )
