"""The process that uses run stores: icechunk's threads do not survive a fork, and who waits for them waits for ever.

icechunk starts them when it is imported, which happens together with the import of this module.
"""

from __future__ import annotations

import os
import sys

from lmdata.errors import StoreError

PROCESS = os.getpid()
"""The process that has the threads: this one, or one that it was forked from."""


def check_process() -> None:
    """Refuse to use run stores in a child made by fork, if its parent had loaded what reads and writes them.

    Called before everything that asks icechunk. Plain zarr (exports, derived datasets) works in such a child.

    Raises
    ------
    StoreError
        If this process was forked from one that had used a run store; the message says how to start children.

    Examples
    --------
    >>> check_process()
    """
    if os.getpid() != PROCESS:
        raise StoreError(
            f"forked: process {os.getpid()} was forked from process {PROCESS}, which had loaded run stores (icechunk); "
            "the threads that read and write them do not survive a fork. Use spawn or forkserver: "
            "multiprocessing.get_context('spawn'), DataLoader(multiprocessing_context='spawn'); or read a plain zarr "
            "export, which forked children can"
        )


def _forget_threads() -> None:
    """Let dask make its threads anew: it waits for those of the parent, before any store could refuse."""
    threaded = sys.modules.get("dask.threaded")
    if threaded is not None:
        vars(threaded)["default_pool"] = None
        vars(threaded)["pools"].clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_threads)
