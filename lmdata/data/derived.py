"""Derived datasets: what a pipeline computed from a dataset, kept as plain zarr with where it came from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Hashable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.storage import LocalStore

from lmdata.data.digest import canonical_json, sha256_of_json
from lmdata.data.grid import chunk_of
from lmdata.data.identity import NAMES, names_of, part_of
from lmdata.data.layout import BLOCK_BYTES
from lmdata.data.lazy import stored
from lmdata.data.store import guard, storage
from lmdata.data.store.durable import sync_entry, sync_files
from lmdata.data.store.making import making, move, refuse_taken
from lmdata.data.store.prevented import fetched, looking
from lmdata.data.store.reading import strictly
from lmdata.data.store.storage import Place, writing
from lmdata.errors import CorruptDataset, InvalidInput, RecipeMismatch
from lmdata.numerics.checks import as_text

DERIVED = 1
"""Version of this form of storage (attribute ``lmdata_derived``)."""
NOT_INHERITED = ("lmdata_schema", "layout_digest", "lmdata_derived", "coordinates", "source", "history", *NAMES)


def save_derived(
    dataset: xr.Dataset,
    location: str | os.PathLike[str],
    *,
    source: xr.Dataset,
    made_by: str,
    parameters: Mapping[str, Any] | None = None,
    durable: bool = False,
) -> None:
    """Compute a lazy dataset chunk by chunk into a new plain zarr folder, with its provenance.

    Parameters
    ----------
    dataset
        What was computed, lazily or not: numbers, truth values and text.
    location
        A folder that does not exist; it appears when everything is written.
    source
        The dataset it was computed from; what identifies it is kept, or, of a selection, what identifies the whole.
    made_by, parameters
        Which pipeline made it, with which parameters (plain values).
    durable
        Flush it to disk before it appears.

    Raises
    ------
    StoreExists
        If there is something at the location.
    InvalidInput
        If a variable or an attribute cannot be stored.
    StoreError
        If it cannot be written.
    """
    target = Place.local(location)
    refuse_taken(target)
    attributes = _provenance(dataset, source, made_by, parameters or {})
    with writing(Place(target), storage.ELSEWHERE), making(target) as building:
        whole = building / "store"
        group = zarr.create_group(LocalStore(whole), attributes=attributes, zarr_format=3)
        _write_variables(group, dataset)
        group.attrs["digest"] = _contents(group)
        group.attrs["layout_digest"] = _declared(group)
        storage.consolidate(whole)
        if durable:
            sync_files(whole, set())
        move(whole, target)
        if durable:
            sync_entry(target)


def open_derived(folder: Path, *, chunked: bool = True) -> xr.Dataset:
    """Open a derived dataset lazily; dask chunks are the storage chunks. Parameters as for `open_dataset`.

    Raises
    ------
    CorruptDataset, StoreError, RecipeMismatch
        If it is damaged, foreign, or of a newer lmdata.
    """
    group = _open(folder)
    coordinates = str(group.attrs.get("coordinates", "")).split()
    variables: dict[Hashable, xr.Variable] = {}
    for name, array in group.arrays():
        strict = storage.array(group, name)
        variable = xr.Variable(storage.dimensions(array), stored(strict), dict(array.attrs))
        if chunked and name not in coordinates:
            sizes = dict(zip(storage.dimensions(array), array.chunks, strict=True))
            variable = variable.chunk(sizes, name=f"{name}-{folder}-{group.attrs.get('digest')}")
        variables[name] = variable
    attrs = {key: value for key, value in group.attrs.asdict().items() if key not in ("coordinates", "layout_digest")}
    dataset = xr.Dataset(variables, attrs=attrs).set_coords(coordinates)
    dataset.encoding["source"] = str(folder)
    return dataset


def stale(derived: xr.Dataset, source: xr.Dataset) -> str | None:
    """Return why a derived dataset no longer belongs to its source as it is now, or None.

    Parameters
    ----------
    derived, source
        As opened; of the source its digest is compared, or, while it is incomplete, its snapshot.
    """
    origin = json.loads(str(derived.attrs["source"]))
    origin = origin.get("part_of", origin)
    for name in ("digest", "snapshot"):
        if name in origin:
            now = source.attrs.get(name)
            return None if now == origin[name] else f"its source had the {name} {origin[name]}, and has {now} now"
    return "it does not say which data it was computed from"


def verify_derived(folder: Path) -> str | None:
    """Return what is wrong with the contents of a derived dataset, or None."""
    group = _open(folder)
    try:
        found = fetched(lambda: _contents(group), "it cannot be read")
    except CorruptDataset as error:
        return str(error)
    return None if found == group.attrs.get("digest") else "its contents are not those that were written (digest)"


def _provenance(dataset: xr.Dataset, source: xr.Dataset, made_by: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    names = names_of(source)
    origin: dict[str, Any] = names or ({"part_of": whole} if (whole := part_of(source)) else {})
    inherited = {str(key): _plain(value) for key, value in dataset.attrs.items() if key not in NOT_INHERITED}
    return {
        **inherited,
        "lmdata_derived": DERIVED,
        "coordinates": " ".join(map(str, dataset.coords)),
        "source": canonical_json(origin),
        "made_by": made_by,
        "parameters": canonical_json(dict(parameters)),
        "created": now,
        "history": "\n".join(filter(None, [str(source.attrs.get("history", "")), f"{now} derived by {made_by}"])),
    }


def _plain(value: Any) -> Any:
    """Return an attribute as plain JSON."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    canonical_json(value)
    return value


def _write_variables(group: zarr.Group, dataset: xr.Dataset) -> None:
    import dask.array

    sources: list[Any] = []
    targets: list[Any] = []
    for name, variable in dataset.variables.items():
        data: Any = variable.data if variable.chunks is not None else _storable(variable.values)
        if data.dtype.kind not in guard.KINDS:
            raise InvalidInput(f"variable {name!r} has dtype {data.dtype}, which is not stored; convert it first")
        chunks = _chunks(data)
        target = storage.create_array(
            group,
            str(name),
            [str(dim) for dim in variable.dims],
            data.shape,
            chunks,
            data.dtype,
            fill=np.nan if data.dtype.kind == "f" else None,
            attributes={str(key): _plain(value) for key, value in variable.attrs.items()},
        )
        if variable.chunks is None:
            target[...] = data
        else:
            sources.append(data.rechunk(chunks))
            targets.append(target)
    dask.array.store(sources, targets, lock=False)


def _storable(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values with text as fixed-length text."""
    if values.dtype.kind in "OTU" and all(isinstance(value, str) for value in values.ravel()):
        for value in set(values.ravel().tolist()):
            as_text(value, "a text to be stored")
        return values.astype(np.str_)
    return values


def _chunks(data: Any) -> tuple[int, ...]:
    if hasattr(data, "chunks"):
        return tuple(max(1, *sizes) if len(sizes) > 1 else max(1, sizes[0]) for sizes in data.chunks)
    if data.size == 0:
        return tuple(max(1, size) for size in data.shape)
    return chunk_of(data.shape, max(1, BLOCK_BYTES // data.dtype.itemsize))


def _open(folder: Path) -> zarr.Group:
    with looking(folder):
        guard.check_links(folder)

    def opened() -> tuple[zarr.Group, str]:
        with strictly():
            group = zarr.open_group(LocalStore(folder, read_only=True), mode="r", zarr_format=3)
            version = group.attrs.get("lmdata_derived")
            if version != DERIVED:
                raise RecipeMismatch(f"{folder} is a derived dataset of form {version!r}; this lmdata reads {DERIVED}")
            for name, array in group.arrays():
                guard.check_storage(array, name, str(folder))
            return group, _declared(group)

    group, declared = fetched(
        opened, f"the metadata of {folder} cannot be read", damaged="it is damaged, or no dataset of lmdata"
    )
    if declared != group.attrs.get("layout_digest"):
        raise CorruptDataset(f"{folder}: its variables or attributes are not those that were declared")
    return group


def _declared(group: zarr.Group) -> str:
    """Return the SHA-256 (hex) of everything but the numbers: attributes, and what each variable is."""
    attributes = {name: value for name, value in group.attrs.asdict().items() if name != "layout_digest"}
    variables = {
        name: [storage.dimensions(array), array.shape, array.chunks, str(array.dtype), dict(array.attrs)]
        for name, array in group.arrays()
    }
    return sha256_of_json([attributes, variables])


def _contents(group: zarr.Group) -> str:
    """Return the SHA-256 (hex) of every variable's name, place of chunk and bytes."""
    sha = hashlib.sha256()
    for name in sorted(group.array_keys()):
        array = storage.array(group, name)
        for window in _windows(array.shape, array.chunks):
            sha.update(f"{name}{[part.start for part in window]}".encode())
            values = np.asarray(array[window])
            sha.update(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes())
    return sha.hexdigest()


def _windows(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    starts = [range(0, size, step) for size, step in zip(shape, chunks, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(start, start + step) for start, step in zip(corner, chunks, strict=True))
