"""Pipelines: what the files of ``pipelines/`` share, and running them by name."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray

import lmdata
from lmdata import plugins
from lmdata.analysis.ends import warn_if_moving
from lmdata.data.digest import canonical_json
from lmdata.errors import InvalidInput, UnknownName
from lmdata.numerics.checks import as_path, check_folder
from lmdata.plugins import origin
from lmdata.runs.cluster import computing
from lmdata.runs.road import versions

PIPELINES = ("hull_volume_decay", "vertex_occupancy", "quiescent_sets")
"""The pipelines that suit every dataset of tokens that move."""
MOST_VALUES, MOST_SEEDS = 12, 4
"""Values of each swept parameter, and seeds, that the page of a pipeline shows."""


def keep(
    derived: xarray.Dataset | xarray.DataArray, source: xarray.Dataset, measure: str, *, made_by: str
) -> xarray.Dataset:
    """Compute a derived dataset chunk by chunk beside its source, enter it in the user's catalogue, and open it.

    Its name is that of the source and of the measure, ``localmax-square-quiescent-sets``; a source opened by path is
    named by its folder and recipe. A derived dataset of that name is replaced.

    Parameters
    ----------
    derived : Dataset
        Lazy.
    source : Dataset
        As `lmdata.open` returned it. Its name, recipe, digest and snapshot are kept in the result's attributes, with
        the versions of the libraries.
    measure : str
        What was measured, in lower-case words joined by hyphens.
    made_by : str
        File of the pipeline.

    Returns
    -------
    Dataset
        The stored result, lazy, together with the source's variables.

    Warns
    -----
    UnsettledWarning
        If it stands on limits at which tokens still moved: how many, of how many members.
    """
    name = f"{_label(source)}-{measure}"
    title = f"{_title(measure)} of {_label(source)}"
    if isinstance(derived, xarray.DataArray):
        derived = derived.to_dataset()
    derived = derived.assign_attrs(versions=canonical_json(versions()))
    lmdata.catalog.save(name, derived, source=source, made_by=made_by, title=title)
    kept = lmdata.open(name)
    warn_if_moving(kept, name)
    return source.merge(
        kept.drop_vars(set(kept.variables) & set(source.variables) - set(source.dims)), combine_attrs="override"
    )


def _label(source: xarray.Dataset) -> str:
    name = source.attrs.get("catalogue_name")
    if name:
        return str(name).partition("@")[0]
    folder = re.sub(r"[^a-z0-9._-]+", "-", Path(str(source.encoding.get("source", "run"))).name.lower()).strip("-._")
    return f"{folder or 'run'}-{str(source.attrs.get('recipe_id', ''))[:8]}"


def selected(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the part of a dataset that a page shows: evenly chosen values of each swept parameter, the first seeds.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5, seeds=range(9))
    >>> dict(selected(ds).sizes)["seed"]
    4
    """
    swept = [dim for dim in ds["position"].dims if dim not in ("seed", "time", "token", "component")]
    chosen = {dim: np.unique(np.linspace(0, ds.sizes[dim] - 1, MOST_VALUES).round().astype(int)) for dim in swept}
    return ds.isel(chosen).isel(seed=slice(0, MOST_SEEDS)) if "seed" in ds.dims else ds.isel(chosen)


def representative(ds: xarray.Dataset) -> xarray.Dataset:
    """Return one member: the middle value of each swept parameter, the first seed."""
    dims = [dim for dim in ds["position"].dims if dim not in ("time", "token", "component")]
    return ds.isel({dim: [0 if dim == "seed" else ds.sizes[dim] // 2] for dim in dims})


@dataclass(frozen=True)
class Study:
    """A pipeline: what it measures, what it draws, and what it says about that.

    Parameters
    ----------
    name : str
        In lower-case words joined by hyphens: results are named by their source and this.
    measure : callable
        Takes a dataset and returns what is measured on it, lazily.
    figures : callable
        Takes what `keep` returns; gives the figures of the page, which share their sliders.
    text : str or callable
        What is to be said about them; or takes what `keep` returns and gives that.
    picture : callable, optional
        Takes what `keep` returns; gives a figure without sliders, to be written as a PNG file too.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> study = Study("leaders", lmdata.leaders, lambda found: [view.trajectories(found)], "Stars are leaders.")
    >>> study.made_by.partition(",")[0]
    'lmdata.analysis.leaders'
    """

    name: str
    measure: Callable[[xarray.Dataset], xarray.Dataset | xarray.DataArray]
    figures: Callable[[xarray.Dataset], Sequence[Any]]
    text: str | Callable[[xarray.Dataset], str]
    picture: Callable[[xarray.Dataset], Any] | None = None

    @property
    def made_by(self) -> str:
        """Where its measure is: the file of a pipeline that ships, otherwise the module and its package."""
        measure: Any = self.measure
        while isinstance(measure, functools.partial):
            measure = measure.func
        module = getattr(measure, "__module__", None) or type(measure).__module__
        code = getattr(measure, "__code__", None)
        if code is not None and Path(code.co_filename).parent == folder():
            return f"pipelines/{Path(code.co_filename).name}"
        return f"{module}, of {origin(module)}"

    def run(self, name: str, *, output: Path, scheduler: int | str | None = None) -> Path:
        """Measure a dataset, keep the result in the user's catalogue, and write its figures into a folder.

        Parameters
        ----------
        name : str
            A catalogued name, or the path of a store.
        output : path
            Folder for ``NAME-<study>.html`` and the picture; made where it is missing.
        scheduler : int or str, optional
            Number of dask workers to be started here, or a scheduler's address; threads by default.

        Returns
        -------
        path
            The page.
        """
        ds = lmdata.open(name)
        with computing(scheduler):
            found = keep(self.measure(ds), ds, self.name, made_by=self.made_by)
        return self._publish(as_path(output, "output"), found)

    def _publish(self, output: Path, found: xarray.Dataset) -> Path:
        """Write the picture (PNG) and the page of figures (HTML), named after dataset and study; return the page."""
        from lmdata import view

        output.mkdir(parents=True, exist_ok=True)
        label = _label(found)
        if self.picture is not None:
            view.save(self.picture(found), output / f"{label}-{self.name}.png")
        text = self.text if isinstance(self.text, str) else self.text(found)
        section = view.Section("Figures", self.figures(found), text)
        return view.write_page(output / f"{label}-{self.name}.html", f"{_title(self.name)}: {label}", [section])

    def command(self, description: str | None) -> None:
        """Run from the command line and print the page that it made."""
        parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("name", help="a catalogued name, or the path of a store")
        parser.add_argument("--output", type=Path, required=True, help="folder for the figures; made where missing")
        parser.add_argument("--scheduler", help="number of dask workers to start here, or a scheduler's address")
        options = parser.parse_args()
        print(self.run(options.name, output=options.output, scheduler=options.scheduler))  # noqa: T201


def _title(study: str) -> str:
    return study.replace("-", " ").capitalize()


def analyse(
    name: str, *, pipelines: Sequence[str] | None = None, output: Path, scheduler: int | str | None = None
) -> dict[str, str]:
    """Run pipelines on a dataset; return for each the page of its figure.

    Parameters
    ----------
    name : str
        A catalogued name or the path of a store.
    pipelines : sequence of str, optional
        Names of those that ship, or of other packages; by default those that suit every dataset.
    output : path
        Folder for the figures; the numbers go into the user's own catalogue, as NAME-<measure>.
    scheduler : int or str, optional
        As for `lmdata.simulate`; threads by default.

    Raises
    ------
    UnknownName
        If there is no such pipeline.
    InvalidInput
        If the output cannot be a folder, or several packages offer the pipeline.
    """
    for each in pipelines or PIPELINES:  # mistakes are told before the files of pipelines import what draws
        _check_known(each)
    lmdata.open(name)
    check_folder(output, "output")
    wanted = [study(each) for each in pipelines or PIPELINES]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"output is {str(output)!r}, which cannot be made a folder: {error}") from error
    pages = (each.run(name, output=output, scheduler=scheduler) for each in wanted)
    return dict(zip(pipelines or PIPELINES, map(str, pages), strict=True))


def study(name: str) -> Study:
    """Return a pipeline by its name: one that ships, or one of another package.

    Raises
    ------
    UnknownName
        If there is none, or none that can be loaded; the message suggests the nearest.
    InvalidInput
        If several packages offer it.

    Examples
    --------
    >>> study("vertex_occupancy").name
    'vertex-occupancy'
    """
    _check_known(name)
    files = _files()
    found = _load(files[name]).STUDY if name in files else plugins.load("pipelines", name)
    if isinstance(found, Study):
        return found
    if found is not None:
        plugins.reject("pipelines", name, f"it is no lmdata.pipeline.Study but {type(found).__name__}")
    raise UnknownName.among("pipeline", name, {*files, *plugins.offers("pipelines")})


def _files() -> dict[str, Path]:
    """Return the pipelines that ship, by name."""
    return {file.stem: file for file in folder().glob("[a-z]*.py")}


def _check_known(name: str) -> None:
    known = {*_files(), *plugins.offers("pipelines")}
    if name not in known:
        raise UnknownName.among("pipeline", name, known)


def folder() -> Path:
    """Return where the pipelines are: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "pipelines"
    return inside if inside.is_dir() else package.parent / "pipelines"


def _load(file: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"lmdata_pipeline_{file.stem}", file)
    if specification is None or specification.loader is None:
        raise InvalidInput(f"{file} cannot be loaded as a pipeline")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
