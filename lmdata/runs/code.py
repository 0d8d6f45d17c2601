"""What decides the bits of a run beside its recipe: the source that computes them, and the versions below it."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmdata.runs.provenance import modules_of

ROOMS = ("numerics", "dynamics", "runs")
"""Rooms of lmdata whose source decides bits."""
SOURCE = (".py", ".cu")
BELOW = ("lmdata", "numpy", "numba", "llvmlite", "scipy")
"""Packages whose versions decide bits."""


@dataclass(frozen=True)
class Code:
    """What decides the bits of a run where it is computed.

    Parameters
    ----------
    modules
        Of other packages: those that the model and the tokens come from.
    files
        SHA-256 of each source file, by its name.
    versions
        Of the packages below, and of Python.
    """

    modules: tuple[str, ...]
    files: Mapping[str, str]
    versions: Mapping[str, str]

    @classmethod
    def here(cls, *parts: Any) -> Code:
        """Return the code of this process that computes a model and tokens.

        Examples
        --------
        >>> import lmdata
        >>> code = Code.here(lmdata.Localmax(), lmdata.tokens.uniform(4, 2))
        >>> code.modules, "lmdata/dynamics/kernels/canonical.py" in code.files
        ((), True)
        """
        return _code(tuple(sorted(modules_of(*parts))))

    def difference(self, other: Code) -> str:
        """Say in what another code differs from this one; nothing if both give the same bits.

        Examples
        --------
        >>> one = Code((), {}, {"numpy": "2.5.0"})
        >>> one.difference(Code((), {}, {"numpy": "2.4.0"}))
        'it has numpy 2.4.0 instead of 2.5.0'
        """
        for name, version in self.versions.items():
            if (there := other.versions.get(name)) != version:
                return f"it has {name} {there or '(none)'} instead of {version}"
        for name in sorted({*self.files, *other.files}):
            if name not in other.files:
                return f"it lacks {name}"
            if name not in self.files:
                return f"it has {name}, which is not here"
            if self.files[name] != other.files[name]:
                return f"its {name} is another, though its version is the same"
        return ""


def difference_here(code: Code, since: float) -> str:
    """Say in what this process would compute other bits than one with that code; nothing if it would not.

    Parameters
    ----------
    code
        Of the process that asks.
    since
        When this process was started, in seconds since 1970: what was changed later, it may not have read.
    """
    if difference := code.difference(_code(code.modules)):
        return difference
    if changed := _changed(code.modules, since):
        return f"its {changed} was changed after it was started"
    return ""


@functools.lru_cache(maxsize=8)
def _code(modules: tuple[str, ...]) -> Code:
    files = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in _files(modules)}
    versions = {name: importlib.metadata.version(name) for name in BELOW}
    versions["Python"] = ".".join(map(str, sys.version_info[:2]))
    return Code(modules, files, versions)


def _changed(modules: tuple[str, ...], since: float) -> str:
    """Return the name of a source file that was changed later, or nothing."""
    return next((name for name, file in _files(modules) if file.stat().st_mtime > since), "")


def _files(modules: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the source files of lmdata that decide bits, and all of the packages that other modules are of."""
    package = Path(__file__).parents[1]
    for room in ROOMS:
        yield from _below(package / room, package.parent)
    for top in sorted({module.partition(".")[0] for module in modules} - {*BELOW}):
        spec = importlib.util.find_spec(top)
        folders = spec.submodule_search_locations if spec is not None else None
        for folder in folders or ():
            yield from _below(Path(folder), Path(folder).parent)
        if spec is not None and not folders and spec.origin is not None and Path(spec.origin).is_file():
            yield Path(spec.origin).name, Path(spec.origin)


def _below(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        if file.suffix in SOURCE:
            yield file.relative_to(root).as_posix(), file
