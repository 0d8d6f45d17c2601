"""Making a run store: the whole grid is declared in one transaction, and the place has all of it or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data.grid import Grid
from lmdata.data.store import storage
from lmdata.data.store.durable import sync_entry, sync_files
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.making import making, move, refuse_taken
from lmdata.data.store.reading import Bookkeeping
from lmdata.data.store.storage import Place, writing
from lmdata.errors import StoreError, StoreExists

if TYPE_CHECKING:
    import xarray as xr

Fill = Callable[[zarr.Group], None]
"""What writes the first contents of a store into its root group."""


def create_folder(target: Path, fill: Fill, *, durable: bool = False) -> WriterLock:
    """Make a store under a temporary name, rename it once its first commit is done, and hold its lock.

    Raises
    ------
    StoreExists
        If there is something at the target.
    StoreLocked
        If somebody else is making a store there.
    StoreError
        If the target is inside another dataset, or it cannot be written.
    """
    with writing(Place(target), storage.ELSEWHERE):
        refuse_taken(target)
        _refuse_inside(target)
        fresh = [target, *(parent for parent in target.parents if not parent.exists())]
        with making(target) as building:
            whole = building / "store"
            _create(Place(whole), fill)
            lock = WriterLock(whole / storage.LOCK_FILE)
            try:
                if durable:
                    sync_files(whole, set())
                move(whole, target)
                lock.moved(target / storage.LOCK_FILE)
                if durable:
                    for entry in fresh:
                        sync_entry(entry)
            except BaseException:
                lock.release()
                raise
    return lock


def _refuse_inside(target: Path) -> None:
    """Refuse to make a store among the files of another dataset, with which it would be copied, or removed."""
    for parent in target.resolve().parents:
        if (parent / "zarr.json").exists() or ((parent / "repo").is_file() and (parent / "snapshots").is_dir()):
            raise StoreError(f"{target} is inside the dataset at {parent}; choose a place that is in no other dataset")


def create_remote(place: Place, fill: Fill) -> None:
    """Make a store in a bucket; there is no lock, and whoever commits first wins.

    A repository without any commit is gone on with: whoever made it was stopped, or loses.

    Raises
    ------
    StoreExists
        If there is something at the place.
    StoreError
        If it cannot be written.
    """
    with writing(place, storage.ELSEWHERE):
        try:
            repository = storage.create_repository(place)
        except (icechunk.AlreadyExistsError, icechunk.InvalidInputError) as error:
            repository = _unfinished(place, error)
        try:
            _fill(repository, fill)
        except icechunk.ConflictError as error:
            raise _exists(place) from error


def _unfinished(place: Place, error: Exception) -> icechunk.Repository:
    """Return what another creation left that was stopped, if that is all there is, as an empty repository."""
    try:
        repository = icechunk.Repository.open(place.storage())
        if storage.is_empty(repository):
            return repository
    except icechunk.RepositoryNotFoundError:
        if storage.are_remains(place):
            with suppress(icechunk.AlreadyExistsError):  # another made one just now
                return storage.create_repository(place, among_remains=True)
    raise _exists(place) from error


def _exists(place: Place) -> StoreExists:
    return StoreExists(f"there is already something at {place}; choose another place, or resume or open it")


def declare(group: zarr.Group, layout: Grid, initial: NDArray[Any] | None) -> None:
    """Declare the grid of a dataset, all members absent, and keep the tokens that it starts from."""
    storage.declare(group, layout)
    Bookkeeping.empty(layout).write(group)
    if initial is not None:
        tokens = np.ascontiguousarray(initial, dtype=np.float64)
        dims = ("seed", "token", "component")[3 - tokens.ndim :]
        source = group.create_group("source")
        storage.create_array(source, "initial", dims, tokens.shape, tokens.shape, tokens.dtype)[...] = tokens


def create_whole(location: str | os.PathLike[str], layout: Grid, dataset: xr.Dataset) -> None:
    """Make a store of a whole dataset in memory, in one transaction: all of it is there, or nothing.

    Raises
    ------
    StoreExists, StoreLocked, StoreError
        As for `create_folder`.
    """

    def fill(group: zarr.Group) -> None:
        declare(group, layout, None)
        Bookkeeping(*(dataset[name].values for name in ("status", "digest", "steps_done"))).write(group)
        group.attrs["digest"] = dataset.attrs["digest"]
        for name in layout.written:
            storage.array(group, name, missing=True)[...] = dataset[name].values

    place = Place.of(location)
    if place.folder is None:
        create_remote(place, fill)
    else:
        create_folder(place.folder, fill).release()


def _create(place: Place, fill: Fill) -> None:
    _fill(storage.create_repository(place), fill)


def _fill(repository: icechunk.Repository, fill: Fill) -> None:
    session = repository.writable_session("main")
    fill(zarr.create_group(session.store, zarr_format=3))
    session.commit("create")
