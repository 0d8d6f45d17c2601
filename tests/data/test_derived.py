import json

import dask
import dask.array
import numpy as np
import pytest
import xarray as xr

from lmdata.data.derived import save_derived
from lmdata.data.opening import open_dataset
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, InvalidInput, RecipeMismatch, StoreError, StoreExists


@pytest.fixture
def source(tmp_path, example, small_blocks):
    return open_dataset(example(labels=("a", "b", "c", "é")).write(tmp_path / "run"))


@pytest.fixture
def measured(source):
    """Something of every kind that a measure makes, lazily."""
    ds = source.position.mean(("token", "component")).to_dataset(name="volume")
    ds["rank"] = (ds.volume > 0).astype("int64")
    ds["settled"] = source.position.max(("time", "token", "component")) > 1
    ds["word"] = ("token", source.token.values)
    ds["total"] = ds.volume.sum()
    ds["nothing"] = ("empty", np.zeros(0))
    ds.volume.attrs = {"long_name": "volume", "flag_values": np.array([1, 2])}
    return ds.set_coords("rank").assign_attrs(source.attrs)


def save(dataset, source, place):
    save_derived(dataset, place, source=source, made_by="tests", parameters={"radius": 0.5})


def test_what_is_saved_is_what_is_opened(tmp_path, source, measured):
    save(measured, source, tmp_path / "derived")
    found = open_dataset(tmp_path / "derived")
    xr.testing.assert_equal(found.compute(), measured.compute())
    assert set(found.coords) == set(measured.coords)
    assert {name: var.dtype for name, var in found.variables.items()} == {
        name: var.dtype for name, var in measured.variables.items()
    }
    assert found.volume.attrs == {"long_name": "volume", "flag_values": [1, 2]}


def test_provenance_is_kept(tmp_path, source, measured):
    save(measured, source, tmp_path / "derived")
    attrs = open_dataset(tmp_path / "derived").attrs
    origin = json.loads(attrs["source"])
    assert origin["digest"] == source.attrs["digest"]
    assert origin["snapshot"] == source.attrs["snapshot"]
    assert origin["recipe_id"] == source.attrs["recipe_id"]
    assert attrs["made_by"] == "tests"
    assert attrs["parameters"] == '{"radius":0.5}'
    assert attrs["digest"] != source.attrs["digest"]
    assert "snapshot" not in attrs


def test_everything_is_computed_in_one_pass_and_opened_lazily(tmp_path, source, measured):
    reads = []

    def count(block):
        reads.append(block.size)
        return block

    lazy = source.position.data.map_blocks(count, dtype=float, meta=np.zeros((0,) * 5))
    both = xr.Dataset(
        {"a": source.position.copy(data=lazy).mean("token"), "b": source.position.copy(data=lazy).max("token")}
    )
    save(both, source, tmp_path / "derived")
    assert len(reads) == lazy.npartitions
    with dask.config.set(scheduler=lambda *args, **kwargs: 1 / 0):
        opened = open_dataset(tmp_path / "derived")
        opened.a.mean()
    assert opened.a.data.chunksize == both.a.data.chunksize


def test_irregular_chunks_are_made_regular(tmp_path, source):
    irregular = xr.Dataset({"a": ("x", dask.array.from_array(np.arange(10.0), chunks=((2, 5, 3),)))})
    save(irregular, source, tmp_path / "derived")
    np.testing.assert_array_equal(open_dataset(tmp_path / "derived").a, np.arange(10.0))


def test_what_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path, source):
    for wrong in (
        xr.Dataset({"a": ("x", [object()])}),
        xr.Dataset({"a": ("x", [1j])}),
        xr.Dataset(attrs={"a": np.nan}),
    ):
        with pytest.raises(InvalidInput):
            save(wrong, source, tmp_path / "derived")
    (tmp_path / "there").mkdir()
    with pytest.raises(StoreExists):
        save(xr.Dataset(), source, tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there"]


def test_failure_while_computing_leaves_nothing(tmp_path, source):
    bad = source.position.data.map_blocks(lambda block: 1 / 0, dtype=float, meta=np.zeros((0,) * 5))
    with pytest.raises(ZeroDivisionError):
        save(xr.Dataset({"a": source.position.copy(data=bad)}), source, tmp_path / "derived")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("fault", ["flip", "swap", "remove"])
def test_damage_is_found(tmp_path, source, raw, damage, fault):
    place = tmp_path / "derived"
    save(xr.Dataset({"a": source.position.mean("token")}), source, place)
    assert verify(place).ok
    one, two = "a/c/0/0/0/0", "a/c/1/0/0/0"
    with raw(place) as keys:
        if fault == "flip":
            damage(place, one)
        elif fault == "swap":
            keys[one], keys[two] = keys[two], keys[one]
        else:
            del keys[one]
    report = verify(place)
    assert [problem.kind for problem in report.problems] == ["damaged"]
    assert "make it again" in report.advice
    if fault != "swap":
        with pytest.raises(CorruptDataset):
            open_dataset(place).a.values  # noqa: B018


def test_foreign_and_newer_folders_are_refused(tmp_path, source):
    save(xr.Dataset({"a": source.position.mean("token")}), source, tmp_path / "derived")
    metadata = tmp_path / "derived" / "zarr.json"
    text = metadata.read_text()
    metadata.write_text(text.replace('"lmdata_derived": 1', '"lmdata_derived": 2'))
    with pytest.raises(RecipeMismatch, match="form 2"):
        open_dataset(tmp_path / "derived")
    metadata.write_text(text)
    (tmp_path / "derived" / "link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match="not a plain file"):
        open_dataset(tmp_path / "derived")
