"""The process that uses run stores: icechunk's threads do not survive a fork, and who waits for them waits for ever."""

from __future__ import annotations

import os
import sys
from functools import cache

from lmdata.errors import StoreError


def check_process() -> None:
    """Refuse to use run stores in a child made by fork, if its parent has used one.

    Called before everything that asks icechunk. Plain zarr (exports, derived datasets) works in such a child.

    Raises
    ------
    StoreError
        If this process was forked from one that had used a run store; the message says how to start children.

    Examples
    --------
    >>> check_process()
    """
    if _first() != os.getpid():
        raise StoreError(
            f"forked: process {os.getpid()} was forked from process {_first()}, which had used a run store; the "
            "threads that read and write stores do not survive a fork. Use spawn or forkserver: "
            "multiprocessing.get_context('spawn'), DataLoader(multiprocessing_context='spawn'); or read a plain zarr "
            "export, which forked children can"
        )


@cache
def _first() -> int:
    """Return the process that was the first to use a store: this one, or one that it was forked from."""
    return os.getpid()


def _forget_threads() -> None:
    """Let dask make its threads anew: it waits for those of the parent, before any store could refuse."""
    threaded = sys.modules.get("dask.threaded")
    if threaded is not None:
        vars(threaded)["default_pool"] = None
        vars(threaded)["pools"].clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_threads)
