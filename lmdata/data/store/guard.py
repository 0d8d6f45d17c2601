"""What is checked of a store before anything in it is read: it may be foreign, damaged, or made to harm."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lmdata.data import registry
from lmdata.data.layout import FRAME_BYTES, MEMBERS
from lmdata.data.registry import TRAINING, TRAJECTORY, Variable
from lmdata.data.store import storage
from lmdata.data.training import PARTS, TrainingLayout
from lmdata.data.trajectory import TrajectoryLayout
from lmdata.errors import CorruptDataset, RecipeMismatch, StoreError

CODECS = frozenset({"bytes", "blosc", "zstd", "crc32c"})
"""Codecs that a store may use; crc32c has to be the last."""
KINDS = frozenset("biufU")
"""Kinds of values that a store may hold: truth values, numbers and text of fixed length."""
EAGER_BYTES = 2**30
"""Most that a coordinate or a bookkeeping variable may take: they are read when a dataset is opened."""


def check_links(folder: Path) -> None:
    """Refuse a store with a symbolic link, a device or a pipe in it: reading it would read something else.

    Raises
    ------
    StoreError
        Naming the first of them.
    OSError
        If a folder in it cannot be listed: what was not looked at is not said to be free of links.
    """
    for parent, folders, files in os.walk(folder, onerror=_raise):
        for name in (*folders, *files):
            path = Path(parent, name)
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # of a writer that has just given it its name
                continue
            if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                raise StoreError(f"{path} is not a plain file or folder; a store with links in it is not read")


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # what is not there holds no link
        raise error


def check_group(group: zarr.Group, place: str) -> None:
    """Check the metadata of a dataset: schema, variables, dimensions, dtypes, codecs and sizes.

    Raises
    ------
    StoreError
        If this is no dataset of lmdata, or one that it does not read.
    RecipeMismatch
        If a newer lmdata wrote it.
    CorruptDataset
        If a variable is missing or is not what the registry declares.
    """
    schema = group.attrs.asdict().get("lmdata_schema")
    if type(schema) is not int or schema < 1:
        raise StoreError(f"{place} is no dataset of lmdata: its attribute lmdata_schema is {schema!r:.50}")
    if schema > registry.SCHEMA:
        raise RecipeMismatch(
            f"{place} has schema {schema}, this lmdata reads up to {registry.SCHEMA}: install a newer lmdata"
        )
    if schema < registry.SCHEMA:
        raise RecipeMismatch(
            f"{place} has schema {schema}, of an earlier lmdata; `lmdata migrate {place}` brings it up to date"
        )
    form = storage.form_of(group)
    if form not in _CHECKS:
        raise StoreError(f"{place} holds a dataset of the form {form!r:.50}, which this lmdata does not read")
    _CHECKS[form](group, place)


def _check_simulation(group: zarr.Group, place: str) -> None:
    position = storage.array(group, "position")
    swept = storage.dimensions(position)[:-4]
    sizes = dict(zip(storage.dimensions(position), position.shape, strict=False))
    if (*swept, "seed", "time", "token", "component") != tuple(sizes) or 0 in sizes.values():
        raise CorruptDataset(f"{place}: position has dimensions {sizes}, which no dataset has")
    if math.prod([sizes[name] for name in (*swept, "seed")]) > MEMBERS:
        raise StoreError(f"{place} claims more than {MEMBERS} members; it is not read")
    for name in (*swept, "seed", "time", "token", "component", "status", "digest", "steps_done"):
        array = storage.array(group, name)
        _check_array(array, name, sizes, place)
        _check_eager(array, name, place)
    _check_array(position, "position", sizes, place)
    for name, spec in diagnostics(group).items():
        _check_array(storage.array(group, name), name, sizes, place, spec)
    for name, spec in certificates(group).items():
        _check_array(storage.array(group, name), name, sizes, place, spec)
        _check_eager(storage.array(group, name), name, place)


def _check_trajectory(group: zarr.Group, place: str) -> None:
    _check_simulation(group, place)
    position = storage.array(group, "position")
    sizes = dict(zip(storage.dimensions(position), position.shape, strict=True))
    swept = storage.dimensions(position)[:-4]
    if ("head" in group) != ("attention" in group) or ("key" in group) != ("attention" in group):
        raise CorruptDataset(f"{place}: of attention, head and key some are there, and some not")
    if "head" in group:
        sizes |= {"head": storage.array(group, "head").size, "key": sizes["token"]}
    for name in (own for own in TRAJECTORY if own in group):
        array, dims = storage.array(group, name), TRAJECTORY[name].dimensions(swept)
        shape = tuple(sizes[dim] for dim in dims)
        if storage.dimensions(array) != dims or array.shape != shape or 0 in shape:
            raise CorruptDataset(
                f"{place}: {name} has dimensions {storage.dimensions(array)} of sizes {array.shape}; declared are "
                f"{dims}, of the sizes of position"
            )
        kinds = {"attention": str(position.dtype.kind), "word": "U", "key": "iU"}
        if array.dtype.kind not in kinds.get(name, np.dtype(TRAJECTORY[name].dtype).kind):
            raise CorruptDataset(f"{place}: {name} has dtype {array.dtype}, which is not what it is declared as")
        check_storage(array, name, place)
        if name != "attention":
            _check_eager(array, name, place)


def _check_eager(array: zarr.Array[Any], name: str, place: str) -> None:
    if array.nbytes > EAGER_BYTES:
        raise StoreError(f"{place}: {name} claims {array.nbytes} bytes, at most {EAGER_BYTES} are read")


def _check_training(group: zarr.Group, place: str) -> None:
    grid = storage.dimensions(storage.array(group, "status"))
    swept = grid[:-2]
    if grid[-2:] != ("start", "seed") or trained(group) not in PARTS:
        raise CorruptDataset(f"{place}: its members or what is trained are not those of any training run")
    columns = [*swept, "seed", "token", *(name for name, spec in TRAINING.items() if spec.role == "coordinate")]
    sizes = {name: storage.array(group, name).size for name in columns if name in group}
    if math.prod([sizes.get(name, 0) for name in grid]) > MEMBERS:
        raise StoreError(f"{place} claims more than {MEMBERS} members; it is not read")
    members = (*trained(group), "loss", *registry.BOOKKEEPING)
    for name in (*sizes, *members, *problems(group)):
        array = storage.array(group, name)
        spec = None if name in swept else TRAINING.get(name) or registry.variable(name)
        dims = (name,) if name in sizes else _dimensions(name, storage.dimensions(array), swept)
        if storage.dimensions(array) != dims or 0 in array.shape or array.shape != tuple(map(sizes.get, dims)):
            raise CorruptDataset(
                f"{place}: {name} has dimensions {storage.dimensions(array)} of sizes {array.shape}; declared are "
                f"{dims}, of the sizes of the coordinates"
            )
        kind = np.dtype(np.float64 if spec is None else spec.dtype)
        if array.dtype != kind and not (array.dtype.kind == kind.kind == "U"):
            raise CorruptDataset(f"{place}: {name} has dtype {array.dtype}, which is not what it is declared as")
        check_storage(array, name, place)
        if name not in members[:-3]:
            _check_eager(array, name, place)


def _dimensions(name: str, found: tuple[str, ...], swept: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dimensions that a variable of a training run is declared with, where those found are swept."""
    head, *tail = TRAINING[name].dims if name in TRAINING else registry.TRAINING_GRID
    return (*(dim for dim in swept if head == "*" or dim in found), *tail)


_CHECKS = {
    storage.SIMULATION: _check_simulation,
    TrainingLayout.form: _check_training,
    TrajectoryLayout.form: _check_trajectory,
}


def trained(group: zarr.Group) -> tuple[str, ...]:
    """Return the names of what is trained in a training run."""
    return tuple(name for name in ("prompt", "weight", "value", "key_matrix", "query_matrix") if name in group)


def problems(group: zarr.Group) -> tuple[str, ...]:
    """Return the names of what is known of the problems of a training run."""
    return tuple(
        name for name, spec in TRAINING.items() if spec.role == "data" and spec.dims[0] == "#" and name in group
    )


def certificates(group: zarr.Group) -> dict[str, Variable]:
    """Return the declarations of what a dataset holds of proofs of its members' limits, by name."""
    return {spec.name: spec for spec in registry.CERTIFICATES if spec.name in group}


def diagnostics(group: zarr.Group) -> dict[str, Variable]:
    """Return the declarations of a dataset's diagnostics, by name; those of other packages as the dataset has them.

    Raises
    ------
    CorruptDataset
        If the attribute ``diagnostics``, which lists the latter, does not.
    """
    own = registry.of_data()
    found = {name: spec for name, spec in own.items() if spec.role == "diagnostic" and name in group}
    try:
        others = json.loads(str(group.attrs.get("diagnostics", "[]")))
        arrays = {str(name): storage.array(group, str(name)) for name in others}
    except (TypeError, ValueError) as error:
        raise CorruptDataset(f"the attribute 'diagnostics' is no list of names: {error}") from error
    for name, array in arrays.items():
        if name in own:
            raise CorruptDataset(f"the attribute 'diagnostics' lists {name!r}, which every dataset has")
        text = {key: str(array.attrs[key])[:300] for key in ("long_name", "units") if key in array.attrs}
        found[name] = Variable(
            name, (*registry.GRID, "time"), str(array.dtype), text.get("long_name", name), text.get("units"),
            "diagnostic", array.fill_value,
        )  # fmt: skip
    return dict(sorted(found.items()))


def _check_array(
    array: zarr.Array[Any], name: str, sizes: dict[str, int], place: str, spec: Variable | None = None
) -> None:
    swept = tuple(sizes)[:-4]
    declared = None if name in swept else spec or registry.variable(name)
    dims = (name,) if declared is None else declared.dimensions(swept)
    if storage.dimensions(array) != dims or array.shape != tuple(sizes[dim] for dim in dims):
        raise CorruptDataset(
            f"{place}: {name} has dimensions {storage.dimensions(array)} of sizes {array.shape}; "
            f"declared are {dims}, of the sizes of position"
        )
    if not _allowed(array.dtype, name, declared):
        raise CorruptDataset(f"{place}: {name} has dtype {array.dtype}, which is not what it is declared as")
    check_storage(array, name, place)


def check_storage(array: zarr.Array[Any], name: str, place: str) -> None:
    """Check how an array is stored: what its values are, its codecs, and the size of its chunks.

    Raises
    ------
    StoreError
        If it is not read.
    """
    codecs = storage.codecs(array)
    if array.dtype.kind not in KINDS:
        raise StoreError(f"{place}: {name} has dtype {array.dtype}, which is not read")
    if storage.transformers(array):
        raise StoreError(f"{place}: {name} has storage transformers, which are not read")
    if not CODECS.issuperset(codecs) or codecs[-1] != "crc32c":
        raise StoreError(
            f"{place}: {name} is stored with the codecs {codecs}; only {sorted(CODECS)} are read, crc32c last"
        )
    if math.prod(array.chunks) * array.dtype.itemsize > FRAME_BYTES:
        raise StoreError(f"{place}: {name} has chunks of {array.chunks}, too large to be read")


def _allowed(dtype: np.dtype[Any], name: str, spec: Variable | None) -> bool:
    if spec is None:
        return dtype == np.float64
    if name == "token":
        return dtype == np.int64 or dtype.kind == "U"
    also = {"position": "float32", "time": "float64"}
    return dtype == np.dtype(spec.dtype) or (name in also and dtype == np.dtype(also[name]))
