"""Versions: published states of a run store by name, and stores that an earlier lmdata wrote."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import partial

import icechunk
import zarr

from lmdata.data import registry
from lmdata.data.store import storage
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.prevented import fetched
from lmdata.data.store.reading import Stored
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.stored_as import is_plain
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, IncompleteDataset, InvalidInput, RecipeMismatch, StoreExists

NAME = re.compile("v[0-9]+")
"""Name of a version."""
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


def published(location: str | os.PathLike[str]) -> dict[str, str]:
    """Return the digest of each published version of a run store, by its name, the first version first.

    Raises
    ------
    InvalidInput
        If it is plain zarr, which has one version.
    FileNotFoundError, StoreError, CorruptDataset
        If it is no run store, or a version of it cannot be read.
    """
    place = Place.of(location)
    _refuse_plain(place, "which has one version, and no name for it")
    repository = storage.open_repository(place)

    def digest(version: str) -> str:
        group = zarr.open_group(repository.readonly_session(tag=version).store, mode="r", zarr_format=3)
        return str(group.attrs["digest"])

    names = fetched(repository.list_tags, f"the versions of {place} cannot be read")
    ours = sorted((name for name in names if NAME.fullmatch(name)), key=lambda name: int(name[1:]))
    return {name: fetched(partial(digest, name), f"{name} of {place} cannot be read") for name in ours}


def migrate_store(location: str | os.PathLike[str]) -> None:
    """Bring a run store of an earlier schema to the present one, in one commit; its numbers stay as they are.

    Raises
    ------
    InvalidInput
        If it is plain zarr.
    RecipeMismatch
        If there is no way from its schema to the present one.
    CorruptDataset
        If its metadata cannot be read.
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it cannot be written; it is then as it was.
    """
    place = Place.of(location)
    _refuse_plain(place, "which is not changed: export it again from the run store that it is a copy of")
    repository = storage.open_repository(place)
    if place.folder is None:
        _migrate(repository, place)
        return
    with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):
        _migrate(repository, place)


def _migrate(repository: icechunk.Repository, place: Place) -> None:
    def opened() -> tuple[icechunk.Session, zarr.Group]:
        session = repository.writable_session("main")
        return session, zarr.open_group(session.store, mode="r+", zarr_format=3)

    session, group = fetched(opened, f"the last commit at {place} cannot be read")
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


def _refuse_plain(place: Place, why: str) -> None:
    if is_plain(place):
        raise InvalidInput(f"{place} is plain zarr, {why}")
