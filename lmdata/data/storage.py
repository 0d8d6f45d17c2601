"""Where run stores live: icechunk repositories, and the zarr arrays in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from lmdata.data import registry
from lmdata.data.layout import Layout
from lmdata.errors import CorruptDataset, StoreError

if "ICECHUNK_LOG" not in os.environ:
    icechunk.set_logs_filter("error")

LOCK_FILE = "writer.lock"
REFERENCES_PER_MANIFEST = 1000
"""A commit rewrites the manifests that it touches: splitting them keeps late commits as cheap as early ones."""


def configuration() -> icechunk.RepositoryConfig:
    """Return icechunk's configuration for run stores."""
    dimension = icechunk.ManifestSplitDimCondition
    split = icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): {dimension.Any(): REFERENCES_PER_MANIFEST}}
    )
    return icechunk.RepositoryConfig(manifest=icechunk.ManifestConfig(splitting=split))


def local_storage(folder: Path) -> icechunk.Storage:
    """Return icechunk's storage of a local folder."""
    return icechunk.local_filesystem_storage(str(folder))


def open_repository(location: Path) -> icechunk.Repository:
    """Open the repository of a run store.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the location.
    StoreError
        If what is there is no icechunk repository.
    CorruptDataset
        If the repository cannot be read.
    """
    if not location.exists():
        raise FileNotFoundError(f"there is no dataset at {location}")
    if not (location / "repo").is_file():
        raise StoreError(f"{location} is no run store of lmdata: it holds no icechunk repository")
    try:
        return icechunk.Repository.open(local_storage(location))
    except icechunk.IcechunkError as error:
        raise CorruptDataset(f"the repository at {location} cannot be read: {error}") from error


def create_array(
    group: zarr.Group,
    name: str,
    dims: Sequence[str],
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    *,
    fill: Any = None,
    attributes: dict[str, Any] | None = None,
) -> zarr.Array[Any]:
    """Declare an array whose chunks are compressed and end in a checksum (crc32c, always the last codec)."""
    if dtype.kind == "f":
        squeeze: Any = BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=dtype.itemsize)
    else:
        squeeze = ZstdCodec(level=3)
    return group.create_array(
        name,
        shape=tuple(shape),
        chunks=tuple(chunks),
        dtype=dtype,
        compressors=[squeeze, Crc32cCodec()],
        fill_value=dtype.type() if fill is None else fill,
        attributes=attributes or {},
        dimension_names=list(dims),
        config={"write_empty_chunks": True},
    )


def declare(group: zarr.Group, layout: Layout) -> None:
    """Declare every coordinate and variable of a layout, and write the coordinates."""
    group.attrs.put({"lmdata_schema": registry.SCHEMA, **layout.attrs})
    for name, (dims, values, attrs) in layout.coords().items():
        array = create_array(group, name, dims, values.shape, values.shape, values.dtype, attributes=attrs)
        array[...] = values
    for name in layout.variables:
        spec = registry.variable(name)
        dims = layout.dimensions(name)
        create_array(
            group,
            name,
            dims,
            [layout.sizes[dim] for dim in dims],
            layout.chunks(name),
            layout.dtypes(name),
            fill=spec.fill,
            attributes=spec.attributes(),
        )


def array(group: zarr.Group, name: str, *, missing: bool = False) -> zarr.Array[Any]:
    """Open an array so that chunks never written raise, or, with ``missing``, read as fill."""
    return group[name].with_config({"read_missing_chunks": missing, "write_empty_chunks": True})
