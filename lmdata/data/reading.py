"""What reader and writer both read from a store: its layout and its bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data import registry, storage
from lmdata.data.layout import Layout


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


def read_bookkeeping(group: zarr.Group, layout: Layout) -> Bookkeeping:
    """Read status, digest and steps_done of every member."""
    names = ("status", "digest", "steps_done")
    return Bookkeeping(*(np.asarray(storage.array(group, name)[...]) for name in names))


def read_layout(group: zarr.Group) -> Layout:
    """Read the layout that a store was declared with."""
    position = storage.array(group, "position")
    swept = position.metadata.dimension_names[:-4]

    def values(name: str) -> NDArray[Any]:
        return np.asarray(storage.array(group, name)[...])

    token, time = values("token"), storage.array(group, "time")
    attrs = {
        k: v for k, v in group.attrs.asdict().items() if k not in ("lmdata_schema", "digest", "failures")
    }
    return Layout(
        swept={name: tuple(values(name).tolist()) for name in swept},
        seeds=tuple(values("seed").tolist()),
        time=values("time"),
        time_unit=str(time.attrs["units"]),
        labels=tuple(token.tolist()) if token.dtype.kind == "U" else None,
        tokens=position.shape[-2],
        components=position.shape[-1],
        dtype=str(position.dtype),
        diagnostics=tuple(sorted(name for name in group.array_keys() if _role(name) == "diagnostic")),
        attrs=attrs,
    )


def _role(name: str) -> str | None:
    spec = registry.VARIABLES.get(name)
    return None if spec is None else spec.role
