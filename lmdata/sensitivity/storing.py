"""Atlases that are kept: start by start while they are made, then as plain zarr with a digest."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmdata.data.derived import open_derived, save_derived
from lmdata.data.digest import canonical_json
from lmdata.data.store.durable import NEW, write_whole
from lmdata.data.store.lock import HELD
from lmdata.data.store.making import clear, hold
from lmdata.data.store.storage import ELSEWHERE, LOCK_FILE, Place, writing
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.dynamics.limits.axis import Axis, walk_axis
from lmdata.dynamics.limits.walk import Leaves
from lmdata.errors import InvalidInput, RecipeMismatch, StoreError, StoreExists
from lmdata.numerics.checks import as_path
from lmdata.runs.cluster import connected
from lmdata.sensitivity.dataset import assemble
from lmdata.sensitivity.recipe import AtlasRecipe, prepared

if TYPE_CHECKING:
    import xarray

TOGETHER = 32
"""Starts that are walked at a time."""

type Progress = Callable[[int, int], object]

ENDING = ".unfinished"
"""Of the folder beside the store that holds what is finished of an atlas that is not."""
NOTE = "recipe.json"
"""File in that folder: of which atlas it is."""


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
    StoreLocked
        If another process is making it.
    StoreError
        If it cannot be written.
    """
    if not isinstance(store, str | os.PathLike) or not os.fspath(store) or "://" in os.fspath(store):
        raise InvalidInput(f"store is {store!r}; an atlas is kept in a folder: give its path")
    target = as_path(store, "store")
    if not os.path.lexists(target):
        with _beginning(recipe, target) as folder:
            if not os.path.lexists(target):  # another process may have finished it just before
                _make(recipe, target, folder, threads, scheduler, progress)
            _remove(folder)
    dataset = _finished(recipe, target)
    _clear(recipe, target)
    return dataset


def _make(
    recipe: AtlasRecipe,
    target: Path,
    folder: Path,
    threads: int | None,
    scheduler: int | str | None,
    progress: Progress | None,
) -> None:
    """Walk the starts that are not kept yet, keep them in a folder, and write the store once all are there."""
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
            _keep(folder, number, leaves)
        if progress is not None:
            progress(len(found), len(starts))
    dataset = assemble(recipe, starts, [found[number] for number in range(len(starts))])
    save_derived(
        dataset, target, source=dataset, made_by="lmdata.atlas", parameters=recipe.specification(), durable=False
    )


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


def _unfinished(target: Path) -> Path:
    return target.with_name(target.name + ENDING)


@contextmanager
def _beginning(recipe: AtlasRecipe, target: Path) -> Iterator[Path]:
    """Hold the folder of an unfinished atlas, which is this one; one process at a time."""
    folder = _unfinished(target)
    with writing(Place(target), ELSEWHERE):
        _refuse_another(recipe, folder)
        lock = hold(folder)
    with lock:
        _refuse_another(recipe, folder)
        if not (folder / NOTE).is_file():
            _write(folder / NOTE, canonical_json(recipe.specification()).encode())
        yield folder


def _refuse_another(recipe: AtlasRecipe, folder: Path) -> None:
    """Refuse a folder of another atlas, or of something else; without its note it holds what was killed at once."""
    if not folder.exists():
        return
    note, known = folder / NOTE, {LOCK_FILE, LOCK_FILE + HELD}
    if note.is_file():
        other = note.read_bytes() != canonical_json(recipe.specification()).encode()
    else:
        other = not all(path.name in known or path.name.endswith(NEW) for path in folder.iterdir())
    if other:
        raise RecipeMismatch(f"{folder} holds an unfinished atlas of another recipe; finish it, or remove the folder")


def _clear(recipe: AtlasRecipe, target: Path) -> None:
    """Remove what a process left beside its atlas that was killed just after it had made it."""
    clear(target)
    if _unfinished(target).exists():
        with suppress(StoreError), _beginning(recipe, target) as folder:  # of another recipe, or just being removed
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the folder of an atlas that is finished: what it holds first, while its note says what it is."""
    with writing(Place(folder)):
        for path in folder.glob("start-*.npz"):
            path.unlink()
        shutil.rmtree(folder)


def _file(folder: Path, number: int) -> Path:
    return folder / f"start-{number}.npz"


def _keep(folder: Path, number: int, leaves: Leaves) -> None:
    content = BytesIO()
    np.savez(content, allow_pickle=False, **leaves._asdict())
    _write(_file(folder, number), content.getvalue())


def _write(file: Path, content: bytes) -> None:
    with writing(Place(file), ELSEWHERE):
        write_whole(file, content, alone=True)


def _read(folder: Path, number: int) -> Leaves | None:
    """Return the leaves of a start, or None if they are not there, or damaged: then they are found anew."""
    try:
        with np.load(_file(folder, number), allow_pickle=False) as file:
            return Leaves(*(file[name] for name in Leaves._fields))
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
