"""Opening a stored dataset: lazily, from one snapshot, and never with a hole that looks like a number."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing
from zarr.core.sync import sync
from zarr.storage import LocalStore

from lmdata.data import guard, registry, storage
from lmdata.data.layout import Layout, assemble
from lmdata.data.reading import UNREADABLE, Bookkeeping, open_group, read_failures, read_layout
from lmdata.data.storage import Place
from lmdata.errors import CorruptDataset, IncompleteDataset


class StoredArray(BackendArray):
    """A stored variable as xarray reads it: a chunk that is missing or damaged raises.

    Parameters
    ----------
    array
        The variable. Without ``present`` its missing chunks have to raise, with it to read as fill.
    present : (<swept>, seed) bool, optional
        Members that are there; what the others hold is replaced by the fill value.
    """

    def __init__(self, array: zarr.Array[Any], present: NDArray[np.bool_] | None = None) -> None:
        self.array = array
        self.present = present
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        try:
            values = np.asarray(self.array.oindex[key])
        except UNREADABLE as error:
            raise CorruptDataset(
                f"variable {self.array.basename!r} cannot be read at {key!r:.200}: {storage.summary(error)}; "
                "lmdata.verify tells what is damaged, and what can be done"
            ) from error
        if self.present is None:
            return values
        return np.where(self._present(key, values.ndim), values, self.array.fill_value)

    def _present(self, key: tuple[Any, ...], ndim: int) -> NDArray[np.bool_]:
        """Return which members an outer index picks, ready to be broadcast against ``ndim`` dimensions."""
        assert self.present is not None
        ranges = [np.arange(size)[part] for size, part in zip(self.present.shape, key, strict=False)]
        picked = self.present[np.ix_(*(np.atleast_1d(numbers) for numbers in ranges))]
        picked = picked.reshape([numbers.size for numbers in ranges if numbers.ndim])
        return picked.reshape(picked.shape + (1,) * (ndim - picked.ndim))


def open_dataset(location: str | os.PathLike[str], *, allow_partial: bool = False, chunked: bool = True) -> xr.Dataset:
    """Open a run store or an exported dataset lazily: one snapshot, dask chunks of whole storage chunks.

    Parameters
    ----------
    location
        Folder of a run store or of a plain zarr export, or ``s3://`` address of a run store.
    allow_partial
        Open a dataset with absent or failed members too: their positions are NaN, ``status`` tells which.
    chunked
        Give dask arrays; otherwise xarray's own lazily indexed arrays, which any ``chunks`` can follow.

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
    if place.folder is not None:
        guard.check_links(place.folder)
        if (place.folder / "zarr.json").is_file():
            return _open_zarr(place.folder, chunked=chunked)
    session = storage.open_repository(place).readonly_session("main")
    group = open_group(session.store, str(place))
    layout, members = read_layout(group), Bookkeeping.read(group)
    partial = not members.complete.all()
    if partial and not allow_partial:
        raise IncompleteDataset(_incomplete(place, members))
    if partial:
        _check_presence(session, layout, members, place)
    dataset = _lazy(group, layout, members, partial=partial)
    if failures := read_failures(group):
        dataset.attrs["failures"] = json.dumps(failures, sort_keys=True)
    dataset.attrs["snapshot"] = session.snapshot_id
    dataset.encoding["source"] = str(place)
    return _chunk(dataset, layout, f"{place}-{session.snapshot_id}") if chunked else dataset


def _open_zarr(folder: Path, *, chunked: bool) -> xr.Dataset:
    """Open a plain zarr export, which is always complete."""
    group = open_group(LocalStore(folder, read_only=True), str(folder))
    layout, members = read_layout(group), Bookkeeping.read(group)
    if not members.complete.all():
        raise CorruptDataset(f"{folder} is no export of lmdata: not every member is complete")
    dataset = _lazy(group, layout, members, partial=False)
    dataset.encoding["source"] = str(folder)
    return _chunk(dataset, layout, f"{folder}-{dataset.attrs['digest']}") if chunked else dataset


def _lazy(group: zarr.Group, layout: Layout, members: Bookkeeping, *, partial: bool) -> xr.Dataset:
    present = members.complete if partial else None

    def stored(name: str) -> Any:
        return indexing.LazilyIndexedArray(StoredArray(storage.array(group, name, missing=partial), present))

    return assemble(
        layout,
        stored("position"),
        status=members.status,
        digest=members.digest,
        steps_done=members.steps_done,
        diagnostics={name: stored(name) for name in layout.diagnostics},
    )


def _chunk(dataset: xr.Dataset, layout: Layout, token: str) -> xr.Dataset:
    """Give dask arrays whose chunks are the storage chunks, under names that the snapshot decides."""
    for name in ("position", *layout.diagnostics):
        sizes = dict(zip(layout.dimensions(name), layout.chunks(name), strict=True))
        dataset[name] = dataset[name].variable.chunk(sizes, name=f"{name}-{token}")
    return dataset


def _check_presence(session: Any, layout: Layout, members: Bookkeeping, place: Place) -> None:
    """Check that every chunk with a complete member is there: where some are absent, holes do not raise."""
    for name in ("position", *layout.diagnostics):
        chunk = layout.chunks(name)
        stored = {tuple(corner[: len(layout.shape)]) for corner in sync(_chunk_coordinates(session, name))}
        for member in np.flatnonzero(members.complete).tolist():
            index = layout.index(member)
            if tuple(i // size for i, size in zip(index, chunk, strict=False)) not in stored:
                raise CorruptDataset(f"{place}: {name} of member {layout.key(member)} is missing; run lmdata.verify")


async def _chunk_coordinates(session: Any, name: str) -> list[tuple[int, ...]]:
    return [corner async for corner in session.chunk_coordinates(f"/{name}")]


def _incomplete(place: Place, members: Bookkeeping) -> str:
    failed = int(np.count_nonzero(members.status == registry.FAILED))
    absent = int(np.count_nonzero(members.status == registry.ABSENT))
    return (
        f"{place} is incomplete: of {members.status.size} members {absent} are missing and {failed} failed. "
        f"Finish it with lmdata.resume({str(place)!r}) or `lmdata resume {place}`, "
        "or open what there is with allow_partial=True and mind the variable 'status'"
    )
