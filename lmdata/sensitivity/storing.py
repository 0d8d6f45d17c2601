"""Atlases that are kept: start by start while they are made, then as plain zarr with a digest."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmdata.data.derived import open_derived, save_derived
from lmdata.data.digest import canonical_json
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.errors import InvalidInput, RecipeMismatch, StoreExists
from lmdata.numerics.checks import as_path
from lmdata.runs.cluster import connected
from lmdata.sensitivity.axis import Axis, walk_axis
from lmdata.sensitivity.dataset import assemble
from lmdata.sensitivity.recipe import AtlasRecipe, prepared
from lmdata.sensitivity.walk import Leaves

if TYPE_CHECKING:
    import xarray

TOGETHER = 32
"""Starts that are walked at a time."""

type Progress = Callable[[int, int], object]

ENDING = ".unfinished"
"""Of the folder beside the store that holds what is finished of an atlas that is not."""


def kept(
    recipe: AtlasRecipe,
    store: str | os.PathLike[str],
    *,
    threads: int | None,
    scheduler: int | str | None,
    progress: Progress | None,
) -> xarray.Dataset:
    """Return the atlas of a recipe from its store; make it, or what it still lacks, if it is not there.

    Starts are written to a folder beside the store as they are finished. An atlas that was interrupted goes on from
    there, and the starts kept are not walked again; when all are there they become the store in one step.

    Raises
    ------
    RecipeMismatch
        If another atlas is there, finished or not.
    StoreExists
        If something else is there.
    """
    if not isinstance(store, str | os.PathLike) or not os.fspath(store) or "://" in os.fspath(store):
        raise InvalidInput(f"store is {store!r}; an atlas is kept in a folder: give its path")
    target = as_path(store, "store")
    if os.path.lexists(target):
        return _finished(recipe, target)
    folder = target.with_name(target.name + ENDING)
    _claim(recipe, folder)
    starts = prepared(recipe)
    found: dict[int, Leaves] = {}
    for number in range(len(starts)):
        leaves = _read(folder, number)
        if leaves is not None:
            found[number] = leaves
    missing = [number for number in range(len(starts)) if number not in found]
    for some in walked(starts, missing, recipe.axis(), threads, scheduler):
        for number, leaves in some.items():
            found[number] = leaves
            _write(folder, number, leaves)
        if progress is not None:
            progress(len(found), len(starts))
    dataset = assemble(recipe, starts, [found[number] for number in range(len(starts))])
    save_derived(
        dataset, target, source=dataset, made_by="lmdata.atlas", parameters=recipe.specification(), durable=False
    )
    shutil.rmtree(folder, ignore_errors=True)
    return open_derived(target)


def walked(
    starts: NDArray[np.float64], numbers: list[int], axis: Axis, threads: int | None, scheduler: int | str | None
) -> Iterator[dict[int, Leaves]]:
    """Yield the leaves of the starts of these numbers, some at a time: by threads, or by a scheduler's workers."""
    if scheduler is None:
        for begin in range(0, len(numbers), TOGETHER):
            some = numbers[begin : begin + TOGETHER]
            yield dict(zip(some, walk_axis(starts[some], axis, threads=threads), strict=True))
        return
    with connected(scheduler) as client:
        from distributed import as_completed

        tasks = {client.submit(walk_axis, starts[[number]], axis, threads=1): number for number in numbers}
        for task in as_completed(tasks):
            yield {tasks[task]: task.result()[0]}
            task.release()


def _finished(recipe: AtlasRecipe, target: Path) -> xarray.Dataset:
    """Return the atlas that is at a place, if it is this one."""
    if stored_as(Place.of(target)) is not StoredAs.DERIVED:
        raise StoreExists(f"there is already something else at {target}; choose another place, or remove it first")
    dataset = open_derived(target)
    if dataset.attrs.get("recipe") != canonical_json(recipe.specification()):
        raise RecipeMismatch(f"{target} holds another dataset and is left as it is; choose another place")
    return dataset


def _claim(recipe: AtlasRecipe, folder: Path) -> None:
    """Make the folder of an unfinished atlas, or see that it is of this recipe."""
    note = folder / "recipe.json"
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
    if not note.exists() and not any(folder.iterdir()):
        _replace(note, json.dumps(recipe.specification()).encode())
    held = json.loads(note.read_text()) if note.is_file() else None
    if held != recipe.specification():
        raise RecipeMismatch(f"{folder} holds an unfinished atlas of another recipe; finish it, or remove the folder")


def _file(folder: Path, number: int) -> Path:
    return folder / f"start-{number}.npz"


def _write(folder: Path, number: int, leaves: Leaves) -> None:
    """Write the leaves of a start so that the file is there whole or not at all."""
    target = _file(folder, number)
    building = target.with_suffix(f".{os.getpid()}.building")
    with building.open("wb") as file:
        np.savez(file, allow_pickle=False, **leaves._asdict())
    building.replace(target)


def _read(folder: Path, number: int) -> Leaves | None:
    """Return the leaves of a start, or None if they are not there, or damaged: then they are found anew."""
    try:
        with np.load(_file(folder, number), allow_pickle=False) as file:
            return Leaves(*(file[name] for name in Leaves._fields))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None


def _replace(path: Path, contents: bytes) -> None:
    building = path.with_suffix(f".{os.getpid()}.building")
    building.write_bytes(contents)
    building.replace(path)
