"""How this package compiles a function: numba, cached on disk, free of the interpreter lock."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from functools import cache, wraps
from pathlib import Path
from typing import Any, cast

import numba

from lmdata.errors import BackendUnavailable
from lmdata.numerics.cache import Kept

logger = logging.getLogger(__name__)


@cache
def _sources() -> str:
    """Return a digest of all files of this package that have compiled functions.

    What numba keeps on disk holds the functions that a function calls, or has within it, from whatever file; numba
    itself looks at the file of the outermost one alone, and would go on with their old code.
    """
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        text = file.read_bytes()
        if b"compiled" in text:
            digest.update(text)
    return digest.hexdigest()


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes the place of a function that is not compiled: run by Python it could give other numbers."""

    @wraps(function)
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise BackendUnavailable(
            f"{function.__module__}.{function.__qualname__} needs numba's compiler, which NUMBA_DISABLE_JIT switches "
            "off: unset it before Python is started; backend='numpy:canonical' simulates localmax without it"
        )

    return refuse


def compiled[F: Callable[..., Any]](
    *, relaxed: Iterable[str] = (), inline: bool = False, no_refcount: bool = False
) -> Callable[[F], F]:
    """Return a decorator that compiles a function on its first call and keeps the result on disk.

    Where neither the package nor the user's cache can be written, or others can write to both, nothing is kept: the
    first call of each process then takes as long as the very first (`lmdata.numerics.cache`).

    Arithmetic stays as IEEE 754 defines it and in the order written: no fused multiply-add, no reassociation.
    A function whose result cannot depend on such freedom (a maximum, an exact sum) may name it in
    ``relaxed``.

    Parameters
    ----------
    relaxed : iterable of str, optional
        Freedoms of LLVM's floating-point instructions for this function alone, such as ``"reassoc"``.
    inline : bool, default False
        Write the function into its callers, for what is small or called from one place: that compiles faster.
    no_refcount : bool, default False
        Count no references to arrays, for a function that makes none: counting is atomic, so that threads that share
        arrays would wait for each other.

    Examples
    --------
    >>> from lmdata.numerics.compiled import compiled
    >>> callable(compiled(relaxed=("nnan", "nsz")))
    True
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": not no_refcount}
    if relaxed:
        options["fastmath"] = set(relaxed)
    if inline:
        options["inline"] = "always"

    def compile_later(function: F) -> F:
        if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
            return cast("F", _refusing(function))
        dispatcher = numba.njit(**options)(function)
        try:
            dispatcher._cache = Kept(function, _sources())
        except RuntimeError as error:
            logger.info("%s is compiled anew in each process: %s", function.__qualname__, error)
        return cast("F", dispatcher)

    return compile_later
