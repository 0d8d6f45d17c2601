"""The writer's lock: a kernel lock on a file, which dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import weakref
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from lmdata.errors import StoreLocked

logger = logging.getLogger(__name__)

_held: weakref.WeakSet[WriterLock] = weakref.WeakSet()


class WriterLock:
    """An exclusive ``flock`` on ``path``, held from construction to `release` or the end of a ``with``.

    The kernel frees it when the process ends, however it ends. The file says who holds it. A child made by
    ``fork`` closes its copy, so that a worker that outlives its parent does not keep the lock.

    Parameters
    ----------
    path
        File of the lock; made if it is not there.
    wait
        Wait for another holder to finish, instead of raising.

    Raises
    ------
    StoreLocked
        If another process, or another writer in this one, holds it; the message names the holder.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> lock = WriterLock(pathlib.Path(tempfile.mkdtemp()) / "writer.lock")
    >>> lock.release()
    """

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        self.path = path
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.pread(self._descriptor, 4096, 0))
            if not wait:
                self._close()
                raise StoreLocked(
                    f"{path.parent} is being written by {holder}; wait for it to finish, or stop it and try again"
                ) from None
            logger.info("waiting for %s, which holds %s", holder, path)
            self._wait()
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        with contextlib.suppress(OSError):  # on a full disk it is locked all the same
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(note).encode(), 0)
        _held.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def _wait(self) -> None:
        assert self._descriptor is not None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._close()
            raise

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # a folder gone read-only must not keep the lock
                os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _describe(note: bytes) -> str:
    try:
        holder = json.loads(note)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _after_fork() -> None:
    for lock in list(_held):
        lock._close()


os.register_at_fork(after_in_child=_after_fork)
