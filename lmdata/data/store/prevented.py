"""What the libraries raise, and what it means: damaged data, or a machine, rights or a network that prevent reading it.

The one place where this is decided. Damage is what is left when nothing else prevented it: a file that is missing or
cut, a checksum that differs. A machine without file descriptors says nothing of the data.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import icechunk
from zarr.errors import ZarrUserWarning

from lmdata.errors import AccessDenied, CorruptDataset, LmdataError, MachineFailed, NotReachable, Prevented, StoreError

UNREADABLE = (
    *(ValueError, KeyError, TypeError, RuntimeError, OSError, MemoryError),
    *(icechunk.IcechunkError, ZarrUserWarning),
)
"""What the libraries raise where they cannot read."""
DAMAGE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.EEXIST, errno.ENOTEMPTY}
    | {errno.ENAMETOOLONG}
)
"""Errors of the system that are about the file: it is missing, or is something else."""
RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
NETWORK = frozenset(
    {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EPIPE, errno.ENOTCONN}
    | {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
)
OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")
"""How Rust writes an error of the system."""
OF_THE_BUCKET = re.compile(r"service error: unhandled error \((\w+)\)")
"""How icechunk writes what a bucket answered."""
CREDENTIALS = re.compile(
    r"credential|Token|AccessKey|AccessDenied|Signature|Forbidden|Unauthorized|RequestTimeTooSkewed|AccountProblem"
)
"""What stands in an answer where rights are missing."""
CONNECTION = re.compile(r"dispatch failure|timeout|timed out|connection closed|dns error|streaming error|a body from")
"""What stands in an error of icechunk where the connection failed."""
CUT = re.compile(r"streaming error|a body from")
"""What stands there where an answer was cut: icechunk tries everything again itself, but for some of these."""
AGAIN_SECONDS = 0.1
"""Pause before what was cut is read again."""
NO_THREAD = "can't start new thread"

REMEDIES = {
    MachineFailed: "close what else is open, make room or look at the disk, then try again: this is no damage",
    AccessDenied: "get the rights, or new credentials, then try again: this is no damage",
    NotReachable: "look at the network and the address, then try again: this is no damage",
}


def summary(error: BaseException) -> str:
    """Return the first line of a library's error, which may go on with a trace of its own."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def preventing(error: BaseException) -> type[Prevented] | None:
    """Return what kind of error of the machine, of rights or of the network this is; None for anything else.

    Examples
    --------
    >>> preventing(OSError(24, "Too many open files")).__name__
    'MachineFailed'
    >>> preventing(FileNotFoundError(2, "No such file or directory")) is None
    True
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, Prevented):
            return type(link)
        if found := _own(link):
            return found
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return None


def _own(error: BaseException) -> type[Prevented] | None:
    """Return what an error is by itself, whatever it came from."""
    text = summary(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_THREAD in text):
        return MachineFailed
    if isinstance(error, OSError) and error.errno is not None:
        return _of_number(error.errno)
    if not isinstance(error, icechunk.IcechunkError):
        return None
    if number := OF_THE_SYSTEM.search(text):
        return _of_number(int(number[1]))
    if answer := OF_THE_BUCKET.search(text):
        if answer[1] == "InvalidRange":  # the object is shorter than it was
            return None
        return AccessDenied if CREDENTIALS.search(answer[1]) else NotReachable
    if CONNECTION.search(text):
        return AccessDenied if CREDENTIALS.search(text) else NotReachable
    return None


def _of_number(number: int) -> type[Prevented] | None:
    if number in DAMAGE:
        return None
    if number in RIGHTS:
        return AccessDenied
    return NotReachable if number in NETWORK else MachineFailed


def unreadable(error: Exception, what: str, damaged: str = "") -> StoreError:
    """Return the error to be raised where something cannot be read: what prevented it, or that it is damaged.

    Parameters
    ----------
    error
        Of a library.
    what
        What could not be done.
    damaged
        What else is to be said if it is damaged.

    Examples
    --------
    >>> unreadable(ValueError("checksums differ"), "position cannot be read")
    CorruptDataset('position cannot be read: checksums differ')
    """
    if kind := preventing(error):
        return kind(f"{what}: {summary(error)}; {REMEDIES[kind]}")
    if getattr(error, "kind", None) == icechunk.ErrorKind.UNSUPPORTED_SPEC_VERSION:
        return StoreError(f"{what} by icechunk {icechunk.__version__}: {summary(error)}")
    return CorruptDataset(f"{what}: {summary(error)}" + (f"; {damaged}" if damaged else ""))


def was_cut(error: Exception) -> bool:
    """Return whether an answer of a bucket was cut on the way: what was asked for may be asked for again."""
    return isinstance(error, icechunk.IcechunkError) and CUT.search(summary(error)) is not None


def fetched[T](read: Callable[[], T], what: str, *, damaged: str = "") -> T:
    """Return what ``read`` returns; an answer that was cut on the way is asked for once more.

    Parameters
    ----------
    read
        Reads it; called again where the answer was cut.
    what, damaged
        Of `unreadable`.

    Raises
    ------
    CorruptDataset
        If it is damaged or missing.
    Prevented
        If the machine, rights or the network prevent reading it.
    StoreError
        If a newer icechunk wrote it.
    """
    for again in (True, False):
        try:
            return read()
        except LmdataError:
            raise
        except UNREADABLE as error:
            found = unreadable(error, what, damaged)
            if not (again and was_cut(error)):
                raise found from error
        time.sleep(AGAIN_SECONDS)
    raise AssertionError("not reached")


@contextmanager
def looking(what: str | os.PathLike[str]) -> Iterator[None]:
    """Say what prevented it where files are looked at; what is no error of that kind passes as it is."""
    try:
        yield
    except LmdataError:
        raise
    except (OSError, MemoryError, icechunk.IcechunkError) as error:
        if preventing(error):
            raise unreadable(error, f"{os.fspath(what)} cannot be read") from error
        raise
