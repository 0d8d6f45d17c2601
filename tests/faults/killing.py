"""Kill public acts at every operation that changes the disk; then the next ordinary commands have to work.

    python -m tests.faults.killing FOLDER MOST [ACT...]

Each act is run to its end, which tells how many operations there are, and then killed at MOST of them, evenly chosen,
or at all if there are no more; a line of JSON says what was found. Acts and what follows them run in children of a
process that has no threads, so that one start serves all of them: `ENVIRONMENT` keeps the libraries from starting any.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import lmdata
from lmdata import view
from lmdata.data import registry, versions
from lmdata.data.catalog import catalog
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.store import maintenance, process
from lmdata.data.store.maintenance import collect_garbage
from lmdata.errors import IncompleteDataset, StoreExists
from lmdata.library import build
from lmdata.selection import SelectionRecipe, TokenSelection, gaussian, run, run_to_store, starts
from lmdata.sensitivity import storing

from ..data.conftest import flip
from .failing import Failing

ENVIRONMENT = {
    "ICECHUNK_NO_LOGS": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
}
"""And ``LD_PRELOAD`` is the library of `failing.build`."""
MODEL, TOKENS = lmdata.Localmax(), lmdata.tokens.uniform(5, 2)
SEEDS, WIDER = range(3), range(5)


@dataclass(frozen=True)
class Act:
    """Something public that changes the disk.

    Parameters
    ----------
    prepare
        Makes what there is before.
    do
        The act: when it returns, it is acknowledged.
    after
        ``after(folder, done)``: the next ordinary commands, which raise if anything is lost or does not work.
    """

    prepare: Callable[[Path], object]
    do: Callable[[Path], object]
    after: Callable[[Path, bool], object]


def simulate(folder: Path, seeds: range = SEEDS, **options: Any) -> xr.Dataset:
    return lmdata.simulate(MODEL, TOKENS, steps=4, seeds=seeds, store=folder / "run", **options)


@cache
def expected(seeds: range = SEEDS) -> xr.Dataset:
    return lmdata.simulate(MODEL, TOKENS, steps=4, seeds=seeds)


def same(dataset: xr.Dataset, seeds: range = SEEDS) -> None:
    """Check that a dataset is what it has to be."""
    right = expected(seeds)
    np.testing.assert_array_equal(dataset.position, right.position)
    np.testing.assert_array_equal(dataset.digest, right.digest)


def whole(place: Path, seeds: range = SEEDS) -> None:
    """Check that a store is whole, and what it has to be."""
    report = lmdata.verify(place)
    assert report.ok, report
    same(lmdata.open(place), seeds)


def nothing_else(folder: Path) -> None:
    """Check that no killed process's leavings are there."""
    left = [path for path in folder.rglob("*") if path.name.endswith((".building", ".new", "~"))]
    assert not left, left


def simulated(folder: Path, done: bool) -> None:
    place = folder / "run"
    if place.exists():
        try:
            same(lmdata.open(place))
        except IncompleteDataset:
            assert not done
            same(lmdata.resume(place))
    else:
        assert not done
        same(simulate(folder))
    whole(place)
    nothing_else(folder)


def resumed(folder: Path, done: bool) -> None:
    report = lmdata.verify(folder / "run")
    assert {problem.kind for problem in report.problems} <= {"missing"}, report
    assert not done or report.ok, report
    same(lmdata.resume(folder / "run"))
    whole(folder / "run")


def begun(folder: Path) -> None:
    """Make a run of which one member is missing."""
    from lmdata.data.store.writer import RunStore

    simulate(folder)
    with RunStore.append_to(folder / "run") as store:
        store.reset([1])


def extended(folder: Path, done: bool) -> None:
    found = lmdata.open(folder / "run", allow_partial=True)
    assert (found.status.sel(seed=list(SEEDS)) == 1).all()
    assert found.sizes["seed"] in ((5,) if done else (3, 5))
    same(lmdata.extend(folder / "run", seeds=WIDER), WIDER)
    whole(folder / "run", WIDER)


def published(folder: Path, done: bool) -> None:
    if "v1" not in lmdata.versions(folder / "run"):
        assert not done
        lmdata.publish(folder / "run", "v1")
    assert "v1" in lmdata.versions(folder / "run")
    same(lmdata.extend(folder / "run", seeds=WIDER), WIDER)
    collect_garbage(folder / "run", keep=timedelta(0))
    same(lmdata.open(f"{folder / 'run'}@v1"))
    whole(folder / "run", WIDER)


def many_commits(folder: Path) -> None:
    from lmdata.data.store.writer import RunStore

    simulate(folder)
    for _ in range(4):
        with RunStore.append_to(folder / "run") as store:
            store.reset([1])
        lmdata.resume(folder / "run")
    lmdata.publish(folder / "run", "v1")


def tidying(folder: Path) -> None:
    """Go on with a run by a writer that keeps little history."""
    maintenance.KEPT_COMMITS = 2
    lmdata.extend(folder / "run", seeds=WIDER)


def collected(folder: Path, done: bool) -> None:
    whole(folder / "run")
    same(lmdata.open(f"{folder / 'run'}@v1"))
    collect_garbage(folder / "run", keep=timedelta(0))
    assert len(list((folder / "run" / "snapshots").iterdir())) <= 3
    whole(folder / "run")
    same(lmdata.extend(folder / "run", seeds=WIDER), WIDER)


def tidied(folder: Path, done: bool) -> None:
    extended(folder, done)
    same(lmdata.open(f"{folder / 'run'}@v1"))


def damaged(part: str) -> Callable[[Path], None]:
    """Return what makes a run with damage in it, of members that are computed again."""

    def prepare(folder: Path) -> None:
        simulate(folder)
        place = folder / "run"
        file = place / part
        if file.is_dir():
            file = max(file.iterdir(), key=lambda one: (one.stat().st_mtime_ns, one.stat().st_size))
        data = file.read_bytes()
        file.write_bytes(flip(data, 900) if part == "chunks" else data[:50])

    return prepare


def repaired(folder: Path, done: bool) -> None:
    lmdata.repair(folder / "run")
    whole(folder / "run")
    assert not done or lmdata.repair(folder / "run").ok


RECIPE_OF_TRAINING = SelectionRecipe.of(
    TokenSelection(trained="joint"), gaussian(2, 3, 4), starts=starts(count=3), seeds=[0, 5], steps=6, record=3
)


def train(folder: Path) -> None:
    run_to_store(RECIPE_OF_TRAINING, folder / "run")


@cache
def expected_training() -> xr.Dataset:
    return run(RECIPE_OF_TRAINING).load()


def trained(folder: Path, done: bool) -> None:
    place = folder / "run"
    if not place.exists():
        assert not done
        train(folder)
    lmdata.resume(place)
    assert lmdata.verify(place).ok
    found, right = lmdata.open(place), expected_training()
    assert found.attrs["digest"] == right.attrs["digest"]
    for name in right.data_vars:
        np.testing.assert_array_equal(found[name], right[name])
    nothing_else(folder)


def migrate(folder: Path) -> None:
    """Bring a run to a schema that is the present one from here on."""
    registry.SCHEMA = 2
    versions.MIGRATIONS = {1: lambda group: None}  # type: ignore[misc]
    lmdata.migrate(folder / "run")


def migrated(folder: Path, done: bool) -> None:
    """Migrate again what was not, with all else as it was."""
    migrate(folder)
    whole(folder / "run")
    same(lmdata.extend(folder / "run", seeds=WIDER), WIDER)


def atlas(folder: Path) -> xr.Dataset:
    storing.TOGETHER = 1
    return lmdata.atlas(MODEL, TOKENS, seeds=SEEDS, store=folder / "atlas")


@cache
def expected_atlas() -> xr.Dataset:
    return lmdata.atlas(MODEL, TOKENS, seeds=SEEDS).load()


def mapped(folder: Path, done: bool) -> None:
    assert not done or (folder / "atlas").exists()
    assert atlas(folder).load().equals(expected_atlas())
    assert lmdata.verify(folder / "atlas").ok
    assert [path.name for path in folder.iterdir()] == ["atlas"]


def catalog_of(folder: Path) -> Catalog:
    return Catalog(build, cache=folder / "cache")


RECIPE = {"model": {"kind": "localmax"}, "tokens": {"kind": "uniform", "n": 5, "d": 2}, "steps": 4, "seeds": [0, 1, 2]}
OTHER = {**RECIPE, "seeds": [7]}


def entries(folder: Path) -> None:
    """Make a catalogue of one's own, and a run that is to be entered."""
    simulate(folder)
    own = catalog_of(folder)
    own.add("kept", RECIPE, title="Kept")
    own.add("kept-too", folder / "run", title="Kept too")
    same(own.open("kept"))


def still_there(folder: Path) -> Catalog:
    own = catalog_of(folder)
    for name in ("kept", "kept-too"):
        assert own.check(name).ok
        same(own.open(name))
    same(lmdata.open(folder / "run"))
    return own


def add(folder: Path) -> None:
    catalog_of(folder).add("mine", folder / "run", title="Mine")


def add_recipe(folder: Path) -> None:
    catalog_of(folder).add("mine", OTHER, title="Mine")


def added(again: Callable[[Path], None], seeds: range) -> Callable[[Path, bool], None]:
    def after(folder: Path, done: bool) -> None:
        own = still_there(folder)
        if "mine" not in own:
            assert not done
            again(folder)
        assert own.check("mine").ok
        same(own.open("mine"), seeds)
        own.remove("mine")
        assert "mine" not in own
        assert not (folder / "cache" / "added" / "mine").exists()
        again(folder)
        same(own.open("mine"), seeds)
        still_there(folder)
        nothing_else(folder)

    return after


def with_mine(folder: Path) -> None:
    entries(folder)
    add(folder)


def remove(folder: Path) -> None:
    catalog_of(folder).remove("mine")


def removed(folder: Path, done: bool) -> None:
    own = still_there(folder)
    if "mine" in own:
        assert not done
        assert own.check("mine").ok
        own.remove("mine")
    added(add, SEEDS)(folder, False)


def opened(folder: Path, done: bool) -> None:
    own = still_there(folder)
    same(own.open("built"), range(7, 8))
    assert own.check("built").ok
    assert not list((folder / "cache" / "building").glob("*/"))
    nothing_else(folder)


def with_recipe(folder: Path) -> None:
    entries(folder)
    catalog_of(folder).add("built", OTHER, title="Built")


def mean(source: xr.Dataset, scale: int) -> xr.Dataset:
    return (scale * source.position.mean("token")).rename("mean_position").to_dataset()


def save(folder: Path, scale: int) -> None:
    own = catalog_of(folder)
    source = own.open("kept")
    own.save("mean", mean(source, scale), source=source, made_by="tests", title="Mean")


def saved(old: int | None) -> Callable[[Path, bool], None]:
    def after(folder: Path, done: bool) -> None:
        own = still_there(folder)
        source = own.open("kept")
        if "mean" in own:
            found = own.open("mean").mean_position.values
            known = {scale: mean(source, scale).mean_position.values for scale in (old, 2) if scale}
            scales = [scale for scale, values in known.items() if (found == values).all()]
            assert scales
            assert not done or scales == [2]
            assert own.check("mean").ok
        else:
            assert not done
            assert old is None
        save(folder, 3)
        np.testing.assert_array_equal(own.open("mean").mean_position, mean(source, 3).mean_position)
        still_there(folder)
        assert len(list((folder / "cache" / "derived").iterdir())) == 1
        own.remove("mean")
        assert list((folder / "cache" / "derived").iterdir()) == []
        nothing_else(folder)

    return after


def derive(folder: Path) -> None:
    source = lmdata.open(folder / "run")
    save_derived(mean(source, 1), folder / "mean", source=source, made_by="tests")


def derived(folder: Path, done: bool) -> None:
    if not (folder / "mean").exists():
        assert not done
        derive(folder)
    assert lmdata.verify(folder / "mean").ok
    np.testing.assert_array_equal(lmdata.open(folder / "mean").mean_position, mean(expected(), 1).mean_position)
    try:
        derive(folder)
    except StoreExists:
        nothing_else(folder)
    else:
        raise AssertionError("what is there was written over")


FILE = "lmdata_catalog: 1\ndatasets:\n  theirs:\n    title: Theirs\n    driver: recipe\n    recipe: {recipe}\n"


def with_file(folder: Path) -> None:
    entries(folder)
    (folder / "theirs.yaml").write_text(FILE.format(recipe=json.dumps(OTHER)))
    (folder / "others.yaml").write_text(FILE.replace("theirs", "others").format(recipe=json.dumps(OTHER)))
    catalog_of(folder).include(folder / "others.yaml")


def with_included(folder: Path) -> None:
    with_file(folder)
    catalog_of(folder).include(folder / "theirs.yaml")


def include(folder: Path) -> None:
    catalog_of(folder).include(folder / "theirs.yaml")


def exclude(folder: Path) -> None:
    catalog_of(folder).exclude(folder / "theirs.yaml")


def included(folder: Path, done: bool, *, there: bool = True) -> None:
    own = still_there(folder)
    assert "others" in own
    assert not done or ("theirs" in own) is there
    if "theirs" not in own:
        include(folder)
    same(catalog_of(folder).open("theirs"), range(7, 8))
    exclude(folder)
    assert "theirs" not in catalog_of(folder)
    assert "others" in catalog_of(folder)
    nothing_else(folder)


def export(kind: str) -> Callable[[Path], None]:
    suffix = {"intake": "yaml", "stac": "json"}[kind]

    def do(folder: Path) -> None:
        catalog_of(folder).export(folder / f"out.{suffix}", format=kind, names=["kept", "kept-too"])

    return do


def exported(kind: str) -> Callable[[Path, bool], None]:
    suffix = {"intake": "yaml", "stac": "json"}[kind]

    def after(folder: Path, done: bool) -> None:
        still_there(folder)
        file = folder / f"out.{suffix}"
        if not file.exists():
            assert not done
            export(kind)(folder)
        text = file.read_text()
        for name in ("kept", "kept-too"):
            assert name in text
            whole(folder / "out" / f"{name}.zarr")
        try:
            export(kind)(folder)
        except StoreExists:
            nothing_else(folder)
        else:
            raise AssertionError("what is there was written over")

    return after


def copied(name: str, copy: Callable[[Path], object]) -> Callable[[Path, bool], None]:
    """Return what follows an act that makes something whole at a place, by one call, or nothing."""

    def after(folder: Path, done: bool) -> None:
        if not (folder / name).exists():
            assert not done
            copy(folder)
        if name.endswith(".zip"):
            import_zarr(folder / name, folder / "back")
            whole(folder / "back")
        else:
            whole(folder / name)
        try:
            copy(folder)
        except StoreExists:
            nothing_else(folder)
        else:
            raise AssertionError("what is there was written over")

    return after


def export_folder(folder: Path) -> None:
    export_zarr(folder / "run", folder / "out.zarr")


def export_archive(folder: Path) -> None:
    export_zarr(folder / "run", folder / "out.zip")


def with_export(folder: Path) -> None:
    simulate(folder)
    export_folder(folder)


def with_archive(folder: Path) -> None:
    simulate(folder)
    export_archive(folder)


def import_archive(folder: Path) -> None:
    import_zarr(folder / "out.zip", folder / "in")


def page(folder: Path) -> None:
    figure = view.occupancy(lmdata.open(folder / "run"))
    view.write_page(folder / "page.html", "Occupancy", [view.Section("All", figure)])


def picture(folder: Path) -> None:
    view.save(view.occupancy(lmdata.open(folder / "run").isel(seed=0)), folder / "picture.png")


def drawn(name: str, draw: Callable[[Path], None], ending: bytes) -> Act:
    """Return the act of replacing a file, which is whole at every instant."""

    def prepare(folder: Path) -> None:
        simulate(folder)
        draw(folder)

    def after(folder: Path, done: bool) -> None:
        assert (folder / name).read_bytes().rstrip().endswith(ending)
        for left in folder.glob(".*"):
            os.utime(left, (0, 0))  # an hour later
        draw(folder)
        nothing_else(folder)

    return Act(prepare, draw, after)


def import_export(folder: Path) -> None:
    import_zarr(folder / "out.zarr", folder / "in")


def nothing(folder: Path) -> None:
    pass


ACTS = {
    "simulate": Act(nothing, simulate, simulated),
    "simulate, durably": Act(nothing, lambda folder: simulate(folder, durable=True), simulated),
    "resume": Act(begun, lambda folder: lmdata.resume(folder / "run"), resumed),
    "extend": Act(simulate, lambda folder: lmdata.extend(folder / "run", seeds=WIDER), extended),
    "publish": Act(simulate, lambda folder: lmdata.publish(folder / "run", "v1"), published),
    "gc": Act(many_commits, lambda folder: collect_garbage(folder / "run", keep=timedelta(0)), collected),
    "tidy up": Act(many_commits, tidying, tidied),
    "repair a chunk": Act(damaged("chunks"), lambda folder: lmdata.repair(folder / "run"), repaired),
    "repair the repository": Act(damaged("repo"), lambda folder: lmdata.repair(folder / "run"), repaired),
    "repair a snapshot": Act(damaged("snapshots"), lambda folder: lmdata.repair(folder / "run"), repaired),
    "add a store": Act(entries, add, added(add, SEEDS)),
    "add a recipe": Act(entries, add_recipe, added(add_recipe, range(7, 8))),
    "remove": Act(with_mine, remove, removed),
    "build": Act(with_recipe, lambda folder: catalog_of(folder).open("built"), opened),
    "save": Act(entries, lambda folder: save(folder, 2), saved(None)),
    "save again": Act(lambda folder: (entries(folder), save(folder, 1)), lambda folder: save(folder, 2), saved(1)),
    "derive": Act(simulate, derive, derived),
    "include": Act(with_file, include, included),
    "exclude": Act(with_included, exclude, lambda folder, done: included(folder, done, there=False)),
    "export for intake": Act(entries, export("intake"), exported("intake")),
    "export for STAC": Act(entries, export("stac"), exported("stac")),
    "export a folder": Act(simulate, export_folder, copied("out.zarr", export_folder)),
    "export an archive": Act(simulate, export_archive, copied("out.zip", export_archive)),
    "import a folder": Act(with_export, import_export, copied("in", import_export)),
    "import an archive": Act(with_archive, import_archive, copied("in", import_archive)),
    "train": Act(nothing, train, trained),
    "migrate": Act(simulate, migrate, migrated),
    "make an atlas": Act(nothing, atlas, mapped),
    "write a page": drawn("page.html", page, b"</html>"),
    "save a picture": drawn("picture.png", picture, b"IEND\xaeB`\x82"),
}


def in_child(run: Callable[[], object]) -> tuple[bool, str]:
    """Run something in a child; return whether it was killed, and what it said or raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        told = ""
        process.PROCESS = os.getpid()
        try:
            answer = run()
            told = str(answer) if isinstance(answer, int) else ""
        except BaseException:
            told = traceback.format_exc()[-20_000:]
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, told


def tried(folder: Path, name: str, most: int) -> dict[str, Any]:
    """Kill an act at so many of its operations, evenly chosen, or at all; return how many, and what went wrong."""
    act, failing = ACTS[name], Failing()
    template, copy = folder / "template", folder / "copy"
    copy.mkdir(parents=True)
    _, told = in_child(lambda: act.prepare(copy))  # where it will be: some of it holds its own path
    assert not told, told
    copy.rename(template)
    wrong, killed = [], 0

    def attempt(number: int) -> int:
        """Kill the act at an operation, and try what follows; return how many operations there were."""
        shutil.copytree(template, copy, symlinks=True)

        def do() -> int:
            failing.kill_at(copy, number)
            act.do(copy)
            return failing.count

        ended, told = in_child(do)
        count = int(told) if told.isdecimal() else 0
        told = "" if count else told
        if not told:
            _, told = in_child(lambda: act.after(copy, not ended))
        if told:
            wrong.append(f"{name}, {f'killed at operation {number}' if ended else 'done'}: {told}")
        shutil.rmtree(copy)
        nonlocal killed
        killed += ended
        return count

    operations = attempt(1_000_000)
    for number in sorted({round(each) for each in np.linspace(1, operations, min(most, operations))}):
        attempt(number)
    shutil.rmtree(template)
    return {"operations": operations, "killed": killed, "wrong": wrong}


def main(folder: Path, most: int, names: list[str]) -> None:
    logging.disable()
    warnings.simplefilter("ignore")
    os.environ["LMDATA_CACHE"] = str(folder / "home")
    catalog.shipped_files = list  # type: ignore[assignment]  # the catalogue has what an act enters, and is read fast
    for name in names or ACTS:
        {"train": expected_training, "make an atlas": expected_atlas}.get(name, expected)()  # loads what is compiled
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a forked child lacks the threads of its parent"
    for name in names or ACTS:
        began = time.monotonic()
        found = tried(folder / "act", name, most)
        print(json.dumps({"act": name, "seconds": round(time.monotonic() - began, 1), **found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
