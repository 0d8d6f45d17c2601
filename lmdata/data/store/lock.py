"""The writer's lock: a kernel lock on a file, which dies with its holder; or, on request, a file of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from lmdata.errors import InvalidInput, StoreError, StoreLocked

try:
    import fcntl
except ImportError:  # Windows, where stores are read and not written
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

ABANDONED = b"abandoned"
"""In the file of a lock that nobody holds: a holder was killed, and nobody has tidied up since."""
HELD = ".held"
"""Ending of the file that is there while a lock is held, under ``LMDATA_LOCKS=file``."""
POLL_SECONDS = 0.1
"""How often a waiting process looks whether such a file has gone."""
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of ``flock`` where the file system has no locks: NFS without lockd, Lustre mounted without flock."""

_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()


class WriterLock:
    """An exclusive lock on ``path``, held from construction to `release` or the end of a ``with``.

    It is an ``flock``: the kernel frees it when the process ends, however it ends. The file says who holds it. A child
    made by ``fork`` closes its copy, so that a worker that outlives its parent does not keep the lock.

    Where the file system has no such locks, the environment variable ``LMDATA_LOCKS=file`` asks for a weaker kind: a
    file beside ``path``, ``.held``, that only one process can make. Nobody removes it for a process that was killed:
    the message says which file that is.

    Parameters
    ----------
    path
        File of the lock; made if it is not there.
    wait
        Wait for another holder to finish, instead of raising.

    Attributes
    ----------
    abandoned : bool
        Whether a holder before did not give it back, but was killed; the next holder is told so too, until one that has
        tidied up sets it to False.

    Raises
    ------
    StoreLocked
        If another process, or another writer in this one, holds it; the message names the holder.
    StoreError
        If the file cannot be made, or neither the file system nor Python has locks.
    InvalidInput
        If ``LMDATA_LOCKS`` is neither ``kernel`` nor ``file``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> lock = WriterLock(pathlib.Path(tempfile.mkdtemp()) / "writer.lock")
    >>> lock.release()
    """

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        self.path = path
        self._file = path.with_name(path.name + HELD) if _kind() == "file" else None
        descriptor = _lock(path, wait=wait) if self._file is None else _make(self._file, wait=wait)
        self._descriptor: int | None = descriptor
        self.abandoned = os.fstat(descriptor).st_size > 0
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        with contextlib.suppress(OSError):  # on a full disk it is locked all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(note).encode(), 0)
        _held.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a folder gone read-only must not keep the lock
                mark = ABANDONED if self.abandoned else b""
                os.pwrite(self._descriptor, mark, 0)
                os.ftruncate(self._descriptor, len(mark))
                if self._file is not None:
                    self._file.unlink()
            self._close()

    def moved(self, path: Path) -> None:
        """Take note that the folder of the lock was renamed, with the lock in it."""
        self.path = path
        if self._file is not None:
            self._file = path.with_name(self._file.name)

    def remove(self) -> None:
        """Give the lock back and remove its file: who waits for it sees that it is gone, and makes another."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            self.release()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(path: Path, *, wait: bool) -> int:
    """Lock the file that is at the path once it is locked: a holder may remove it while others wait for it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            _flock(descriptor, path, wait=wait)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _flock(descriptor: int, path: Path, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        holder = _describe(os.pread(descriptor, 4096, 0))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise StoreError(
            f"the file system of {path.parent} has no locks (flock: {error.strerror}), without which two writers "
            "would spoil a store; choose a place on a local disk (for the cache: set LMDATA_CACHE), or, if the file "
            "system makes files exclusively (NFS, Lustre), set LMDATA_LOCKS=file for all who write there"
        ) from error
    if not wait:
        raise StoreLocked(
            f"{path.parent} is being written by {holder}; wait for it to finish, or stop it and try again"
        )
    logger.info("waiting for %s, which holds %s", holder, path)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _make(file: Path, *, wait: bool) -> int:
    """Make the file that only one process can make."""
    while True:
        try:
            return os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            holder = "another process"
            with contextlib.suppress(OSError):
                holder = _describe(file.read_bytes())
        if not wait:
            raise StoreLocked(
                f"{file.parent} is being written by {holder}; wait for it to finish, or, if that process is gone, "
                f"remove {file}"
            )
        time.sleep(POLL_SECONDS)


def _kind() -> str:
    """Return the kind of locks that is asked for.

    Raises
    ------
    InvalidInput
        If it is none.
    StoreError
        If this system has none of them.
    """
    kind = os.environ.get("LMDATA_LOCKS", "kernel")
    if kind not in ("kernel", "file"):
        raise InvalidInput(f"LMDATA_LOCKS is {kind!r}; it is kernel (the default) or file")
    if fcntl is None:
        raise StoreError(
            f"lmdata writes stores on Linux, macOS and other POSIX systems: Python has no locks (fcntl) on "
            f"{sys.platform}. There lmdata reads, and simulates in memory (without store=); to write, use the Windows "
            "Subsystem for Linux"
        )
    return kind


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def holder_of(path: Path) -> str | None:
    """Return who holds a lock, for a message; None where nobody does, as far as can be told without taking it.

    Parameters
    ----------
    path
        File of the lock.
    """
    try:
        note = path.read_bytes()[:4096]
        holder = json.loads(note)
        if holder["host"] == socket.gethostname():
            os.kill(holder["pid"], 0)  # whether there is such a process: its lock died with it
    except PermissionError:  # there is, of somebody else
        pass
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return _describe(note)


def _describe(note: bytes) -> str:
    try:
        holder = json.loads(note)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _after_fork() -> None:
    for lock in list(_held):
        lock._close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
