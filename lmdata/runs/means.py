"""What a run is computed with, and where it is kept: nothing of it changes a bit of the result."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lmdata.errors import InvalidInput
from lmdata.runs.progress import Progress


@dataclass(frozen=True)
class Means:
    """Backend, store, scheduler, progress and proofs of a run, which are no part of its recipe.

    Parameters
    ----------
    backend, store, durable, scheduler, progress, certify
        As for `lmdata.simulate`.

    Raises
    ------
    InvalidInput
        If the store is no path, or there is none and something needs it, or ``certify`` is no truth value.

    Examples
    --------
    >>> Means(scheduler=4)
    Traceback (most recent call last):
    ...
    lmdata.errors.InvalidInput: scheduler is 4, and its workers need a store to write into; give store=PATH
    """

    backend: str = "auto"
    store: str | os.PathLike[str] | None = None
    durable: bool = False
    scheduler: int | str | None = None
    progress: Progress | bool | None = None
    certify: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.certify, bool):
            raise InvalidInput(f"certify is {self.certify!r}; it must be True or False")
        if self.store is not None:
            if not isinstance(self.store, str | os.PathLike) or not os.fspath(self.store):
                raise InvalidInput(f"store must be a path; got {self.store!r}")
        elif self.durable:
            raise InvalidInput("durable is True, and there is no store to be flushed to disk; give store=PATH")
        elif self.scheduler is not None:
            raise InvalidInput(
                f"scheduler is {self.scheduler!r}, and its workers need a store to write into; give store=PATH"
            )
