"""Datasets by name or path: the catalogue and its builder, opening, verifying, repairing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmdata.data.catalog.catalog import Catalog
from lmdata.data.catalog.file import load_yaml
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.reading import Stored
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.data.verify import Report
from lmdata.data.verify import verify as verify_store
from lmdata.errors import CatalogError, IncompleteDataset, InvalidInput, StoreError, UnknownName
from lmdata.numerics.checks import as_path
from lmdata.runs import extending, road
from lmdata.runs.means import Means
from lmdata.runs.progress import Progress
from lmdata.runs.recomputing import checked_count, recomputed
from lmdata.runs.simulation import SIMULATION
from lmdata.sensitivity.atlas import made
from lmdata.sensitivity.recipe import AtlasRecipe

if TYPE_CHECKING:
    import xarray

    from lmdata.models.recipe import TextRecipe

VERSIONED = re.compile(r"(.+)@(v[0-9]+)", re.DOTALL)
"""A path and the version of what is there."""


def run_specification(specification: Mapping[str, Any], means: Means) -> xarray.Dataset:
    """Run a recipe given as plain values, whichever kind of run it is.

    Parameters
    ----------
    specification : mapping
        Of a simulation (see `lmdata.runs.recipe.Recipe`), of a training run (``model: {kind: selection, ...}``), of
        texts through a trained model (``model: {kind: transformer, ...}``, see `lmdata.models.recipe.TextRecipe`), or
        of an atlas (``lmdata_atlas: 1``, see `lmdata.sensitivity.recipe.AtlasRecipe`).
    means : Means
        Where and with what.

    Raises
    ------
    InvalidInput
        As for `lmdata.simulate`.
    """
    return _read(specification)(means)


def _read(specification: Mapping[str, Any]) -> Callable[[Means], xarray.Dataset]:
    """Read a recipe, whichever kind of run it is of; return what runs it."""
    if isinstance(specification, Mapping) and "lmdata_atlas" in specification:
        return partial(_run_atlas, AtlasRecipe.from_specification(specification))
    if _model_kind(specification) == "transformer":
        from lmdata.models.recipe import TextRecipe

        recipe = TextRecipe.from_specification(specification)
        return lambda means: recipe.make(means.store)
    kind = _kind_of(specification)
    return partial(road.run, kind, kind.read(specification))


def _run_atlas(recipe: AtlasRecipe, means: Means) -> xarray.Dataset:
    """Make an atlas with what of the means it has a use for."""
    if means.certify:
        raise InvalidInput("certify is True, and an atlas is proved anyhow; leave it out")
    progress = means.progress if callable(means.progress) else None
    return made(recipe, store=means.store, scheduler=means.scheduler, progress=progress)


def _model_kind(specification: Any) -> Any:
    """Return what a specification calls the kind of its model."""
    model = specification.get("model") if isinstance(specification, Mapping) else None
    return model.get("kind") if isinstance(model, Mapping) else None


def _kind_of(specification: Any) -> road.Kind[Any]:
    """Return the kind of run that a specification is of."""
    if _model_kind(specification) == "selection":
        from lmdata.selection.runs import TRAINING

        return TRAINING
    return SIMULATION


def resume(
    store: str | os.PathLike[str],
    *,
    backend: str = "auto",
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Compute the members that a stored run still lacks, and return the dataset.

    Finished members are never computed again; the final digests equal those of an uninterrupted run.
    A finished store is opened as it is.

    Parameters
    ----------
    store : path or address
        The store of a run that `lmdata.simulate` or `lmdata.selection.train` began.
    backend, durable, scheduler, progress
        As in `lmdata.simulate`; each may be another than the run was begun with.

    Returns
    -------
    xarray.Dataset
        Lazy, as `lmdata.open` returns it.

    Raises
    ------
    RecipeMismatch
        If the store's recipe cannot be run by this version of lmdata.
    ClusterLost, Interrupted
        As in `lmdata.simulate`.
    StoreLocked
        If another process is writing to the store.
    UnknownName
        If its model or tokens are of a package that is not installed; the message says which.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     started = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.resume(f"{folder}/run").equals(started)
    True
    """
    return road.resume(_kind_of, Means(backend, store, durable, scheduler, progress))


def extend(
    store: str | os.PathLike[str],
    *,
    seeds: Sequence[int] | None = None,
    sweep: Mapping[str, Sequence[float]] | None = None,
    backend: str = "auto",
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Widen a stored run by more seeds, or more values of what it sweeps, and compute the members that are new.

    The result has the recipe, the digest and the bits of the run made wide at once, since a member depends on its own
    values alone. Members that are there stay as they are, and so do published versions. Everything is checked before
    the store is changed; if the process is stopped after that, `resume` goes on, and before that, `extend`.

    Parameters
    ----------
    store : path or address
        The store of a run, finished or not.
    seeds : sequence of int, optional
        All seeds of the wider run: those that are there, in their order, then the new ones. As they are without it.
    sweep : mapping of parameter name to values, optional
        All values of a swept parameter, in the same way; parameters that are left out stay as they are. A parameter
        that is not swept would be another dimension: simulate that into a store of its own.
    backend, durable, scheduler, progress
        As in `lmdata.simulate`; each may be another than the run was begun with.

    Returns
    -------
    xarray.Dataset
        Lazy, as `lmdata.open` returns it. A run that is as wide already is finished if need be, and opened.

    Raises
    ------
    InvalidInput
        If old values are dropped or reordered, with the values that would do, or the new ones cannot be computed.
    RecipeMismatch
        If new seeds would start from tokens that were given as arrays, one a seed.
    ClusterLost, Interrupted
        As in `lmdata.simulate`.
    StoreLocked
        If another process is writing to the store.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(4, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lmdata.simulate(model, tokens, steps=2, seeds=range(3), store=f"{folder}/run").sizes["seed"]
    ...     lmdata.extend(f"{folder}/run", seeds=range(5)).sizes["seed"]
    3
    5
    """
    return extending.extend(_kind_of, Means(backend, store, durable, scheduler, progress), seeds=seeds, sweep=sweep)


def build(recipe: Mapping[str, Any], location: Path, progress: Progress | bool | None = None) -> None:
    """Make the store of a recipe at ``location``, or finish the run that an interrupted build left there."""
    try:
        run_specification(recipe, Means(store=location, progress=progress))
    except IncompleteDataset:
        resume(location, progress=progress)


def _shown(datasets: Catalog) -> str:
    """Return the catalogue as notebooks show it."""
    from lmdata.listing import as_html

    return as_html(datasets)


catalog = Catalog(build, show=_shown)
"""The named datasets; see `lmdata.data.catalog.catalog.Catalog`."""


def open(name_or_path: str | os.PathLike[str], *, allow_partial: bool = False) -> xarray.Dataset:  # noqa: A001
    """Open a dataset lazily, by its catalogued name or by the path of its store.

    Parameters
    ----------
    name_or_path : str or path
        A name of `lmdata.catalog` (``lmdata:NAME`` too), or the path of a run store, of an exported zarr folder or of a
        derived dataset, or the address of a run store (``s3://bucket/prefix``). ``NAME@v1`` and ``PATH@v1`` are
        published versions. A name goes before a path: write ``./NAME`` for a folder of that name.
    allow_partial : bool
        Open an unfinished run too. Absent and failed members are NaN, and ``status`` says which they are.

    Returns
    -------
    xarray.Dataset
        Lazy: dask arrays of whole storage chunks, all of one snapshot.

    Raises
    ------
    UnknownName
        If there is neither such a name nor such a path; the message suggests the nearest names.
    IncompleteDataset
        If members are missing or failed, with their number and how to resume.
    CorruptDataset, StoreError
        If the store is damaged, foreign, or of another schema.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.open("hardmax-square")
    >>> ds.position.shape, ds.position.chunks is None
    ((1, 31, 10, 2), False)
    """
    name = catalogued(name_or_path)
    if name is not None:
        return catalog.open(name, allow_partial=allow_partial)
    place, version = _located(name_or_path)
    return open_dataset(place, allow_partial=allow_partial, version=version)


def export(name_or_path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write a dataset as plain zarr, as `lmdata.data.export.export_zarr` does; names and errors as for `open`."""
    name = catalogued(name_or_path)
    if name is not None:
        catalog.copy(name, target)
        return
    place, version = _located(name_or_path)
    export_zarr(place, target, version=version)


def catalogued(name_or_path: str | os.PathLike[str]) -> str | None:
    """Return the catalogued name that is meant, or None if it is a path.

    Examples
    --------
    >>> catalogued("lmdata:hardmax-square"), catalogued("./hardmax-square")
    ('hardmax-square', None)
    """
    if not isinstance(name_or_path, str):
        return None
    name = name_or_path.removeprefix("lmdata:")
    return name if name.partition("@")[0] in catalog else None


def _located(path: str | os.PathLike[str]) -> tuple[str | os.PathLike[str], str | None]:
    """Return a path with something at it, or an address, and the version of ``PATH@v1``; say what was perhaps meant.

    Whether an address has a store is seen when it is opened.
    """
    text = os.fspath(path)
    address = "://" in text
    if not address and as_path(path, "name_or_path").exists():
        return path, None
    versioned = VERSIONED.fullmatch(text)
    if versioned and (address or as_path(versioned[1], "name_or_path").exists()):
        return versioned[1], versioned[2]
    if address:
        return path, None
    if not isinstance(path, str) or os.sep in path:
        raise StoreError(f"there is nothing at {path}; give the path of a store, or a name of lmdata.catalog")
    raise UnknownName.among("dataset, and no path,", path, catalog)


def verify(store: str | os.PathLike[str], *, full: bool = True, recompute: int = 0, backend: str = "auto") -> Report:
    """Recompute the digests of a stored dataset and find what is missing, failed, damaged or foreign.

    Parameters
    ----------
    store : str or path
        A path, or a catalogued name (which is also compared with the catalogue's digest); ``PATH@v1`` for a version.
    full : bool
        False looks at layout and status only and reads no numbers.
    recompute : int
        Compute so many complete members of a run again, chosen at random, and compare every bit: digests tell
        what has changed since it was written, this tells what was wrong before. Texts that passed a trained model are
        compared to a tolerance, which the report says: the last bits of exp, erf and matrix products are the machine's.
    backend : str
        What computes them, as for `lmdata.simulate`.

    Returns
    -------
    Report
        ``ok``, ``problems`` with what to do about each, and a readable ``str``.

    Examples
    --------
    >>> import lmdata
    >>> lmdata.verify("hardmax-square", recompute=1).ok
    True
    """
    count = checked_count(recompute)
    name = catalogued(store)
    if name is not None:
        report = catalog.check(name, full=full)
    else:
        place, version = _located(store)
        report = verify_store(place, full=full, version=version)
    if not count:
        return report
    if (recipe := _recipe_of_texts(report)) is not None:
        from lmdata.models.recipe import recomputed as passed_again

        dataset = open_dataset(report.location, allow_partial=True, chunked=False, version=report.version)
        return passed_again(report, recipe, dataset, count)
    return recomputed(report, report.location, count, kind_of=_kind_of, backend=backend)


def _recipe_of_texts(report: Report) -> TextRecipe | None:
    """Return the recipe of texts through a trained model, if a stored dataset is made by one."""
    if stored_as(Place.of(report.location), report.version) is StoredAs.DERIVED:
        return None
    layout = Stored.open(Place.of(report.location), tag=report.version).layout
    if "source" not in layout.attrs:
        return None
    from lmdata.models.recipe import recipe_in

    return recipe_in(layout)


def run_file(file: Path, means: Means) -> xarray.Dataset:
    """Run the recipe of a YAML file, read without trusting it.

    Raises
    ------
    InvalidInput
        If it cannot be read or is no recipe; the message names the file. Otherwise as `run_specification`.
    """
    try:
        specification = load_yaml(file, what="recipe")
    except CatalogError as error:
        raise InvalidInput(str(error)) from error
    try:
        run = _read(specification)
    except (InvalidInput, UnknownName) as error:
        raise type(error)(f"{file}: {error}") from error
    return run(means)
