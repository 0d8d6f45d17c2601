"""Plain zarr v3 out of a run store, and back: for programs that read zarr and know nothing of icechunk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import zarr
from zarr.storage import LocalStore

from lmdata.data.archive import pack, unpack
from lmdata.data.opening import open_dataset
from lmdata.data.store import guard, storage
from lmdata.data.store.creation import create_folder, create_remote, declare
from lmdata.data.store.making import making, move, refuse_taken
from lmdata.data.store.reading import Stored, read
from lmdata.data.store.storage import Place, writing
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, IncompleteDataset, InvalidInput
from lmdata.numerics.checks import as_path

ZIP = ".zip"


def export_zarr(
    location: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    version: str | None = None,
    digest: str | None = None,
) -> None:
    """Write a complete dataset as a plain zarr v3 folder with consolidated metadata.

    The copy has the same variables, chunks, checksums and digests; it is read back and verified before it appears.

    Parameters
    ----------
    location
        A run store, a derived dataset, or another export.
    target
        A folder that does not exist; if it ends in ``.zip``, an archive of it.
    version
        A published version of a run store (``v1``); the last commit without it.
    digest
        What the digest of the copy has to be, if it is known.

    Raises
    ------
    StoreExists
        If there is something at the target.
    IncompleteDataset
        If members are missing or failed.
    CorruptDataset
        If the dataset is damaged, or has another digest; nothing is left at the target.
    UnknownName
        If it has no such version.
    StoreError
        If the target cannot be written.
    """
    write = _writer(Place.of(location), version)
    folder = Place.local(target)
    refuse_taken(folder)
    with writing(Place(folder), storage.ELSEWHERE), making(folder) as building:
        whole = building / "store"
        write(whole)
        report = verify(whole)
        if not report.ok:
            raise CorruptDataset(f"the export is not the dataset that was written:\n{report}")
        written = open_dataset(whole).attrs["digest"]
        if digest not in (None, written):
            raise CorruptDataset(f"{location} has the digest {written} and not {digest}: it is not exported")
        if folder.suffix == ZIP:
            archive = building / "archive"
            pack(whole, archive)
            whole = archive
        move(whole, folder)


def import_zarr(location: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Make a run store of a plain zarr export, member by member.

    Parameters
    ----------
    location
        An export, or a zip archive of one; it is verified first.
    target
        Where the store will be: a path with nothing at it, or an ``s3://`` address.

    Raises
    ------
    StoreExists, CorruptDataset, IncompleteDataset, StoreError
        As for `export_zarr`.
    """
    if Path(location).suffix == ZIP:
        location = as_path(location, "location")
        with tempfile.TemporaryDirectory() as folder:
            unpack(Path(location), Path(folder))
            import_zarr(folder, target)
        return
    source = _complete(Place.of(location))
    report = verify(location)
    if not report.ok:
        raise CorruptDataset(str(report))
    place = Place.of(target)
    if place.folder is None:
        create_remote(place, partial(_copy, source))
    else:
        create_folder(place.folder, partial(_copy, source)).release()


def _writer(place: Place, version: str | None) -> Callable[[Path], object]:
    """Return what writes a plain copy of a dataset into a new folder."""
    if stored_as(place, version) is StoredAs.DERIVED:
        folder = Place.local(str(place))
        guard.check_links(folder)
        return partial(shutil.copytree, folder)
    source = _complete(place, version)

    def write(folder: Path) -> None:
        _copy(source, zarr.create_group(LocalStore(folder), zarr_format=3))
        storage.consolidate(folder)

    return write


def _complete(place: Place, version: str | None = None) -> Stored:
    if stored_as(place, version) is StoredAs.DERIVED:
        raise InvalidInput(f"{place} is a derived dataset, which is plain zarr and no run: copy its folder")
    source = Stored.open(place, tag=version)
    if not source.members.complete.all():
        raise IncompleteDataset(f"{place} is incomplete; finish it with `lmdata resume {place}`, then copy it")
    return source


def _copy(source: Stored, group: zarr.Group) -> None:
    """Write all of a dataset into an empty group, a storage chunk at a time."""
    layout = source.layout
    initial = read(source.group, "source/initial") if "source" in source.group else None
    declare(group, layout, initial)
    source.members.write(group)
    group.attrs["digest"] = source.group.attrs["digest"]
    for name in layout.written:
        target = storage.array(group, name)
        for block in layout.blocks():
            window, first = layout.window(block), 0
            for part in source.frames(block, name):
                region = (*window, slice(first, first + part.shape[1]))
                target[region] = part.reshape(*(s.stop - s.start for s in window), *part.shape[1:])
                first += part.shape[1]
