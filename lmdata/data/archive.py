"""Zip archives of exported datasets: one file to send, unpacked without trusting it."""

from __future__ import annotations

import math
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import zarr
from zarr.storage import LocalStore

from lmdata.data.store import guard
from lmdata.data.store.prevented import fetched, preventing
from lmdata.data.store.reading import strictly
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import GROUP, StoredAs, stored_as
from lmdata.errors import LmdataError, StoreError

FILES = 10**6
"""Most files that an archive may have."""
GROWTH = 20
"""An archive may unpack to so many times its size: chunks are compressed, and do not become much smaller in a zip."""
ROOM = 64 * 2**20
"""And to so much more: chunks that hold one number throughout do."""
METADATA_BYTES = 64 * 2**20
"""Most that the files may take together which say what is in an archive; a million seeds take 15 MB."""
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""How members may be packed; other methods may take much memory."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every packed file, so that equal folders give equal archives."""


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder: files in the order of their names, stored as they are."""
    with zipfile.ZipFile(archive, "x", zipfile.ZIP_STORED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            with path.open("rb") as source, packed.open(entry, "w") as target:
                shutil.copyfileobj(source, target)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive of a dataset into a new folder, once every member of it is checked.

    First the names of all members, and how much they claim; then the metadata, which is unpacked before anything
    else; then every other member against it: the rest is unpacked only if each is a chunk of a declared array,
    and no larger than that can be.

    Raises
    ------
    StoreError
        If it is no zip archive of a dataset, or a member is a link, lies outside, occurs twice, is encrypted, is no
        part of the dataset or too large for it, or if there is too much of it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            _check(members, archive)
            metadata, chunks = _parted(members)
            if sum(member.file_size for member in metadata) > METADATA_BYTES:
                raise StoreError(f"{archive} is not unpacked: its metadata takes more than {METADATA_BYTES} bytes")
            _extract(packed, metadata, folder)
            _check_chunks(chunks, _declared(folder, archive), archive)
            _extract(packed, chunks, folder)
    except LmdataError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError) as error:
        raise (preventing(error) or StoreError)(f"{archive} cannot be unpacked: {error}") from error


def _check(members: list[zipfile.ZipInfo], archive: Path) -> None:
    seen: set[str] = set()
    size = archive.stat().st_size
    claimed = sum(member.file_size for member in members)
    if len(members) > FILES or claimed > ROOM + GROWTH * size:
        raise StoreError(
            f"{archive} is not unpacked: it has {size} bytes and claims to hold {claimed}, more than {GROWTH} times as "
            "much; if you trust it, unpack it yourself and import the folder"
        )
    for member in members:
        name = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        outside = name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
        odd = member.flag_bits & 1 or member.compress_type not in METHODS
        if outside or kind not in (0, stat.S_IFREG) or member.filename in seen or odd:
            raise StoreError(
                f"{archive} is not unpacked: its member {member.filename!r} is a link, lies outside, is encrypted, "
                "is packed otherwise than by deflate or occurs twice"
            )
        seen.add(member.filename)


def _parted(members: list[zipfile.ZipInfo]) -> tuple[list[zipfile.ZipInfo], list[zipfile.ZipInfo]]:
    """Return the members that say what there is, and the others."""
    parts: tuple[list[zipfile.ZipInfo], list[zipfile.ZipInfo]] = [], []
    for member in members:
        parts[PurePosixPath(member.filename).name != GROUP].append(member)
    return parts


def _extract(packed: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Unpack members, each of which yields no more than it claims, or is refused as damaged."""
    for member in members:
        target = folder / member.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with packed.open(member) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink)


def _declared(folder: Path, archive: Path) -> dict[str, zarr.Array[Any]]:
    """Return the arrays that the metadata declares, by path, once it is checked.

    Raises
    ------
    StoreError
        If it is that of no dataset, or of one that is not read.
    """
    if not (folder / GROUP).is_file():
        raise StoreError(f"{archive} is not unpacked: it holds no dataset of lmdata (it has no {GROUP} at its top)")

    def opened() -> dict[str, zarr.Array[Any]]:
        with strictly():
            group = zarr.open_group(LocalStore(folder, read_only=True), mode="r", zarr_format=3)
            if stored_as(Place(folder)) is StoredAs.EXPORT:
                guard.check_group(group, str(archive))
            arrays = dict(_arrays(group))
        for path, array in arrays.items():
            guard.check_storage(array, path, str(archive))
        return arrays

    return fetched(opened, f"the metadata of {archive} cannot be read")


def _arrays(group: zarr.Group) -> Iterator[tuple[str, zarr.Array[Any]]]:
    for path, node in group.members(max_depth=2):
        if isinstance(node, zarr.Array):
            yield path, node


def _check_chunks(members: list[zipfile.ZipInfo], arrays: dict[str, zarr.Array[Any]], archive: Path) -> None:
    """Check that members are chunks of declared arrays, and no larger than these can be."""
    for member in members:
        path, _, key = member.filename.rpartition("/c")
        array = arrays.get(path)
        if array is None or not _has(array, f"c{key}"):
            raise StoreError(f"{archive} is not unpacked: its member {member.filename!r} is no part of a dataset")
        raw = math.prod(array.chunks) * array.dtype.itemsize
        if member.file_size > (most := raw + raw // 128 + 1024):  # what compressors add where they cannot compress
            raise StoreError(
                f"{archive} is not unpacked: its member {member.filename!r} claims {member.file_size} bytes, and a "
                f"chunk of {path} takes {most} at most"
            )


def _has(array: zarr.Array[Any], key: str) -> bool:
    """Return whether this is the key of a chunk that an array has."""
    numbers = [int(part) for part in key.split("/")[1:] if part.isdecimal()]
    inside = len(numbers) == array.ndim and all(map(int.__lt__, numbers, array.cdata_shape))
    metadata: Any = array.metadata
    return inside and key == metadata.encode_chunk_key(tuple(numbers))
