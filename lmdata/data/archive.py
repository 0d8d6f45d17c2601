"""Zip archives of exported datasets: one file to send, unpacked without trusting it."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from lmdata.data.store.prevented import preventing
from lmdata.errors import StoreError

FILES = 10**6
"""Most files that an archive may have."""
GROWTH = 1000
"""An archive may unpack to so many times its size; a dataset's chunks are compressed before they are packed."""
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
    """Unpack an archive into a new folder, once every member of it is checked.

    Raises
    ------
    StoreError
        If it is no zip archive, or a member is a link, lies outside, occurs twice, is encrypted, or if there is too
        much of it.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            _check(members, archive)
            for member in members:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, target.open("xb") as sink:
                    shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError) as error:
        raise (preventing(error) or StoreError)(f"{archive} cannot be unpacked: {error}") from error


def _check(members: list[zipfile.ZipInfo], archive: Path) -> None:
    seen: set[str] = set()
    if len(members) > FILES or sum(member.file_size for member in members) > GROWTH * archive.stat().st_size:
        raise StoreError(f"{archive} is not unpacked: it claims to be far larger than it is")
    for member in members:
        name = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        outside = name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
        if outside or kind not in (0, stat.S_IFREG) or member.filename in seen or member.flag_bits & 1:
            raise StoreError(
                f"{archive} is not unpacked: its member {member.filename!r} is a link, lies outside, is encrypted "
                "or occurs twice"
            )
        seen.add(member.filename)
