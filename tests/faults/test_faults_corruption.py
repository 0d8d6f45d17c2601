"""Every file of a small dataset in turn is deleted, cut or flipped: what is read is an error, or what was written."""

import shutil

import numpy as np
import pytest

from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import LmdataError

from .conftest import flip

FAULTS = {
    "deleted": None,
    "empty": lambda data: b"",
    "one byte": lambda data: data[:1],
    "half": lambda data: data[: len(data) // 2],
    "all but one byte": lambda data: data[:-1],
    "one bit": lambda data: flip(data, 4 * len(data)),
    "first bit": lambda data: flip(data, 0),
    "zeroed": lambda data: bytes(len(data)),
}


@pytest.fixture
def dataset(tmp_path, example, small_blocks, request):
    """A run store with a commit a block, its export, or a derived dataset; and what reading it gives."""
    made = example(labels=("a", "b", "c", "é"), seeds=(0, 1))
    place = tmp_path / "run"
    with RunStore.create(place, made.layout) as store:
        for block in store.pending():
            made.put(store, block)
            store.commit()
    if request.param == "export":
        export_zarr(place, tmp_path / "export.zarr")
        place = tmp_path / "export.zarr"
    if request.param == "derived":
        source = open_dataset(place)
        derived = source.position.sum("token").to_dataset()
        save_derived(derived, tmp_path / "derived.zarr", source=source, made_by="tests")
        place = tmp_path / "derived.zarr"
    return place


def load(place):
    """Read everything of a dataset; what a program sees of it, but for when and where it was written."""
    ds = open_dataset(place).load()
    ds.attrs = {name: value for name, value in ds.attrs.items() if name not in ("snapshot", "created", "history")}
    return ds


def break_files(place, faults):
    """Yield a fresh copy of the dataset for each file and fault, broken in that one place."""
    for file in sorted(path.relative_to(place) for path in place.rglob("*") if path.stat().st_size and path.is_file()):
        for name in faults:
            copy = place.with_name("copy")
            shutil.copytree(place, copy)
            data = (copy / file).read_bytes()
            if FAULTS[name] is None:
                (copy / file).unlink()
            else:
                (copy / file).write_bytes(FAULTS[name](data))
            yield f"{file} {name}", copy
            shutil.rmtree(copy)


def check(place, expected, what):
    """Read a broken dataset: return whether it raised an error of ours; it must be equal otherwise."""
    try:
        found = load(place)
    except (LmdataError, FileNotFoundError):
        return True
    assert found.identical(expected), what
    return False


@pytest.mark.parametrize(
    "dataset", ["run", *(pytest.param(name, marks=pytest.mark.long) for name in ("export", "derived"))], indirect=True
)
@pytest.mark.parametrize("faults", [["half"], pytest.param([*FAULTS], marks=pytest.mark.long)])
def test_broken_files_give_errors_or_equal_data(dataset, faults):
    expected, errors = load(dataset), 0
    for what, copy in break_files(dataset, faults):
        raised = check(copy, expected, what)
        errors += raised
        if not raised or (copy / "zarr.json").exists() or (copy / "repo").exists():
            try:
                report = verify(copy)
            except (LmdataError, FileNotFoundError):
                continue
            if raised:
                assert not report.ok, what
                assert "o do" in report.advice
    assert errors > 3


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["run", "export", "derived"], indirect=True)
def test_hundreds_of_flipped_bits(dataset):
    expected, random = load(dataset), np.random.default_rng(7)
    files = sorted(path for path in dataset.rglob("*") if path.is_file() and path.stat().st_size)
    for _ in range(400):
        file = files[random.integers(len(files))]
        data = file.read_bytes()
        bit = int(random.integers(8 * len(data)))
        file.write_bytes(flip(data, bit))
        check(dataset, expected, f"{file.name} bit {bit}")
        file.write_bytes(data)
    assert load(dataset).identical(expected)


@pytest.mark.long
@pytest.mark.parametrize("dataset", ["run"], indirect=True)
def test_what_is_repaired_is_as_it_was_or_says_that_it_cannot(dataset, example):
    made = example(labels=("a", "b", "c", "é"), seeds=(0, 1))
    expected, mended = load(dataset), 0
    for what, copy in break_files(dataset, ["deleted", "half", "one bit"]):
        try:
            repair_store(copy)
            with RunStore.append_to(copy) as store:
                made.finish(store)
        except (LmdataError, FileNotFoundError):
            continue
        assert verify(copy).ok, what
        assert load(copy).identical(expected), what
        mended += 1
    assert mended > 20
