"""What reader and writer both read from a store: its layout and its bookkeeping."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore

from lmdata.data import registry
from lmdata.data.grid import Grid
from lmdata.data.layout import Layout
from lmdata.data.store import guard, storage
from lmdata.data.store.prevented import fetched, looking
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import is_plain
from lmdata.data.training import TrainingLayout
from lmdata.data.trajectory import TrajectoryLayout
from lmdata.errors import CorruptDataset, InvalidInput, UnknownName


@dataclass(frozen=True, eq=False)
class Bookkeeping:
    """What is kept once a member.

    Parameters
    ----------
    status, digest, steps_done : (<swept>, [start,] seed)
        As in the registry.
    """

    status: NDArray[np.uint8]
    digest: NDArray[np.str_]
    steps_done: NDArray[np.int64]

    @classmethod
    def empty(cls, layout: Grid) -> Self:
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
            values, array = getattr(self, name), storage.array(group, name)
            windows = [...] if members is None else _windows(values.shape, array.chunks, sorted(members))
            for window in windows:
                array[window] = values[window]

    def enlarged(self, layout: Grid) -> Self:
        """Return this within the grid of a wider layout; members that are new are absent."""
        wider = type(self).empty(layout)
        window = tuple(slice(0, size) for size in self.status.shape)
        for name in ("status", "digest", "steps_done"):
            getattr(wider, name)[window] = getattr(self, name)
        return wider

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Members that are finished, in the grid."""
        return np.equal(self.status, registry.COMPLETE)


def _windows(shape: tuple[int, ...], chunk: tuple[int, ...], members: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of a grid that hold members, in whole chunks; one part if the chunks make one."""
    if not members:
        return
    corners = np.unique(np.stack(np.unravel_index(members, shape), axis=-1) // chunk, axis=0)
    first, last = corners.min(axis=0), corners.max(axis=0)
    together = np.prod(last - first + 1) == len(corners)
    for begin, end in [(first, last)] if together else zip(corners, corners, strict=True):
        low, high = (begin * chunk).tolist(), ((end + 1) * chunk).tolist()
        yield tuple(slice(*part) for part in zip(low, high, strict=True))


def read(group: zarr.Group, name: str) -> NDArray[Any]:
    """Read a whole variable.

    Raises
    ------
    CorruptDataset
        If it, or a part of it, is missing or damaged.
    """
    return fetched(lambda: np.asarray(storage.array(group, name)[...]), f"variable {name!r} cannot be read")


@dataclass(frozen=True, eq=False)
class Stored:
    """A stored dataset, opened for reading at one snapshot.

    Parameters
    ----------
    place, group
        Where it is, and its root group.
    layout, members
        What is in memory of it.
    session
        Of the run store; None for a plain zarr export.
    """

    place: Place
    group: zarr.Group
    layout: Grid
    members: Bookkeeping
    session: icechunk.Session | None

    @classmethod
    def open(cls, place: Place, *, snapshot: str | None = None, tag: str | None = None) -> Self:
        """Open a run store or a plain zarr export, once everything that can be known of it is checked.

        Parameters
        ----------
        place
            Where it is.
        snapshot, tag
            A commit of a run store, by its id or by the name of a version; the last one without them.

        Raises
        ------
        FileNotFoundError, StoreError, RecipeMismatch, CorruptDataset
            If there is none, it is foreign, of a newer lmdata, or damaged.
        Prevented
            If the machine, missing rights or the network prevent reading it.
        """
        session: icechunk.Session | None = None
        store: LocalStore | icechunk.IcechunkStore | None = None
        if place.folder is not None:
            with looking(place.folder):
                guard.check_links(place.folder)
                if is_plain(place):
                    store = LocalStore(place.folder, read_only=True)
        if store is None:
            session = storage.open_session(place, snapshot=snapshot, tag=tag)
            store = session.store
        elif snapshot or tag:
            raise UnknownName(f"{place} is plain zarr, which has no versions; there is no {snapshot or tag!r}")
        with storage.committed(place, store):
            return cls._of(place, store, session)

    @classmethod
    def at(cls, place: Place, session: icechunk.Session) -> Self:
        """Open the commit of a run store that a session reads; errors as for `open`."""
        return cls._of(place, session.store, session)

    @classmethod
    def _of(cls, place: Place, store: LocalStore | icechunk.IcechunkStore, session: icechunk.Session | None) -> Self:
        group = open_group(store, str(place))
        with naming(str(place)):
            return cls(place, group, read_layout(group), Bookkeeping.read(group), session)

    def frames(self, block: tuple[int, ...], name: str) -> Iterator[NDArray[Any]]:
        """Yield a variable of a block of members, (member, time, ...), some frames at a time.

        Raises
        ------
        CorruptDataset
            If they are missing or damaged.
        """
        array = storage.array(self.group, name)
        window = self.layout.window(block)
        step = array.chunks[len(window)]
        for start in range(0, self.layout.frames, step):
            region = (*window, slice(start, start + step))
            with storage.committed(self.place, self.group.store):
                values = fetched(partial(lambda region: np.asarray(array[region]), region), f"{name} cannot be read")
            yield values.reshape(-1, *values.shape[len(window) :])


@contextmanager
def strictly() -> Iterator[None]:
    """Take for an error what zarr would put right with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ZarrUserWarning)
        yield


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Say which dataset it is that is damaged, and how to go on."""
    try:
        yield
    except CorruptDataset as error:
        if place in str(error):
            raise
        raise CorruptDataset(f"{place}: {error}; `lmdata verify {place}` tells what can be done") from error


def open_group(store: Any, place: str) -> zarr.Group:
    """Open the root group of a dataset for reading, once its metadata is checked.

    Raises
    ------
    StoreError, RecipeMismatch, CorruptDataset
        See `lmdata.data.store.guard.check_group`.
    """
    storage.check_threads(store)

    def opened() -> zarr.Group:
        with strictly(), naming(place):
            group = storage.Snapshot(**vars(zarr.open_group(store, mode="r", zarr_format=3)))
            guard.check_group(group, place)
        return group

    return fetched(opened, f"the metadata of {place} cannot be read", damaged="it is damaged, or no dataset of lmdata")


def read_layout(group: zarr.Group) -> Grid:
    """Read the layout that a store was declared with.

    Raises
    ------
    CorruptDataset
        If a coordinate cannot be read, or anything is not what was declared.
    """
    attrs = {name: value for name, value in group.attrs.asdict().items() if name not in storage.RESERVED}
    try:
        layout = _READERS[storage.form_of(group)](group, attrs)
    except InvalidInput as error:
        raise CorruptDataset(f"the coordinates are damaged: {error}") from error
    if layout.digest != group.attrs.get("layout_digest"):
        raise CorruptDataset("the coordinates or attributes are not those that were declared: they were changed")
    return layout


def _read_simulation(group: zarr.Group, attrs: dict[str, Any]) -> Grid:
    return Layout(**_fields(group, attrs))


def _read_trajectory(group: zarr.Group, attrs: dict[str, Any]) -> Grid:
    present, words = (read(group, name) if name in group else None for name in (registry.PRESENT, "word"))
    heads = len(read(group, "head")) if "head" in group else 0
    return TrajectoryLayout(**_fields(group, attrs), heads=heads, present=present, words=words)


def _fields(group: zarr.Group, attrs: dict[str, Any]) -> dict[str, Any]:
    """Read what every layout of tokens that move has."""
    position = storage.array(group, "position")
    token, diagnostics = read(group, "token"), guard.diagnostics(group)
    return {
        "swept": {name: tuple(read(group, name).tolist()) for name in storage.dimensions(position)[:-4]},
        "seeds": tuple(read(group, "seed").tolist()),
        "time": read(group, "time"),
        "time_unit": str(storage.array(group, "time").attrs["units"]),
        "labels": tuple(token.tolist()) if token.dtype.kind == "U" else None,
        "tokens": position.shape[-2],
        "components": position.shape[-1],
        "dtype": str(position.dtype),
        "diagnostics": tuple(diagnostics),
        "foreign": {name: spec for name, spec in diagnostics.items() if name not in registry.of_data()},
        "attrs": attrs,
        "chunk": position.chunks[:-2],
        "certificates": {name: read(group, name) for name in guard.certificates(group)},
    }


def _read_training(group: zarr.Group, attrs: dict[str, Any]) -> Grid:
    swept = storage.dimensions(storage.array(group, "status"))[:-2]
    trained = guard.trained(group)
    return TrainingLayout(
        swept={name: tuple(read(group, name).tolist()) for name in swept},
        starts=tuple(read(group, "start").tolist()),
        seeds=tuple(read(group, "seed").tolist()),
        iteration=read(group, "iteration"),
        trained=trained,
        features=len(read(group, "feature")),
        width=len(read(group, "width")) if "width" in group else 0,
        problems={
            name: (storage.dimensions(storage.array(group, name)), read(group, name)) for name in guard.problems(group)
        },
        attrs=attrs,
        chunk=storage.array(group, trained[0]).chunks[: len(swept) + 3],
    )


_READERS = {
    Layout.form: _read_simulation,
    TrainingLayout.form: _read_training,
    TrajectoryLayout.form: _read_trajectory,
}


def read_initial(group: zarr.Group) -> NDArray[np.float64] | None:
    """Return the tokens that a run was given, ([seed,] token, component); None if they can be drawn again."""
    storage.check_threads(group.store)
    return read(group, "source/initial") if "source" in group else None


def read_failures(group: zarr.Group) -> dict[str, str]:
    """Return the reasons of failed members, by member key."""
    failures = group.attrs.get("failures", {})
    return {str(key): str(reason) for key, reason in failures.items()} if isinstance(failures, dict) else {}
