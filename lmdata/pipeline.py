"""Pipelines: what the files of ``pipelines/`` share, and running them by name."""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray

import lmdata
from lmdata.data.digest import canonical_json
from lmdata.errors import InvalidInput, UnknownName
from lmdata.runs.simulation import versions

PIPELINES = ("hull_volume_decay", "vertex_occupancy", "quiescent_sets")
"""The pipelines that suit every dataset of tokens that move."""
MOST_VALUES, MOST_SEEDS = 12, 4
"""Values of each swept parameter, and seeds, that the page of a pipeline shows."""


def keep(derived: xarray.Dataset, source: xarray.Dataset, measure: str, *, made_by: str) -> xarray.Dataset:
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
    """
    name = f"{_label(source)}-{measure}"
    title = f"{measure.replace('-', ' ').capitalize()} of {_label(source)}"
    derived = derived.assign_attrs(versions=canonical_json(versions()))
    lmdata.catalog.save(name, derived, source=source, made_by=made_by, title=title)
    kept = lmdata.open(name)
    return source.merge(kept.drop_vars(set(kept.variables) & set(source.data_vars)), combine_attrs="override")


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


def publish(
    output: Path, found: xarray.Dataset, measure: str, *, picture: Any, figures: Sequence[Any], text: str
) -> Path:
    """Write a picture (PNG) and a page of figures (HTML) named after dataset and measure; return the page.

    Parameters
    ----------
    output : path
        Folder; made where it is missing.
    found : Dataset
        Result of `keep`.
    measure : str
        As for `keep`.
    picture : Overlay
        A figure without sliders.
    figures : sequence of Overlay or DynamicMap
        Share the sliders of the page.
    text : str
        What is to be said about them.
    """
    from lmdata import view

    name = f"{_label(found)}-{measure}"
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    view.save(picture, output / f"{name}.png")
    title = f"{measure.replace('-', ' ').capitalize()}: {_label(found)}"
    return view.write_page(output / f"{name}.html", title, [view.Section("Figures", figures, text)])


def command(run: Callable[..., Path], description: str | None) -> None:
    """Run a pipeline from the command line and print the page that it made."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a catalogued name, or the path of a store")
    parser.add_argument("--output", type=Path, required=True, help="folder for the figures; made where it is missing")
    parser.add_argument("--scheduler", help="number of dask workers to start here, or a scheduler's address")
    options = parser.parse_args()
    print(run(options.name, output=options.output, scheduler=options.scheduler))  # noqa: T201 - it is a command


def analyse(
    name: str, *, pipelines: Sequence[str] | None = None, output: Path, scheduler: int | str | None = None
) -> dict[str, str]:
    """Run pipelines on a dataset; return for each the page of its figure.

    Parameters
    ----------
    name : str
        A catalogued name or the path of a store.
    pipelines : sequence of str, optional
        Files of the ``pipelines`` folder without their ending; by default those that suit every dataset.
    output : path
        Folder for the figures; the numbers go into the user's own catalogue, as NAME-<measure>.
    scheduler : int or str, optional
        As for `lmdata.simulate`; threads by default.

    Raises
    ------
    UnknownName
        If there is no such pipeline.
    InvalidInput
        If the output cannot be a folder.
    """
    found = {file.stem: file for file in _pipeline_folder().glob("[a-z]*.py")}
    wanted = pipelines or PIPELINES
    for pipeline in wanted:
        if pipeline not in found:
            raise UnknownName.among("pipeline", pipeline, found)
    lmdata.open(name)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"output is {str(output)!r}, which cannot be made a folder: {error}") from error
    return {each: str(_load(found[each]).run(name, output=output, scheduler=scheduler)) for each in wanted}


def _pipeline_folder() -> Path:
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
