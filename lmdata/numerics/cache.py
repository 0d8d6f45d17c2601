"""Where compiled code is kept on disk: numba's cache is pickled code, which is run as it is read.

It is therefore read from folders and files alone that nobody else can write to. What cannot be read, or be written,
is compiled anew: a cache never stops a computation.
"""

from __future__ import annotations

import functools
import glob
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core import caching

logger = logging.getLogger(__name__)


@functools.cache
def private(folder: Path) -> bool:
    """Return whether only this user, and root, can write to a folder, and put another in its place.

    Examples
    --------
    >>> private(Path("/tmp/folders/of/nobody"))  # in a folder that others can write to, and put there first
    False
    """
    if os.name != "posix":  # there, the user's own folders are private unless somebody opens them
        return True
    here = folder.absolute()
    if not here.exists():
        parent = next(parent for parent in here.parents if parent.exists())
        return _unshared(parent, sticky=False) and private(parent)
    return _unshared(here, sticky=False) and all(_unshared(parent, sticky=True) for parent in here.resolve().parents)


def _unshared(path: Path, *, sticky: bool) -> bool:
    """Return whether only this user and root can write to a path; in a ``sticky`` folder, to their own files in it."""
    try:
        status = path.stat()
    except OSError:
        return False
    if status.st_uid not in (os.getuid(), 0):
        return False
    if sticky and status.st_mode & stat.S_ISVTX:
        return True
    if status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or status.st_gid == 0 or _of_one(status.st_gid)


@functools.cache
def _of_one(group: int) -> bool:
    """Return whether a group is this user's own: of the same name, and with nobody else in it."""
    import grp
    import pwd

    try:
        user, own = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return own.gr_name == user and set(own.gr_mem) <= {user}


class Kept(caching.FunctionCache):
    """What numba keeps of one function: in its usual folder if that is private, else in the user's own, else nowhere.

    Parameters
    ----------
    function
        What is compiled.
    stamp
        What its code is made of; code that was made of something else is not taken.

    Raises
    ------
    RuntimeError
        If there is no folder.
    """

    def __init__(self, function: Callable[..., Any], stamp: str) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        folder = Path(self._cache_path)
        if not private(folder):
            own = caching.UserWideCacheLocator.from_function(function, function.__code__.co_filename)
            moved = Path(own.get_cache_path()) if own is not None else None
            _tell(folder, moved)
            if moved is None or not private(moved):
                raise RuntimeError(f"others can write to the cache in {folder}")
            self._impl._locator, self._cache_path = own, str(moved)
        self._spoilt = False
        self._cache_file = caching.IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a signature, or None."""
        try:
            if os.name == "posix" and not all(_unshared(file, sticky=False) for file in self._files()):
                logger.warning("others can write to files of the cache in %s; they are not read", self._cache_path)
                self._spoilt = True
                return None
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception as error:  # damaged, cut, of another version: whatever a pickle may raise
            logger.info("what is kept of %s cannot be read: %s", self._name, error)
            self._spoilt = True
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature, if it can be written."""
        try:
            if self._spoilt:  # numba would read it again before it adds to it
                for file in self._files():
                    file.unlink(missing_ok=True)
                self._spoilt = False
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
        except OSError as error:
            logger.info("%s is not kept: %s", self._name, error)

    def _files(self) -> list[Path]:
        return [*Path(self._cache_path).glob(f"{glob.escape(self._impl.filename_base)}.*")]


@functools.cache
def _tell(folder: Path, moved: Path | None) -> None:
    instead = f"it is kept in {moved}" if moved is not None and private(moved) else "it is compiled in each process"
    logger.warning(
        "others can write to %s, and compiled code that is kept there could be theirs: %s instead. Take their right "
        "away (chmod go-w), or set NUMBA_CACHE_DIR to a folder of your own",
        folder,
        instead,
    )
