"""Opening a stored dataset: lazily, from one snapshot, and never with a hole that looks like a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from lmdata.data import registry, storage
from lmdata.data.layout import Layout, assemble
from lmdata.data.reading import Bookkeeping, read_bookkeeping, read_layout
from lmdata.errors import CorruptDataset, IncompleteDataset


class StoredArray(BackendArray):
    """A stored variable as xarray's lazy arrays read it: a chunk that is not there, or damaged, raises.

    Parameters
    ----------
    array
        Opened so that missing chunks raise; with ``present``, so that they read as fill.
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
        except (ValueError, RuntimeError, OSError) as error:
            raise CorruptDataset(
                f"variable {self.array.basename!r} cannot be read at {key}: {error}; run lmdata.verify on its store"
            ) from error
        if self.present is None:
            return values
        members = key[: self.present.ndim]
        present = self.present
        axis = 0
        for part in members:
            present = present[(slice(None),) * axis + (part,)]
            axis += 0 if isinstance(part, int | np.integer) else 1
        return np.where(
            present.reshape(present.shape + (1,) * (values.ndim - present.ndim)),
            values,
            self.array.fill_value,
        )


def open_dataset(location: str | Path, *, allow_partial: bool = False, chunked: bool = True) -> xr.Dataset:
    """Open a run store lazily: one snapshot, dask chunks of whole storage chunks.

    Parameters
    ----------
    location
        Folder of a store.
    allow_partial
        Open a dataset with absent or failed members too: their positions are NaN, ``status`` says which they are.
    chunked
        Give dask arrays; otherwise xarray's own lazily indexed arrays, which ``chunks=`` of xarray can chunk.

    Returns
    -------
    Dataset
        (<swept>, seed, time, token, component); bookkeeping and coordinates in memory, the rest unread. The attribute
        ``snapshot`` names the commit that was opened: later commits do not show.

    Raises
    ------
    IncompleteDataset
        If members are absent or failed and ``allow_partial`` is False.
    CorruptDataset
        If the store cannot be read; later, when values are computed, if a chunk is missing or damaged.
    FileNotFoundError, StoreError
        If there is no store at the location.
    """
    target = Path(location).absolute()
    repository = storage.open_repository(target)
    session = repository.readonly_session("main")
    group = zarr.open_group(session.store, mode="r", zarr_format=3)
    layout = read_layout(group)
    members = read_bookkeeping(group, layout)
    complete = members.status == registry.COMPLETE
    if not complete.all() and not allow_partial:
        raise IncompleteDataset(_incomplete(target, members))
    dataset = lazy_dataset(group, layout, members, partial=not complete.all())
    dataset.attrs["snapshot"] = session.snapshot_id
    dataset.encoding["source"] = str(target)
    if not chunked:
        return dataset
    token = f"{target}-{session.snapshot_id}-{allow_partial}"
    sizes = dict(zip(layout.dims, layout.chunks("position"), strict=True))
    for name in ("position", *layout.diagnostics):
        dataset[name] = dataset[name].variable.chunk(
            {dim: sizes[dim] for dim in dataset[name].dims}, name=f"{name}-{token}"
        )
    return dataset


def lazy_dataset(group: zarr.Group, layout: Layout, members: Bookkeeping, *, partial: bool) -> xr.Dataset:
    """Return the dataset of a zarr group with lazily indexed arrays."""
    present = members.status == registry.COMPLETE if partial else None

    def lazy(name: str) -> Any:
        return indexing.LazilyIndexedArray(StoredArray(storage.array(group, name, missing=partial), present))

    return assemble(
        layout,
        lazy("position"),
        status=members.status,
        digest=members.digest,
        steps_done=members.steps_done,
        diagnostics={name: lazy(name) for name in layout.diagnostics},
    )


def _incomplete(target: Path, members: Bookkeeping) -> str:
    failed = int(np.count_nonzero(members.status == registry.FAILED))
    absent = int(np.count_nonzero(members.status == registry.ABSENT))
    return (
        f"{target} is incomplete: of {members.status.size} members {absent} are missing and {failed} failed; "
        f"finish it with lmdata.resume({str(target)!r}) or `lmdata resume`, "
        "or open what there is with allow_partial=True and mind the variable 'status'"
    )
