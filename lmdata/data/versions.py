"""Versions: published states of a run store by name, and stores that an earlier lmdata wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import icechunk
import zarr

from lmdata.data import registry
from lmdata.data.store import storage
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.reading import Stored
from lmdata.data.store.storage import Place, writing
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, IncompleteDataset, InvalidInput, RecipeMismatch, StoreExists

MIGRATIONS: Mapping[int, Callable[[zarr.Group], None]] = {}
"""For each earlier schema, what changes the root group of a store into one of the next. Schema 1 is the first."""


def publish_version(location: str | os.PathLike[str], version: str) -> None:
    """Give the present state of a complete run store a name that stays: it is never changed and never collected.

    Parameters
    ----------
    location
        A run store that nobody writes to; every number of it is verified first.
    version
        ``v1``, ``v2``, ...

    Raises
    ------
    IncompleteDataset, CorruptDataset
        If members are missing, or anything is not what was written.
    StoreExists
        If there is such a version already.
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it cannot be written.
    """
    if not (version.startswith("v") and version[1:].isdecimal()):
        raise InvalidInput(f"version is {version!r}; a version is named v1, v2, ...")
    place = Place.of(location)
    if place.folder is None:
        _publish(place, version)
        return
    if (place.folder / "zarr.json").is_file():
        raise InvalidInput(f"{place} is plain zarr, which has one version: publish another folder instead")
    storage.open_repository(place)
    with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):
        _publish(place, version)


def _publish(place: Place, version: str) -> None:
    source = Stored.open(place)
    if source.session is None or not source.members.complete.all():
        raise IncompleteDataset(f"{place} is incomplete; finish it with `lmdata resume {place}` before publishing")
    repository = storage.open_repository(place)
    if version in repository.list_tags():
        raise StoreExists(f"{place} has a version {version} already: versions never change")
    report = verify(str(place))
    if not report.ok:
        raise CorruptDataset(str(report))
    with writing(place, storage.AGAIN):
        repository.create_tag(version, source.session.snapshot_id)


def migrate_store(location: str | os.PathLike[str]) -> None:
    """Bring a run store of an earlier schema to the present one, in one commit; its numbers stay as they are.

    Raises
    ------
    RecipeMismatch
        If there is no way from its schema to the present one.
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it cannot be written; it is then as it was.
    """
    place = Place.of(location)
    repository = storage.open_repository(place)
    if place.folder is None:
        _migrate(repository, place)
        return
    with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):
        _migrate(repository, place)


def _migrate(repository: icechunk.Repository, place: Place) -> None:
    session = repository.writable_session("main")
    group = zarr.open_group(session.store, mode="r+", zarr_format=3)
    schema = group.attrs.get("lmdata_schema")
    if schema == registry.SCHEMA:
        return
    while schema != registry.SCHEMA:
        if not isinstance(schema, int) or schema not in MIGRATIONS:
            raise RecipeMismatch(f"{place} has schema {schema!r}; there is no way from it to schema {registry.SCHEMA}")
        MIGRATIONS[schema](group)
        schema += 1
        group.attrs["lmdata_schema"] = schema
    session.commit(f"migrate to schema {schema}")
