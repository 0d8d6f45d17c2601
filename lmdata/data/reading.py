"""What reader and writer both read from a store: its layout and its bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import guard, registry, storage
from lmdata.data.layout import Layout
from lmdata.errors import CorruptDataset, InvalidInput

RESERVED = ("lmdata_schema", "digest", "failures")
"""Attributes of a stored group that the store itself keeps."""
UNREADABLE = (ValueError, KeyError, TypeError, RuntimeError, OSError, icechunk.IcechunkError)
"""What the libraries raise on data that is damaged or missing."""


@dataclass(frozen=True, eq=False)
class Bookkeeping:
    """What is kept once a member.

    Parameters
    ----------
    status, digest, steps_done : (<swept>, seed)
        As in the registry.
    """

    status: NDArray[np.uint8]
    digest: NDArray[np.str_]
    steps_done: NDArray[np.int64]

    @classmethod
    def empty(cls, layout: Layout) -> Self:
        """Return the bookkeeping of a store without a finished member."""
        return cls(
            np.full(layout.shape, registry.ABSENT, np.uint8),
            np.zeros(layout.shape, "<U64"),
            np.full(layout.shape, -1, np.int64),
        )

    @classmethod
    def read(cls, group: zarr.Group) -> Self:
        """Read it."""
        return cls(*(read(group, name) for name in ("status", "digest", "steps_done")))

    def write(self, group: zarr.Group, members: Iterable[int] | None = None) -> None:
        """Write all of it, or the storage chunks that hold these members."""
        for name in ("status", "digest", "steps_done"):
            values = getattr(self, name)
            array = storage.array(group, name)
            if members is None:
                array[...] = values
                continue
            chunk = np.array(array.chunks)
            places = np.array(np.unravel_index(sorted(members), values.shape)).T
            for corner in np.unique(places // chunk, axis=0) * chunk:
                window = tuple(slice(int(a), int(a + b)) for a, b in zip(corner, chunk, strict=True))
                array[window] = values[window]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Members that are finished (<swept>, seed)."""
        return np.equal(self.status, registry.COMPLETE)


def read(group: zarr.Group, name: str) -> NDArray[Any]:
    """Read a whole variable.

    Raises
    ------
    CorruptDataset
        If it, or a part of it, is missing or damaged.
    """
    try:
        return np.asarray(storage.array(group, name)[...])
    except UNREADABLE as error:
        raise CorruptDataset(f"variable {name!r} cannot be read: {storage.summary(error)}") from error


def open_group(store: Any, place: str) -> zarr.Group:
    """Open the root group of a dataset for reading, once everything that can be known of it is checked.

    Raises
    ------
    StoreError, RecipeMismatch, CorruptDataset
        See `lmdata.data.guard.check_group`.
    """
    try:
        group = zarr.open_group(store, mode="r", zarr_format=3)
        guard.check_group(group, place)
    except UNREADABLE as error:
        raise CorruptDataset(
            f"{place} is no dataset of lmdata, or its metadata is damaged: {storage.summary(error)}"
        ) from error
    return group


def read_layout(group: zarr.Group) -> Layout:
    """Read the layout that a store was declared with.

    Raises
    ------
    CorruptDataset
        If a coordinate cannot be read or has values that none has.
    """
    position = storage.array(group, "position")
    token = read(group, "token")
    try:
        return Layout(
            swept={name: tuple(read(group, name).tolist()) for name in storage.dimensions(position)[:-4]},
            seeds=tuple(read(group, "seed").tolist()),
            time=read(group, "time"),
            time_unit=str(storage.array(group, "time").attrs["units"]),
            labels=tuple(token.tolist()) if token.dtype.kind == "U" else None,
            tokens=position.shape[-2],
            components=position.shape[-1],
            dtype=str(position.dtype),
            diagnostics=guard.diagnostics(group),
            attrs={name: value for name, value in group.attrs.asdict().items() if name not in RESERVED},
        )
    except InvalidInput as error:
        raise CorruptDataset(f"the coordinates are damaged: {error}") from error


def read_failures(group: zarr.Group) -> dict[str, str]:
    """Return the reasons of failed members, by member key."""
    failures = group.attrs.get("failures", {})
    return {str(key): str(reason) for key, reason in failures.items()} if isinstance(failures, dict) else {}
