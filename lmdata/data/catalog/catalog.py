"""The catalogue: datasets by name, built from their recipes when they are first opened, and checked."""

from __future__ import annotations

import os
import secrets
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from pydantic import ValidationError

from lmdata import plugins
from lmdata.data.catalog import sources
from lmdata.data.catalog.cache import Build, Cache, Progress, cache_folder
from lmdata.data.catalog.citing import cite_dataset, cite_paper
from lmdata.data.catalog.export import export_catalog
from lmdata.data.catalog.file import Driver, Entry, checked_entry, read_catalog, resolve
from lmdata.data.catalog.mistakes import explain
from lmdata.data.catalog.own import ADDED, AGAIN, DERIVED, OwnCatalog
from lmdata.data.catalog.sources import included_files, plugin_files, shipped_files
from lmdata.data.derived import save_derived, stale
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.durable import sync_files
from lmdata.data.verify import Problem, Report, verify
from lmdata.errors import CatalogError, CatalogWarning, CorruptDataset, StaleDataset, UnknownName
from lmdata.markup import table
from lmdata.numerics.checks import as_path
from lmdata.wording import counted


@dataclass(frozen=True)
class _Listed:
    """An entry and the file that lists it."""

    file: Path
    entry: Entry


class Catalog(Mapping[str, Entry]):
    """A mapping of names to entries: catalogues that ship, the user's own, files taken in, and other packages'.

    Nothing is read before it is asked for, and other packages are not asked for a name that is found without them.
    Where two files have the same name, the first of this order wins. A file
    that cannot be read is left out with a warning.

    Parameters
    ----------
    build
        Makes a run store from a recipe: ``build(recipe, location, progress)``. It goes on with a store that an
        interrupted build left at the location.
    files
        Catalogue files; without them, those that ship, those taken in, and those of other packages.
    cache
        Folder for built datasets and for the user's own entries; without it, ``LMDATA_CACHE`` or the user's
        cache folder.
    show
        Returns the catalogue as an HTML table, for notebooks; without it, names and titles are shown.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> catalog = Catalog(lambda recipe, location, progress: None, files=(), cache=Path(tempfile.mkdtemp()))
    >>> list(catalog)
    []
    """

    def __init__(
        self,
        build: Build,
        *,
        files: Sequence[Path] | None = None,
        cache: Path | None = None,
        show: Callable[[Catalog], str] | None = None,
    ) -> None:
        self._build = build
        self._show = show
        self._files = files
        self._cache = cache
        self._read: dict[Path, tuple[tuple[int, int, int], dict[str, Entry]]] = {}

    @property
    def cache(self) -> Path:
        """Folder of built datasets."""
        return self._cache or cache_folder()

    def __getitem__(self, name: str) -> Entry:
        return self._find(name).entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._listed())

    def __len__(self) -> int:
        return len(self._listed())

    def __contains__(self, name: object) -> bool:
        return name in self._near() or name in self._listed()

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, or the default if there is none of this name."""
        return dict(self).get(name, default)

    def __repr__(self) -> str:
        return f"Catalog of {counted(len(self), 'dataset')}: {', '.join(self)}"

    def _repr_html_(self) -> str:
        if self._show is not None:
            return self._show(self)
        return table([(name, entry.title) for name, entry in self.items()], ("name", "title"))

    def list(self) -> list[str]:
        """Return the names of all datasets."""
        return [*self._listed()]

    def search(self, text: str) -> Sequence[str]:
        """Return the names of the entries in which every word of the text occurs, upper or lower case."""
        words = text.casefold().split()
        found = []
        for name, listed in self._listed().items():
            entry = listed.entry
            parts = (name, entry.title, entry.description, entry.paper, entry.citation, entry.claim, *entry.tags)
            everything = " ".join(filter(None, parts)).casefold()
            if all(word in everything for word in words):
                found.append(name)
        return found

    def info(self, name: str) -> dict[str, Any]:
        """Return all about an entry as plain values, with the file that lists it and where its data is, if it is.

        Raises
        ------
        UnknownName
            If there is no such entry; the message suggests the nearest.
        """
        listed = self._find(name)
        place = self._place(listed)
        return {
            "name": name.partition("@")[0],
            **listed.entry.model_dump(mode="json", exclude_none=True),
            "catalogue": str(listed.file),
            "location": str(place),
            "there": place.exists(),
        }

    def cite(self, *names: str) -> str:
        """Return BibTeX for datasets: of each the paper whose claim it shows, and the dataset itself.

        It needs no network: titles and authors of papers come with lmdata.

        Parameters
        ----------
        names
            Of entries, or ``name@v2`` for that version; a paper that several are about is given once.

        Raises
        ------
        UnknownName
            If there is no such entry or version; the message suggests the nearest.

        Examples
        --------
        >>> import lmdata
        >>> print(lmdata.catalog.cite("localmax-square", "localmax-ball").count("@misc"))
        3
        """
        cited: dict[str, None] = {}
        for name in names:
            listed = self._find(name)
            if listed.entry.paper:
                cited.setdefault(cite_paper(listed.entry.paper))
            own = cite_dataset(name.partition("@")[0], listed.entry, shipped=listed.file in shipped_files())
            cited.setdefault(own)
        return "\n\n".join(cited)

    def open(
        self, name: str, *, allow_partial: bool = False, chunked: bool = True, progress: Progress = None
    ) -> xr.Dataset:
        """Open a dataset lazily; build it first if it is a recipe that is not in the cache yet.

        Parameters
        ----------
        name
            Of an entry, or ``name@v2`` for that version of it.
        allow_partial, chunked
            As for `lmdata.data.opening.open_dataset`.
        progress
            Passed on to the builder.

        Raises
        ------
        UnknownName
            If there is no such entry or version.
        CorruptDataset
            If the data's digest is not the catalogue's: it is not served.
        StoreError
            If it cannot be built or read.

        Warns
        -----
        StaleDataset
            If it was derived from a dataset that has changed since; the attribute ``stale`` says how.
        """
        listed = self._find(name)
        place = self._obtain(name, listed, progress)
        dataset = open_dataset(place, allow_partial=allow_partial, chunked=chunked, version=listed.entry.tag)
        _check_digest(name, listed.entry, dataset, place)
        dataset.attrs["catalogue_name"] = name
        self._warn_if_stale(name, listed.entry, dataset)
        return dataset

    def check(self, name: str, *, full: bool = True, progress: Progress = None) -> Report:
        """Verify a dataset, built first if it is not there, and compare its digest with the catalogue's.

        Parameters
        ----------
        name
            As for `open`.
        full
            Read every number; otherwise only the bookkeeping.
        progress
            Passed on to the builder.

        Raises
        ------
        UnknownName, StoreError
            As for `open`; a digest that differs is a problem of the report.
        """
        listed = self._find(name)
        place = self._obtain(name, listed, progress)
        report = verify(place, full=full, version=listed.entry.tag)
        try:
            found = open_dataset(place, allow_partial=True, version=listed.entry.tag)
            _check_digest(name, listed.entry, found, place)
        except CorruptDataset as error:
            problems = (*report.problems, Problem("unreadable", name, str(error)))
            report = Report(**{**vars(report), "problems": problems})
        return report

    def copy(self, name: str, target: str | os.PathLike[str]) -> None:
        """Write a dataset, built first if it is not there, as plain zarr that has the digest of its entry.

        Parameters
        ----------
        name
            As for `open`.
        target
            As for `lmdata.data.export.export_zarr`.

        Raises
        ------
        UnknownName, StoreError
            As for `open`, and if it cannot be written.
        """
        self.open(name)
        listed = self._find(name)
        export_zarr(self._place(listed), target, version=listed.entry.tag, digest=listed.entry.digest)

    def add(
        self, name: str, location: str | os.PathLike[str] | Mapping[str, Any], *, title: str, **fields: Any
    ) -> Entry:
        """Add an entry to the user's own catalogue.

        Parameters
        ----------
        name
            Lower-case letters, digits, ``.``, ``_`` and ``-``; not yet taken.
        location
            A recipe; or a complete store, which is verified and copied into the cache.
        title, fields
            Fields of the entry: description, paper, citation, claim, measure, result, tolerance, tags, version,
            digest.

        Raises
        ------
        CatalogError
            If the name is taken or a field is not valid.
        StoreError
            If the store is incomplete, damaged or cannot be copied.
        """
        if isinstance(location, Mapping):
            entry = _entry(name, title=title, driver=Driver.recipe, recipe=dict(location), **fields)
            with self._own.changing() as entries:
                self._refuse_taken(name, entries)
                entries[name] = entry
            return entry
        self._refuse_taken(name, {})
        path = f"{ADDED}/{name}"
        digest = open_dataset(location).attrs["digest"]
        entry = _entry(name, title=title, driver=Driver.zarr, path=path, **{"digest": digest, **fields})
        with self._own.making(path) as folder:
            export_zarr(location, folder / "data", digest=digest)
            sync_files(folder / "data", set())
            with self._own.changing() as entries:
                self._refuse_taken(name, entries)
                self._own.put(folder / "data", path)
                entries[name] = entry
        return entry

    def save(
        self,
        name: str,
        dataset: xr.Dataset,
        *,
        source: xr.Dataset,
        made_by: str,
        parameters: Mapping[str, Any] | None = None,
        title: str,
        **fields: Any,
    ) -> Entry:
        """Compute a derived dataset into the cache, chunk by chunk, and enter it in the user's own catalogue.

        A derived dataset of the same name is replaced.

        Parameters
        ----------
        name
            Of the new entry.
        dataset, source, made_by, parameters
            As for `lmdata.data.derived.save_derived`.
        title, fields
            Fields of the entry, as for `add`.

        Raises
        ------
        CatalogError
            If the name belongs to a dataset that is not derived, or a field is not valid.
        InvalidInput, StoreError
            If the dataset cannot be stored.
        """
        self._refuse_not_derived(name, {})
        origin = source.attrs.get("catalogue_name") or source.encoding.get("source") or "memory"
        path = f"{DERIVED}/{name}"
        entry = _entry(name, title=title, driver=Driver.zarr, path=path, derived_from=str(origin), **fields)
        with self._own.making(path) as folder:
            fresh = folder / "data"
            save_derived(dataset, fresh, source=source, made_by=made_by, parameters=parameters, durable=True)
            digest = open_dataset(fresh).attrs["digest"]
            with self._own.changing() as entries:
                self._refuse_not_derived(name, entries)
                if name in entries:  # readers of the one that is replaced, and a loss of power, find it where it is
                    path = f"{path}{AGAIN}{secrets.token_hex(4)}"
                self._own.put(fresh, path)
                entries[name] = entry.model_copy(update={"digest": digest, "path": path})
                entry = entries[name]
        return entry

    def remove(self, name: str) -> None:
        """Remove an entry of the user's own catalogue, and the data that the cache holds for it alone.

        Data that the cache has not made stays where it is.

        Raises
        ------
        UnknownName
            If the user's own catalogue has no such entry.
        CatalogError
            If the catalogue cannot be read.
        StoreError
            If it cannot be written, or the data is being written.
        """
        entry = self._own.read().get(name)
        held = self._held(entry) if entry is not None else None
        with self._own.making(held) if held is not None else nullcontext(), self._own.changing() as entries:
            if name not in entries:
                raise UnknownName.among("dataset in your own catalogue", name, entries)
            del entries[name]

    def _held(self, entry: Entry) -> str | None:
        """Return where the cache holds data for an entry, for it alone: a path in the cache; None if it does not."""
        if entry.recipe is None:
            return str(entry.path).partition(AGAIN)[0] if self._own.holds(str(entry.path)) else None
        place = Cache(self.cache, self._build).place(entry.recipe)
        alone = sum(listed.entry.recipe == entry.recipe for listed in self._listed().values()) < 2
        return place.relative_to(self.cache).as_posix() if alone and place.exists() else None

    def _refuse_taken(self, name: str, own: Mapping[str, Entry]) -> None:
        if name in own or name in self:
            raise CatalogError(f"the catalogue has a dataset {name!r} already; choose another name")

    def _refuse_not_derived(self, name: str, own: Mapping[str, Entry]) -> None:
        known = own.get(name) or self.get(name)
        if known is not None and known.derived_from is None:
            raise CatalogError(f"the catalogue has a dataset {name!r} that is not derived; choose another name")

    def include(self, file: str | os.PathLike[str]) -> None:
        """Take a catalogue file in: its datasets have names here, and wherever the cache folder is the same.

        Parameters
        ----------
        file
            YAML of the form of `lmdata.data.catalog.file`. Data that it has a path to lies below its folder.

        Raises
        ------
        CatalogError
            If it cannot be read, is no catalogue, or has the name of a dataset that there is; the message says which.
        """
        place = as_path(file, "file").resolve()
        for name in read_catalog(place):
            known = self._listed().get(name)
            if known is not None and known.file != place:
                raise CatalogError(f"{place} names a dataset {name!r}, as {known.file} does; give it another name")
        sources.include(self.cache, place)

    def exclude(self, file: str | os.PathLike[str]) -> None:
        """Leave out a catalogue file that was taken in; what was built of it stays in the cache.

        Raises
        ------
        UnknownName
            If it was not taken in.
        """
        sources.exclude(self.cache, as_path(file, "file"))

    def export(self, target: str | os.PathLike[str], *, format: str, names: Sequence[str] | None = None) -> None:  # noqa: A002
        """Write datasets as plain zarr beside a catalogue file that intake, or a STAC browser, reads.

        Parameters
        ----------
        target
            The catalogue file, which ends in ``.yaml`` (intake) or ``.json`` (STAC); the data goes into the folder of
            the same name without the ending. Both appear when everything is written.
        format
            ``intake`` or ``stac``.
        names
            Datasets to write; without it, those that are built already: no recipe is computed.
        """
        entries = {name: self[name] for name in (self._built() if names is None else names)}
        export_catalog(entries, self.copy, as_path(target, "target"), format=format)

    def _built(self) -> Sequence[str]:
        """Return the names of the datasets whose data is there."""
        return [name for name, listed in self._listed().items() if self._place(listed).exists()]

    def _listed(self) -> dict[str, _Listed]:
        """Return every entry; earlier files win."""
        found = self._near()
        for plugin, file in (plugin_files() if self._files is None else {}).items():
            for name, entry in self._entries_of(file).items():
                if found.setdefault(name, _Listed(file, entry)).file != file:
                    plugins.reject("catalogs", plugin, f"{found[name].file} has the name {name!r} too; it is left out")
        return found

    def _near(self) -> dict[str, _Listed]:
        """Return every entry but those of other packages; earlier files win."""
        found: dict[str, _Listed] = {}
        files = [*(shipped_files() if self._files is None else self._files), self._own.file]
        for file in [*files, *(included_files(self.cache) if self._files is None else ())]:
            for name, entry in self._entries_of(file).items():
                found.setdefault(name, _Listed(file, entry))
        return found

    def _entries_of(self, file: Path) -> dict[str, Entry]:
        """Return what a file lists, read again when the file has changed; nothing, with a warning, if it is broken."""
        try:
            state = file.stat()
        except OSError as error:
            if file == self._own.file and isinstance(error, FileNotFoundError | NotADirectoryError):
                return {}
            stamp, wrong = (0, 0, 0), f"{file} cannot be read as a catalogue: {error}"
        else:
            stamp, wrong = (state.st_mtime_ns, state.st_size, state.st_ino), ""
        known = self._read.get(file)
        if known is None or known[0] != stamp:
            entries: dict[str, Entry] = {}
            try:
                if not wrong:
                    entries = read_catalog(file)
            except CatalogError as error:
                wrong = str(error)
            known = self._read[file] = (stamp, entries)
            if wrong:
                warnings.warn(f"{wrong}; its datasets are left out until it is mended", CatalogWarning, stacklevel=2)
        return known[1]

    @property
    def _own(self) -> OwnCatalog:
        return OwnCatalog(self.cache)

    def _find(self, name: str) -> _Listed:
        plain, _, version = name.partition("@")
        listed = self._near()
        if plain not in listed:
            listed = self._listed()
        if plain not in listed:
            raise UnknownName.among("dataset", plain, listed)
        found = listed[plain]
        versions = {f"v{number}": number for number in (*sorted(found.entry.earlier), found.entry.version)}
        if version and version not in versions:
            raise UnknownName.among(f"version of dataset {plain!r}", version, versions)
        return _Listed(found.file, found.entry.at(versions[version])) if version else found

    def _place(self, listed: _Listed) -> Path:
        entry = listed.entry
        if entry.recipe is not None:
            return Cache(self.cache, self._build).place(entry.recipe)
        return resolve(listed.file, str(entry.path))

    def _obtain(self, name: str, listed: _Listed, progress: Progress) -> Path:
        entry = listed.entry
        if entry.recipe is None:
            return self._place(listed)

        def check(place: Path) -> None:
            _check_digest(name, entry, open_dataset(place), place)

        return Cache(self.cache, self._build).obtain(entry.recipe, check, progress)

    def _warn_if_stale(self, name: str, entry: Entry, derived: xr.Dataset) -> None:
        """Warn if what a derived dataset was computed from is at hand, and has changed since."""
        if entry.derived_from is None or entry.derived_from.partition("@")[0] not in self:
            return
        source = self._find(entry.derived_from)
        place = self._place(source)
        if not place.exists():
            return
        why = stale(derived, open_dataset(place, allow_partial=True, version=source.entry.tag))
        if why is not None:
            derived.attrs["stale"] = why
            message = f"dataset {name!r} was derived from {entry.derived_from!r} and is stale: {why}; derive it again"
            warnings.warn(message, StaleDataset, stacklevel=3)


def _entry(name: str, **fields: Any) -> Entry:
    try:
        return checked_entry(name, fields)
    except ValidationError as error:
        raise CatalogError(f"what was to be added is not valid: {explain(error)}") from error


def _check_digest(name: str, entry: Entry, dataset: xr.Dataset, place: Path) -> None:
    found = dataset.attrs.get("digest")
    if entry.digest is not None and found != entry.digest:
        raise CorruptDataset(
            f"dataset {name!r} has the digest {found}, the catalogue has {entry.digest}: its recipe or the "
            f"mathematics was changed, or the data; it is not served. It is at {place}: remove it to build it anew"
        )
