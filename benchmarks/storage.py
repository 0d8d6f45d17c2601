"""The price of safety: the store against plain zarr, verification against reading, checks against bare steps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

import lmdata
from benchmarks.contenders import Timed, race, timed
from benchmarks.peers import tokens
from lmdata.data.export import export_zarr
from lmdata.data.layout import Layout
from lmdata.data.store import storage
from lmdata.data.store.storage import Place
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.dynamics import batch
from lmdata.dynamics.kernels import backends
from lmdata.dynamics.models import Softmax
from lmdata.numerics.checks import check_batch

Row = dict[str, Any]
Array = NDArray[Any]

DATASETS = {"16384 members of 22 kB": (16_384, 64, 21), "16 members of 16 MB": (16, 10_000, 101)}
"""Members, tokens and frames of what is written: members that share chunks, and one chunk a member."""


def stores(repeats: int) -> list[Row]:
    """Race writing with plain zarr of the same codecs and chunks, and verifying with reading unverified: MB/s."""
    rows = []
    for name, sizes in DATASETS.items():
        layout, position = _dataset(*sizes)
        with tempfile.TemporaryDirectory(dir=fast_folder(3 * layout.nbytes)) as folder:
            ours, plain, exported = Path(folder, "run"), Path(folder, "plain.zarr"), Path(folder, "export.zarr")
            contenders = {
                "lmdata": _afresh(ours, partial(_write, ours, layout, position)),
                "plain zarr": _afresh(plain, partial(_write_plain, plain, layout, position)),
            }
            rows.append(_row(f"write {name}", contenders, repeats, layout))
            export_zarr(ours, exported)
            for what, place in (("a run store", ours), ("an export", exported)):
                contenders = {"lmdata": timed(partial(_verify, place)), "reading alone": timed(partial(_read, place))}
                rows.append(_row(f"verify {what} of {name}", contenders, repeats, layout))
    return rows


def checks(repeats: int) -> list[Row]:
    """Time steps, the checks among them alone, and those that a member has once, at its start."""
    members, n, steps = 256, 64, 100
    state = tokens(members, n, 2)
    local, soft = lmdata.Localmax(alignment_sensitivity=0.05), Softmax(inverse_temperature=2.0)
    ends: dict[str, Any] = {"start": 0, "record": [steps]}
    choice = backends.choose("auto", kind="localmax", members=members, tokens=n, components=2)

    def localmax() -> None:
        local.advance([local] * members, state, seeds=range(members), **ends)

    def localmax_checks() -> None:
        check_batch([local] * members, state, **ends)
        local.schedule.values(steps)  # refuses what is not finite

    def softmax() -> None:
        soft.advance([soft] * members, state, seeds=range(members), **ends)

    def softmax_checks() -> None:
        for _ in range(steps):
            np.isfinite(state).all()

    def starts() -> None:
        batch.check([local], state, steps)

    size, alone = f"{members} members, n={n}, d=2", "its checks alone"
    races: list[tuple[str, str, int, dict[str, Callable[[], None]]]] = [
        (f"localmax step of {size}, checked", str(choice), steps, {"lmdata": localmax, alone: localmax_checks}),
        (f"softmax step of {size}, checked", "numba", steps, {"lmdata": softmax, alone: softmax_checks}),
        (f"checks before a run of {members} members, n={n}, d=2: a member", "", members, {"lmdata": starts}),
    ]
    rows = []
    for work, backend, count, contenders in races:
        contenders["lmdata"]()
        taken = race({name: timed(run) for name, run in contenders.items()}, repeats)
        rows.append({"work": work, "backend": backend, "unit": "us", "times": _per(taken, 1e6 / count)})
    return rows


def _per(taken: dict[str, dict[str, float]], factor: float) -> dict[str, dict[str, float]]:
    """Return seconds in another unit."""
    return {
        name: {"median": one["median"] * factor, "least": one["least"] * factor, "repeats": one["repeats"]}
        for name, one in taken.items()
    }


def _dataset(members: int, n: int, frames: int) -> tuple[Layout, Array]:
    """Return a layout, and positions of tokens that draw together as those of a run do."""
    layout = Layout(
        swept={}, seeds=tuple(range(members)), time=np.arange(frames), time_unit="step", labels=None, tokens=n,
        components=2,
    )  # fmt: skip
    decay = 0.9 ** np.arange(frames)[:, None, None]
    return layout, tokens(members, n, 2)[:, None] * decay + 0.25


def _write(place: Path, layout: Layout, position: Array) -> None:
    with RunStore.create(place, layout) as store:
        for block in store.pending():
            store.put(block, position[block[0] : block[-1] + 1], steps_done=len(layout.time) - 1)


def _write_plain(place: Path, layout: Layout, position: Array) -> None:
    group = zarr.create_group(LocalStore(place), zarr_format=3)
    dims = layout.dimensions("position")
    array = storage.create_array(group, "position", dims, position.shape, layout.chunks("position"), position.dtype)
    for block in layout.blocks():
        array[block[0] : block[-1] + 1] = position[block[0] : block[-1] + 1]


def _verify(place: Path) -> None:
    assert verify(place).ok


def _read(place: Path) -> None:
    folder = LocalStore(place) if (place / "zarr.json").exists() else storage.open_session(Place.of(place)).store
    array = zarr.open_group(folder, mode="r")["position"]
    for start in range(0, array.shape[0], array.chunks[0]):
        array[start : start + array.chunks[0]]


def fast_folder(need: int) -> Path | None:
    """Return a folder in memory, where a disk that is busy does not decide the race; None if there is none so large."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > need else None


def _afresh(place: Path, write: Callable[[], None]) -> Timed:
    """Return the timed writing of a folder that is removed beforehand."""

    def run() -> float:
        shutil.rmtree(place, ignore_errors=True)
        return timed(write)()

    return run


def _row(work: str, contenders: dict[str, Timed], repeats: int, layout: Layout) -> Row:
    megabytes = layout.nbytes / 1e6
    rates = {
        name: {"median": megabytes / taken["median"], "least": megabytes / taken["least"], "repeats": taken["repeats"]}
        for name, taken in race(contenders, repeats).items()
    }
    return {"work": work, "backend": "", "unit": "MB/s", "times": rates}
