"""Making something whole or not at all: in a hidden folder beside its place, under a lock, and renamed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lmdata.data.store.lock import HELD, WriterLock
from lmdata.data.store.storage import LOCK_FILE
from lmdata.errors import StoreExists, StoreLocked

NOTE = ".moved"
"""Ending of a note in the hidden folder: which folder was moved beside the target."""
ENDING = ".building"
"""Ending of the hidden folder beside a target in which it is made."""


@contextmanager
def making(target: Path, *, beside: Sequence[Path] = (), replace: bool = False) -> Iterator[Path]:
    """Hold an empty folder beside a target, in which one process at a time makes what it then renames to the target.

    The folder, ``.NAME.building``, is removed at the end, whatever happens; what a killed process left in it is removed
    by the next that makes something at the same place, or writes to what was made.

    Parameters
    ----------
    target
        Where the result will be; the folders above it are made.
    beside
        Places that something is moved to before the target, which is then the last to appear: if it does not, they are
        taken back.
    replace
        Whether there may be something at the target.

    Raises
    ------
    StoreExists
        If there is something at the target, or beside it.
    StoreLocked
        If somebody else is making something there.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp(), "new")
    >>> with making(target) as folder:
    ...     (folder / "whole").mkdir()
    ...     move(folder / "whole", target)
    >>> [path.name for path in target.parent.iterdir()]
    ['new']
    """
    if not replace:
        refuse_taken(target)
    folder = _folder(target)
    lock = hold(folder)
    try:
        _take_back(folder, target, beside)
        _empty(folder)
        for place in () if replace else (target, *beside):
            refuse_taken(place)  # somebody may have made it just before this process got the lock
        yield folder
    finally:
        with suppress(OSError):  # the first error tells more; the next to come here tidies up
            _take_back(folder, target, beside)
            _empty(folder)
        lock.remove()
        with suppress(OSError):  # another process may have begun in it
            folder.rmdir()


def refuse_taken(target: Path) -> None:
    """Refuse a target that is taken.

    Raises
    ------
    StoreExists
        If there is something at it.
    """
    if os.path.lexists(target):
        clear(target)
        raise StoreExists(f"there is already something at {target}; choose another place, or remove it first")


def move_beside(whole: Path, place: Path) -> None:
    """Rename a folder to a place beside the target, within `making`; a note says that it came from there.

    Raises
    ------
    StoreExists
        If something appeared there meanwhile.
    """
    (whole.parent / f"{place.name}{NOTE}").write_text(_identity(whole))
    move(whole, place)


def _take_back(folder: Path, target: Path, beside: Sequence[Path]) -> None:
    """Take back what was moved beside a target that has not appeared, and nothing that others have put there."""
    for place in () if os.path.lexists(target) else beside:
        with suppress(FileNotFoundError):
            if (folder / f"{place.name}{NOTE}").read_text() == _identity(place):
                place.rename(folder / "taken-back")


def _identity(folder: Path) -> str:
    state = folder.lstat()
    return f"{state.st_dev} {state.st_ino} {state.st_mtime_ns}"


def move(whole: Path, target: Path) -> None:
    """Rename what is whole to its target.

    Raises
    ------
    StoreExists
        If something appeared there meanwhile.
    """
    try:
        whole.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise StoreExists(f"something appeared at {target} while it was made") from error
        raise


def clear(target: Path) -> None:
    """Remove what a process left beside the target that was killed just after it had made it."""
    if _folder(target).exists():
        with suppress(StoreExists, StoreLocked, OSError), making(target, replace=True):
            pass


def _folder(target: Path) -> Path:
    return target.parent / f".{target.name}{ENDING}"


def hold(folder: Path) -> WriterLock:
    """Hold the lock of a folder that is removed with it, and made if it is not there.

    Raises
    ------
    StoreLocked
        If somebody else holds it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # the last holder has removed the folder just now
            return WriterLock(folder / LOCK_FILE)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (LOCK_FILE, LOCK_FILE + HELD):
            path.unlink()
