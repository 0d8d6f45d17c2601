"""Files of others with states of tokens in them: read without trusting them, and never by what executes code."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lmdata.data.safetensors import Safetensors
from lmdata.data.store import guard
from lmdata.data.store.prevented import looking, summary
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import is_plain
from lmdata.errors import ExtraMissing, InvalidInput
from lmdata.outside.hdf5 import ENDINGS, Hdf5, is_hdf5

EXECUTING = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
"""Endings of what is read by unpickling, which executes what the file says."""
REMEDY = "save the arrays as .npz, .safetensors, HDF5, zarr or netCDF where the file was made"
UNSAFE = "of a format that is read by executing what it says"


def read_file(file: Path) -> Mapping[Any, Any]:
    """Return the arrays of a file by name: bare ones, or a Dataset, of which names and dimensions are known.

    Parameters
    ----------
    file
        ``.npz``, ``.npy`` (its array is called ``position``), ``.safetensors``, HDF5, netCDF, or a folder of zarr.

    Raises
    ------
    InvalidInput
        If it is another kind of file, cannot be read, holds Python objects, or is a dataset of lmdata.
    ExtraMissing
        If it is one of HDF5 or netCDF 4, and the packages of the extra ``hdf5`` are not installed.
    FileNotFoundError
        If there is nothing there.
    Prevented
        If the machine or missing rights prevent reading it.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "states.npz")
    >>> np.savez(file, position=np.ones((2, 3, 1)))
    >>> read_file(file)["position"].shape
    (2, 3, 1)
    """
    with looking(file):
        if not file.exists():
            raise FileNotFoundError(f"there is nothing at {file}")
        if file.is_dir():
            return _zarr(file)
        if file.suffix in EXECUTING:
            raise InvalidInput(
                f"{file} is of a format that is read by executing what it says ({file.suffix}); {REMEDY}"
            )
        reader = _READERS.get(file.suffix)
        if reader is None:
            known = ", ".join(_READERS)
            raise InvalidInput(
                f"{file} ends in {file.suffix!r}; files that end in {known} are read, and folders of zarr"
            )
        return reader(file)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 (hex) of a file, or of the names and contents of the files in a folder, in order of names.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a").write_bytes(b"abc")
    >>> sha256_of(folder / "a")[:8], sha256_of(folder) == sha256_of(folder / "a")
    ('ba7816bf', False)
    """
    with looking(file):
        if file.is_file():
            with file.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        parts = sorted((path.relative_to(file).as_posix(), path) for path in file.rglob("*") if path.is_file())
        sha = hashlib.sha256()
        for name, path in parts:
            sha.update(f"{name}\0{sha256_of(path)}\0".encode())
        return sha.hexdigest()


def _npz(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError, NotImplementedError, MemoryError) as error:
        raise InvalidInput(f"{file} cannot be read: {_why(error)}") from error


def _npy(file: Path) -> dict[str, Any]:
    try:
        return {"position": np.load(file, allow_pickle=False)}
    except (ValueError, EOFError, MemoryError) as error:
        raise InvalidInput(f"{file} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    if "pickle" in str(error).lower():
        return f"it holds Python objects, {UNSAFE}; {REMEDY}"
    return summary(error)


def _safetensors(file: Path) -> Mapping[Any, Any]:
    return Safetensors(file)


def _netcdf(file: Path) -> xr.Dataset:
    engine = None
    if is_hdf5(file):
        if missing := ExtraMissing.of("hdf5", f"{file.name}, a netCDF 4 file,", ("h5netcdf", "h5py")):
            raise missing
        Hdf5(file)  # refuses what is in other files
        engine = "h5netcdf"
    try:
        return checked(xr.open_dataset(file, engine=engine, decode_times=False), str(file))
    except (ValueError, OSError, LookupError, TypeError, ImportError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{file} is no netCDF file that can be read: {summary(error)}") from error


def _zarr(folder: Path) -> xr.Dataset:
    if (folder / "repo").is_file():
        raise InvalidInput(f"{folder} is a store of lmdata, or another icechunk repository; open it with lmdata.open")
    if not is_plain(Place(folder)) and not (folder / ".zgroup").is_file():
        raise InvalidInput(f"{folder} is a folder without a group of zarr in it; {REMEDY}")
    guard.check_links(folder)
    try:
        _refuse_objects(folder)
        found = xr.open_dataset(folder, engine="zarr", consolidated=False, decode_times=False)
    except (ValueError, OSError, LookupError, TypeError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{folder} cannot be read as zarr with named dimensions: {summary(error)}; open it with zarr.open, and "
            "give the array to lmdata.from_trajectory"
        ) from error
    return checked(found, str(folder))


def _refuse_objects(folder: Path) -> None:
    """Refuse arrays whose codecs unpickle, by what their metadata say, before anything else looks at them."""
    for file in sorted((*folder.rglob(".zarray"), *folder.rglob("zarr.json"))):
        stored = json.loads(file.read_bytes())
        if not isinstance(stored, dict) or stored.get("node_type") == "group":
            continue
        if "pickle" in json.dumps({key: value for key, value in stored.items() if key != "attributes"}).lower():
            raise InvalidInput(
                f"{folder}: {file.parent.name} is stored in a format that is read by executing what it says; {REMEDY}"
            )


def checked(ds: xr.Dataset, what: str) -> xr.Dataset:
    """Refuse a dataset that is one of lmdata already.

    Raises
    ------
    InvalidInput
        If it is.
    """
    if "lmdata_schema" in ds.attrs:
        raise InvalidInput(f"{what} is a dataset of lmdata already: open it with lmdata.open, and measure it as it is")
    return ds


_READERS: Mapping[str, Callable[[Path], Mapping[Any, Any]]] = {
    ".npz": _npz,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".nc": _netcdf,
    ".nc4": _netcdf,
    ".netcdf": _netcdf,
    **dict.fromkeys(ENDINGS, Hdf5),
}
