"""The warnings that a thread is given: `warnings.catch_warnings` alone serves a process of one thread."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_lock = threading.Lock()
_listening: dict[int, dict[tuple[type[Warning], str], Warning | str]] = {}
_end = ExitStack()


@contextmanager
def listening() -> Iterator[list[Warning | str]]:
    """Keep the warnings of this thread back; the list that is yielded holds them at the end, none of them twice.

    The first thread that listens replaces what shows warnings, and the last one puts it back.

    Examples
    --------
    >>> with listening() as given:
    ...     warnings.warn("this is inaccurate")
    ...     warnings.warn("this is inaccurate")
    >>> given
    [UserWarning('this is inaccurate')]
    """
    given: list[Warning | str] = []
    thread = threading.get_ident()
    with _lock:
        if not _listening:
            _listen()
        _listening[thread] = {}
    try:
        yield given
    finally:
        with _lock:
            given.extend(_listening.pop(thread).values())
            if not _listening:
                _end.close()


def _listen() -> None:
    _end.enter_context(warnings.catch_warnings(action="always"))
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        mine = _listening.get(threading.get_ident())
        if mine is None:
            others(message, category, *where)
        else:
            mine.setdefault((category, str(message)), message)

    warnings.showwarning = show  # type: ignore[assignment]
