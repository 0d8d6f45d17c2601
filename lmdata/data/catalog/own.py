"""The user's own catalogue: a file in the cache folder, and the data that the cache holds for its entries.

The file alone decides what there is. What is new is made in a hidden folder, moved to its place, and then entered; what
is removed is first struck out. A process that is killed in between leaves the hidden folder, which tells the next
change where to look for data that no entry names.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lmdata.data.catalog.cache import ANOTHER_CACHE, DATASETS
from lmdata.data.catalog.file import Entry, read_catalog, write_catalog
from lmdata.data.store.durable import sync_entry
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.making import ENDING, making, move
from lmdata.data.store.storage import Place, writing
from lmdata.errors import CatalogError, StoreError, StoreExists

FILE = "catalog.yaml"
"""The user's catalogue, in the cache folder."""
ADDED, DERIVED = "added", "derived"
"""Folders of what was copied into the cache, and of what was computed into it."""
AGAIN = "~"
"""What is computed again is kept beside what it replaces until it is entered: ``NAME~1f2e3d4c``."""


class OwnCatalog:
    """The user's own catalogue in a cache folder.

    Parameters
    ----------
    cache
        The folder; made with the first entry.

    Examples
    --------
    >>> import tempfile
    >>> own = OwnCatalog(Path(tempfile.mkdtemp()))
    >>> with own.changing() as entries:
    ...     entries["two"] = Entry(title="Two tokens", driver="recipe", recipe={"steps": 3})
    >>> list(own.read())
    ['two']
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.file = cache / FILE

    def read(self) -> dict[str, Entry]:
        """Return the entries.

        Raises
        ------
        CatalogError
            If the file cannot be read or is no catalogue.
        """
        if not os.path.lexists(self.file):
            return {}
        try:
            return read_catalog(self.file)
        except CatalogError as error:
            raise CatalogError(f"{error}; mend it or move it away: until then nothing is added or removed") from error

    @contextmanager
    def changing(self) -> Iterator[dict[str, Entry]]:
        """Hold the catalogue's lock, give the entries to be changed, and write them at the end if nothing was raised.

        Raises
        ------
        CatalogError
            If the file cannot be read, or what is to be written could not be read again.
        StoreError
            If it cannot be written.
        """
        with writing(Place(self.cache), ANOTHER_CACHE):
            self.cache.mkdir(parents=True, exist_ok=True)
            with WriterLock(self.file.with_suffix(".lock"), wait=True):
                before = self.read()
                entries = dict(before)
                yield entries
                if entries != before:
                    write_catalog(self.file, entries)
                self._sweep()

    @contextmanager
    def making(self, path: str) -> Iterator[Path]:
        """Hold the place of data in the cache, and a hidden folder beside it to make it in; one process at a time.

        At the end, data at the place that no entry names is removed.

        Raises
        ------
        StoreLocked
            If somebody else makes or removes data there.
        StoreError
            If it cannot be written.
        """
        place = self.cache / path
        with writing(Place(self.cache), ANOTHER_CACHE), making(place, replace=True) as folder:
            try:
                yield folder
            finally:
                with suppress(CatalogError):  # then nobody knows what is named
                    self._discard(place, folder)

    def put(self, whole: Path, path: str) -> None:
        """Move data to its place, within `making` and `changing`.

        Raises
        ------
        StoreExists
            If an entry names what is there.
        """
        place = self.cache / path
        if path in self._named():
            raise StoreExists(f"there is already something at {place}, which an entry names; choose another name")
        self._discard(place, whole.parent)
        move(whole, place)
        sync_entry(place)

    def holds(self, path: str) -> bool:
        """Return whether a path is one that the cache itself gives to data."""
        parts = PurePosixPath(path).parts
        return len(parts) == 2 and parts[0] in (ADDED, DERIVED)

    def _named(self) -> set[str]:
        """Return the places that entries name, as paths in the cache."""
        entries = self.read().values()
        paths = [path for entry in entries for path in (entry.path, *(old.path for old in entry.earlier.values()))]
        return {str(PurePosixPath(path)) for path in paths if path is not None}

    def _discard(self, place: Path, folder: Path) -> None:
        """Move data of a name that no entry names into the hidden folder, with which it is removed."""
        named = self._named()
        for left in (place, *place.parent.glob(f"{glob.escape(place.name)}{AGAIN}*")):
            if os.path.lexists(left) and left.relative_to(self.cache).as_posix() not in named:
                left.rename(folder / f"left-{left.name}")

    def _sweep(self) -> None:
        """Remove what killed processes left; what others make at this moment is locked."""
        for parent in (ADDED, DERIVED, DATASETS):
            for folder in (self.cache / parent).glob(f".*{ENDING}"):
                name = folder.name.removeprefix(".").removesuffix(ENDING)
                with suppress(StoreError), self.making(f"{parent}/{name}"):
                    pass
