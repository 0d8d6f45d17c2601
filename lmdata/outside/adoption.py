"""Datasets and files of others with states of tokens in them, made datasets of lmdata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from lmdata.data.safetensors import Safetensors
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_path
from lmdata.outside.files import checked, read_file, sha256_of
from lmdata.outside.frames import Frame
from lmdata.outside.trajectory import from_trajectory

BESIDE = ("token", "time", "present", "attention")
"""Names under which a file may have what `lmdata.from_trajectory` takes besides positions."""


def adopt(
    path_or_dataset: str | os.PathLike[str] | xr.Dataset | xr.DataArray,
    *,
    position: str = "position",
    dims: Sequence[str] | None = None,
    token: Any = None,
    time: Any = None,
    attention: Any = None,
    present: Any = None,
    source: Mapping[str, Any] | None = None,
    frame: Frame = "raw",
    without: Sequence[int | str] = (),
    store: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Make a dataset of lmdata of a file, or of a dataset in memory, that something else has written.

    Parameters
    ----------
    path_or_dataset
        A ``.npz``, ``.npy``, ``.safetensors``, HDF5 (``.h5``) or netCDF (``.nc``) file, a folder of plain zarr, or an
        xarray Dataset or DataArray. Formats that execute code (pickle, ``.pt``), and arrays of Python objects or in
        other files, are refused.
    position
        Name of the states in it; in HDF5 its path, such as ``layers/hidden``.
    dims, token, time, attention, present
        As for `lmdata.from_trajectory`. What is left out is taken from the file, if it has arrays of these names, and
        from the dimensions and coordinates of a labelled array; ``attention`` may be another array's name.
    source
        As there. ``name`` and ``sha256`` of the file, the name of the ``variable`` and the file's own ``attributes``
        (text and numbers) are added.
    frame, without, store
        As there.

    Returns
    -------
    xarray.Dataset
        As of `lmdata.from_trajectory`.

    Raises
    ------
    InvalidInput
        As there; or if the file cannot be read, has no such array, or is a dataset of lmdata. Nothing is written then.
    FileNotFoundError
        If there is no such file.
    ExtraMissing
        If it is one of HDF5 or netCDF 4, and the packages of the extra ``hdf5`` are not installed.

    Examples
    --------
    >>> import lmdata, tempfile, numpy as np
    >>> file = f"{tempfile.mkdtemp()}/states.npz"
    >>> np.savez(file, hidden=np.ones((7, 3, 8), np.float32), token=["a", "red", "fox"])
    >>> ds = lmdata.adopt(file, position="hidden", source={"name": "example", "revision": "1"})
    >>> ds.token.values.tolist(), ds.sizes["time"]
    (['a', 'red', 'fox'], 7)
    """
    provenance: dict[str, Any] = {}
    if isinstance(path_or_dataset, xr.DataArray):
        found: Mapping[Any, Any] = checked(path_or_dataset.to_dataset(name=position), "the array")
    elif isinstance(path_or_dataset, xr.Dataset):
        found = checked(path_or_dataset, "it")
    else:
        file = as_path(path_or_dataset, "path_or_dataset")
        found = read_file(file)
        provenance = {"name": file.name, "sha256": sha256_of(file), "variable": position}
    if position not in found:
        names = ", ".join(map(str, found)) or "none"
        raise InvalidInput(f"position is {position!r}, and there is no array of that name; there are {names}")
    if isinstance(attention, str):
        if attention not in found:
            raise InvalidInput(f"attention is {attention!r}, and there is no array of that name")
        attention = found[attention]
    if isinstance(found, Safetensors):
        provenance["dtype"] = found.stored_dtype(position)
    if isinstance(found, xr.Dataset):
        own = {str(name): value for name, value in found.attrs.items() if isinstance(value, str | int | float)}
        provenance |= {"attributes": own} if own else {}
    given = {"token": token, "time": time, "present": present, "attention": attention}
    labels = found.dims if isinstance(found, xr.Dataset) else ()
    for name in BESIDE:
        if given[name] is None and name in found and name not in labels:
            given[name] = found[name]
    return from_trajectory(
        found[position],
        dims=dims,
        source=provenance | dict(source or {}),
        frame=frame,
        without=without,
        store=store,
        **given,
    )
