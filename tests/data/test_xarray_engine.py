import numpy as np
import pytest
import xarray as xr

from lmdata.data.export import export_zarr
from lmdata.errors import IncompleteDataset
from lmdata.xarray_engine import LmdataBackend


def test_xarray_opens_a_store_without_an_engine(tmp_path, example, small_blocks):
    made = example()
    place = made.write(tmp_path / "run")
    with xr.open_dataset(place) as ds:
        assert not ds.position.variable._in_memory
        assert ds.position.chunks is None
        np.testing.assert_array_equal(ds.position, made.grid)
    with xr.open_dataset(place, chunks={}) as ds:
        assert ds.position.data.chunksize == made.layout.chunks("position")
    with xr.open_dataset(place, chunks={"seed": 4}, drop_variables="digest") as ds:
        assert ds.position.data.chunksize[1] == 4
        assert "digest" not in ds


def test_partial_stores_need_a_word(tmp_path, example):
    place = example().write(tmp_path / "run", leave=1)
    with pytest.raises(IncompleteDataset):
        xr.open_dataset(place)
    with xr.open_dataset(place, allow_partial=True) as ds:
        assert int(np.isnan(ds.position).any(("time", "token", "component")).sum()) == 1


def test_only_what_is_ours_is_claimed(tmp_path, example):
    can_open = LmdataBackend().guess_can_open
    place = example().write(tmp_path / "run")
    export_zarr(place, tmp_path / "plain.zarr")
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    assert can_open(place)
    assert can_open(str(tmp_path / "plain.zarr"))
    assert can_open("lmdata:anything")
    assert not can_open(tmp_path / "other.zarr")
    assert not can_open(tmp_path)
    assert not can_open("file.nc")
    assert not can_open(b"bytes")
