"""Stored arrays as xarray reads them: lazily, and raising where something is missing or damaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from lmdata.data.store import storage
from lmdata.data.store.prevented import fetched
from lmdata.data.store.storage import Place


def stored(
    array: zarr.Array[Any], present: NDArray[np.bool_] | None = None, place: Place | None = None
) -> indexing.LazilyIndexedArray:
    """Return an array of `StoredArray` that xarray indexes lazily."""
    return indexing.LazilyIndexedArray(StoredArray(array, present, place))


class StoredArray(BackendArray):
    """A stored variable as xarray reads it: a chunk that is missing or damaged raises.

    Parameters
    ----------
    array
        The variable. Without ``present`` its missing chunks have to raise, with it to read as fill.
    present : (<swept>, seed) bool, optional
        Members that are there; what the others hold is replaced by the fill value.
    place
        Of the run store that it is in, which may have removed the commit meanwhile.
    """

    def __init__(
        self, array: zarr.Array[Any], present: NDArray[np.bool_] | None = None, place: Place | None = None
    ) -> None:
        self.array = array
        self.present = present
        self.place = place
        self.shape = array.shape
        self.dtype = array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        storage.check_threads(self.array.store)
        with storage.committed(self.place, self.array.store):
            values = fetched(
                lambda: np.asarray(self.array.oindex[key]),
                f"variable {self.array.basename!r} cannot be read at {key!r:.200}",
                damaged="lmdata.verify tells what is damaged, and what can be done",
            )
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
