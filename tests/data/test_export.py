import numpy as np
import pytest
import xarray as xr
import zarr

from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, IncompleteDataset, StoreExists


@pytest.mark.parametrize("chunking", ["small_blocks", pytest.param("long_members", marks=pytest.mark.long)])
def test_there_and_back_is_identical(tmp_path, example, request, chunking):
    request.getfixturevalue(chunking)
    made = example(labels=("a", "b", "c", "é"), diagnostics=("ambiguous_ties",))
    with RunStore.create(tmp_path / "run", made.layout, initial=np.ones((4, 2))) as store:
        made.finish(store)
    export_zarr(tmp_path / "run", tmp_path / "plain.zarr")
    import_zarr(tmp_path / "plain.zarr", tmp_path / "back")
    original, plain, back = (open_dataset(tmp_path / name) for name in ("run", "plain.zarr", "back"))
    assert plain.position.data.chunksize == original.position.data.chunksize
    for ds in (original, back):
        ds.attrs.pop("snapshot")
    xr.testing.assert_identical(plain.compute(), original.compute())
    xr.testing.assert_identical(back.compute(), original.compute())
    with RunStore.append_to(tmp_path / "back") as store:
        assert store.initial.tolist() == np.ones((4, 2)).tolist()
        assert store.pending() == []
    assert verify(tmp_path / "plain.zarr").ok
    assert verify(tmp_path / "back").ok


def test_any_program_that_reads_zarr_reads_an_export(tmp_path, example):
    made = example()
    export_zarr(made.write(tmp_path / "run"), tmp_path / "plain.zarr")
    with xr.open_zarr(tmp_path / "plain.zarr", consolidated=True) as ds:
        np.testing.assert_array_equal(ds.position, made.grid)
        assert ds.position.attrs["units"] == "1"
        assert ds.steps_done.dtype == np.int64
    assert zarr.open_group(tmp_path / "plain.zarr", mode="r").metadata.consolidated_metadata is not None


def test_what_is_incomplete_is_not_exported(tmp_path, example):
    place = example().write(tmp_path / "run", leave=1)
    with pytest.raises(IncompleteDataset, match="lmdata resume"):
        export_zarr(place, tmp_path / "plain.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_damaged_is_not_exported_or_imported(tmp_path, example, damage, small_blocks):
    place = example().write(tmp_path / "run")
    export_zarr(place, tmp_path / "plain.zarr")
    damage(tmp_path / "plain.zarr", "position/c/0/0/0/0/0")
    damage(place, "position/c/0/0/0/0/0")
    with pytest.raises(CorruptDataset):
        export_zarr(place, tmp_path / "copy.zarr")
    with pytest.raises(CorruptDataset, match="damaged"):
        import_zarr(tmp_path / "plain.zarr", tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain.zarr", "run"]


def test_swapped_chunks_are_not_exported(tmp_path, example, raw, small_blocks):
    place = example().write(tmp_path / "run")
    with raw(place) as keys:
        one, two = "position/c/0/0/0/0/0", "position/c/2/1/0/0/0"
        keys[one], keys[two] = keys[two], keys[one]
    with pytest.raises(CorruptDataset, match="digest"):
        export_zarr(place, tmp_path / "copy.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_existing_target_is_left_as_it_is(tmp_path, example):
    place = example().write(tmp_path / "run")
    (tmp_path / "there").mkdir()
    for copy in (export_zarr, import_zarr):
        with pytest.raises(StoreExists):
            copy(place, tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []
