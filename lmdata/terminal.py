"""What is printed to a terminal: no text that came from elsewhere can steer it.

Labels, titles, attributes and reasons of failures may come from a file of somebody else. A terminal obeys escape
sequences in them, and bidirectional controls show one thing and mean another. Whatever lmdata prints, errors
included, goes through `printable`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""C0 but for the newline, DEL, C1, bidirectional marks and controls, other line ends, and what is no character."""


def printable(text: str) -> str:
    r"""Return a text in which what would steer a terminal stands as its code; newlines stay.

    Examples
    --------
    >>> printable("film\x1b[31m\u202e\n") == "film\\x1b[31m\\u202e\n"
    True
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


class ReaderGone(BrokenPipeError):  # noqa: N818
    """Whoever read what is printed, through a pipe, has closed it: seen enough, as ``head`` has."""


class _Escaping:
    """A stream that writes only what is `printable`, in the letters that its encoding has."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        encoding = self.raw.encoding or "utf-8"
        with _noticing():
            self.raw.write(printable(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with _noticing():
            self.raw.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.raw, name)


@contextmanager
def _noticing() -> Iterator[None]:
    """Tell a broken pipe of what is printed from one of a socket, or of a worker."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone(*error.args) from error


@contextmanager
def escaped() -> Iterator[None]:
    """Escape all that is written to standard output and standard error meanwhile, warnings among it."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", _Escaping(stream)) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def raw(stream: TextIO) -> TextIO:
    """Return the stream below one that is `escaped`, for what draws with control sequences of its own."""
    return stream.raw if isinstance(stream, _Escaping) else stream
