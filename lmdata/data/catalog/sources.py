"""Which catalogue files there are: those that ship, the user's own, those taken in, and those of other packages."""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmdata import plugins
from lmdata.data.catalog.cache import ANOTHER_CACHE
from lmdata.data.catalog.file import read_catalog
from lmdata.data.store.durable import write_whole
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.storage import Place, writing
from lmdata.errors import CatalogError, CatalogWarning, PluginWarning, UnknownName

INCLUDED_FILE = "included.json"
"""The paths of the catalogue files that were taken in, in the cache folder."""


def shipped_files() -> list[Path]:
    """Return the catalogue files that ship: inside the installed package, or beside it in a working copy."""
    package = Path(__file__).parents[2]
    inside = sorted((package / "catalogs").glob("*.yaml"))
    return inside or sorted((package.parent / "catalogs").glob("*.yaml"))


@functools.cache
def plugin_files() -> dict[str, Path]:
    """Return the catalogue files of other packages, by the name of their entry point.

    Warns
    -----
    PluginWarning
        For one that cannot be read; it is left out.
    """
    found = {}
    for name, place in plugins.load_all("catalogs", {}).items():
        try:
            file = Path(os.fspath(place))
            read_catalog(file)
        except (CatalogError, TypeError) as error:
            plugins.reject("catalogs", name, str(error))
        else:
            found[name] = file
    return found


def included_files(cache: Path) -> list[Path]:
    """Return the catalogue files that were taken in.

    Warns
    -----
    PluginWarning
        For one that is no longer there; it is left out.
    CatalogWarning
        If the list of them cannot be read; all are left out.
    """
    try:
        paths = [Path(path) for path in _read(cache / INCLUDED_FILE)]
    except CatalogError as error:
        warnings.warn(f"{error}; until then they are left out", CatalogWarning, stacklevel=4)
        return []
    for path in paths:
        if not path.is_file():
            warnings.warn(
                f"the catalogue file {path} was taken in and is gone; put it back, or lmdata catalog exclude {path}",
                PluginWarning,
                stacklevel=4,
            )
    return [path for path in paths if path.is_file()]


def include(cache: Path, file: Path) -> None:
    """Take a catalogue file in. Parameters and errors as for `lmdata.data.catalog.catalog.Catalog.include`."""
    read_catalog(file)
    with _changing(cache) as paths:
        if str(file.resolve()) not in paths:
            paths.append(str(file.resolve()))


def exclude(cache: Path, file: Path) -> None:
    """Leave a catalogue file out again."""
    with _changing(cache) as paths:
        if str(file.resolve()) not in paths:
            raise UnknownName.among("catalogue file taken in", str(file.resolve()), paths)
        paths.remove(str(file.resolve()))


@contextmanager
def _changing(cache: Path) -> Iterator[list[str]]:
    """Yield the paths taken in, and keep what they have become."""
    record = cache / INCLUDED_FILE
    with writing(Place(cache), ANOTHER_CACHE):
        cache.mkdir(parents=True, exist_ok=True)
        with WriterLock(record.with_suffix(".lock"), wait=True):
            paths = _read(record)
            yield paths
            write_whole(record, json.dumps(paths, indent=1).encode(), alone=True, durable=True)


def _read(record: Path) -> list[str]:
    """Return the paths that a record of files taken in holds.

    Raises
    ------
    CatalogError
        If it cannot be read.
    """
    try:
        paths = json.loads(record.read_text(encoding="utf-8")) if record.exists() else []
    except (OSError, ValueError, RecursionError) as error:
        paths, wrong = None, f": {error}"
    else:
        wrong = ""
    if not isinstance(paths, list) or not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise CatalogError(f"{record} does not list the catalogue files that were taken in{wrong}; mend or remove it")
    return paths
