"""What somebody may do to the contents of a store: each is an error that says what is wrong, never another number."""

import json
import multiprocessing
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import lmdata
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.maintenance import collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, InvalidInput, RecipeMismatch, StoreError, StoreLocked

from ..data.conftest import SMALL, Example

CHUNKS = ("position/c/0/0/0/0/0", "position/c/1/0/0/0/0")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A dataset of several chunks, with words for tokens, as a run and as an export, and what it has to be."""
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmdata.data.layout.BLOCK_BYTES", SMALL)
        made = Example(labels=("a", "b", "c", "é"), diagnostics=("ambiguous_ties",))
        export_zarr(made.write(folder / "run"), folder / "plain.zarr")
    return folder, made


@pytest.fixture(params=["run", "plain.zarr"])
def stored(tmp_path, written, small_blocks, request):
    """A copy of it, and what it has to be."""
    folder, made = written
    return Path(shutil.copytree(folder / request.param, tmp_path / request.param)), made


def test_two_swapped_chunks_are_found_and_mended(stored, raw):
    """A checksum cannot see it: each chunk is whole. The digests of the members can."""
    place, made = stored
    with raw(place) as keys:
        keys[CHUNKS[0]], keys[CHUNKS[1]] = keys[CHUNKS[1]], keys[CHUNKS[0]]
    report = verify(place)
    assert {problem.kind for problem in report.problems} == {"damaged"}
    assert set(report.damaged) == {member for block in list(made.layout.blocks())[:3:2] for member in block}
    if place.name == "run":
        assert "lmdata repair" in report.advice
        repair_store(place)
        with RunStore.append_to(place) as store:
            made.finish(store)
        np.testing.assert_array_equal(open_dataset(place).position, made.grid)
        assert verify(place).ok
    else:
        assert "make it again" in report.advice


@pytest.mark.parametrize("name", ["position", "ambiguous_ties", "status", "digest", "steps_done", "seed", "influence"])
@pytest.mark.parametrize("renamed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_variable_that_was_removed_or_renamed(stored, raw, name, renamed):
    place, _ = stored
    with raw(place) as keys:
        metadata = keys[f"{name}/zarr.json"]
        del keys[f"{name}/zarr.json"]
        if renamed:
            keys["other/zarr.json"] = metadata
        if "consolidated_metadata" in (root := json.loads(keys["zarr.json"])):
            found = root["consolidated_metadata"]["metadata"].pop(name)
            if renamed:
                root["consolidated_metadata"]["metadata"]["other"] = found
            keys["zarr.json"] = json.dumps(root).encode()
    with pytest.raises(CorruptDataset):
        open_dataset(place)
    assert not verify(place).ok


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (0, 1, 5, 7, 7)},
        {"seeds": (0, 1, 5, 7, 0)},
        {"swept": {"influence": (0.5, 1.0, 2.0, 1.0)}},
        {"swept": {"influence": (0.5, 1.0, 2.0, np.nan)}},
    ],
)
def test_extension_by_what_is_there_already_is_refused(tmp_path, example, change):
    made = example()
    place = made.write(tmp_path / "run")
    before = open_dataset(place).load()
    wider = replace(made.layout)
    for field, values in change.items():
        object.__setattr__(wider, field, values)  # as a layout that no constructor has seen
    with RunStore.append_to(place) as store, pytest.raises(InvalidInput, match="twice"):
        store.extend(wider)
    assert open_dataset(place).identical(before)
    np.testing.assert_array_equal(before.position, made.grid)


def test_extension_that_is_made_twice_changes_nothing_the_second_time(tmp_path, example):
    made = example()
    place = made.write(tmp_path / "run")
    wider = example(seeds=(0, 1, 5, 7, 9))
    wider.grid[:, :4] = made.grid
    for _ in range(2):
        with RunStore.append_to(place) as store:
            store.extend(wider.layout)
            wider.finish(store)
    ds = open_dataset(place)
    assert ds.seed.values.tolist() == [0, 1, 5, 7, 9]
    np.testing.assert_array_equal(ds.position, wider.grid)


def test_other_labels_other_times_and_another_recipe_are_refused(tmp_path, example):
    made = example(labels=("a", "b", "c", "é"), diagnostics=("ambiguous_ties",))
    place = made.write(tmp_path / "run")
    wider = replace(made.layout, seeds=(*made.layout.seeds, 9))
    for other in (
        replace(wider, labels=("a", "b", "c", "d")),
        replace(wider, labels=("b", "a", "c", "é")),
        replace(wider, labels=None),
        replace(wider, time=np.arange(7)),
        replace(wider, diagnostics=()),
    ):
        with pytest.raises(RecipeMismatch, match="nothing else"), RunStore.append_to(place) as store:
            store.extend(other)
    ds = open_dataset(place)
    assert ds.token.values.tolist() == ["a", "b", "c", "é"]
    np.testing.assert_array_equal(ds.position, made.grid)


def test_run_of_another_recipe_is_left_as_it_is(tmp_path):
    run = {"steps": 3, "seeds": (0, 1), "store": tmp_path / "run"}
    made = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), **run)
    with pytest.raises(RecipeMismatch, match="another recipe"):
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), **run | {"seeds": (0, 1, 2)})
    assert lmdata.open(tmp_path / "run").identical(made)


def test_reader_whose_commit_is_collected_gets_an_error_and_never_another_number(tmp_path, example, small_blocks):
    made = example()
    place = made.write(tmp_path / "run", leave=8)
    old = open_dataset(place, allow_partial=True)
    with RunStore.append_to(place) as store:
        made.finish(store)
    collect_garbage(place, keep=timedelta(days=1))
    np.testing.assert_array_equal(old.position.values.reshape(12, -1)[:4], made.grid.reshape(12, -1)[:4])
    with RunStore.append_to(place) as store:
        store.reset(range(4))
        made.finish(store)
    collect_garbage(place, keep=timedelta(0))
    assert verify(place).ok
    with pytest.raises(StoreError, match=r"the commit \w+ of .*run that is read here is gone.*open it again") as caught:
        old.position.load()
    assert not isinstance(caught.value, CorruptDataset)  # repairing would be no remedy


def collect(place, told):
    try:
        collect_garbage(place, keep=timedelta(0))
    except StoreLocked as error:
        told.put(str(error))


def test_garbage_is_not_collected_by_another_process_while_somebody_writes(tmp_path, example, small_blocks):
    made = example()
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, store.pending()[0])
        other = context.Process(target=collect, args=(tmp_path / "run", told))
        other.start()
        other.join()
        assert "is being written by process" in told.get()
        made.finish(store)
    told.close()
    assert verify(tmp_path / "run").ok
