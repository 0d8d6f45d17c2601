import numpy as np
import pytest
import xarray as xr

import lmdata
import lmdata.analysis
from lmdata.data.derived import save_derived
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


@pytest.fixture
def exported(tmp_path, example):
    place = example().write(tmp_path / "run")
    export_zarr(place, tmp_path / "plain.zarr")
    return tmp_path / "plain.zarr"


@pytest.mark.filterwarnings("ignore::Warning")  # of zarr, on metadata and text that xarray writes
def test_what_xarray_wrote_of_a_dataset_is_read_as_without_lmdata(tmp_path, exported):
    can_open = LmdataBackend().guess_can_open
    ours, raw = lmdata.open(exported), xr.open_dataset(exported, engine="zarr", chunks={})
    counts = lmdata.analysis.cluster_counts(ours)
    derived = tmp_path / "derived.zarr"
    save_derived(counts, derived, source=ours, made_by="a test")
    save_derived(counts.drop_vars(list(counts.coords)), tmp_path / "bare.zarr", source=ours, made_by="a test")
    assert can_open(exported)
    assert can_open(derived)
    assert can_open(tmp_path / "bare.zarr")
    copies = {
        "of ours": ours,
        "of a mean": ours.mean("seed"),
        "of a part": ours.isel(seed=[0]),
        "of the raw data": raw,
        "of their mean": raw.mean("seed"),
        "of a measure": counts,
        "of a derived dataset": lmdata.open(derived),
        "of a raw derived dataset": xr.open_dataset(derived, engine="zarr"),
        "of a bare derived dataset": xr.open_dataset(tmp_path / "bare.zarr", engine="zarr"),
    }
    for name, copy in copies.items():
        copy.to_zarr(tmp_path / f"{name}.zarr")
        assert not can_open(tmp_path / f"{name}.zarr"), name
        found, expected = (xr.open_dataset(tmp_path / f"{name}.zarr", **engine) for engine in ({}, {"engine": "zarr"}))
        xr.testing.assert_identical(found.load(), expected.load())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"attributes": []}', "\xff", '{"attributes": {"layout_digest": 1}}'])
def test_metadata_of_any_kind_are_looked_at_without_a_fault(tmp_path, text):
    (tmp_path / "zarr.json").write_bytes(text.encode("latin-1"))
    assert not LmdataBackend().guess_can_open(tmp_path)


def test_decoders_change_nothing(exported):
    expected = xr.open_dataset(exported).load()
    for options in (
        *({"decode_times": False}, {"mask_and_scale": False}, {"decode_coords": "all"}, {"use_cftime": True}),
        *({"decode_timedelta": False}, {"decode_cf": False}, {"chunks": {}, "concat_characters": False}),
    ):
        xr.testing.assert_identical(xr.open_dataset(exported, **options).load(), expected)
    with pytest.raises(TypeError, match="takes no option 'group'"):
        xr.open_dataset(exported, engine="lmdata", group="x")


def test_several_names_and_trees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ds = lmdata.open("hardmax-square")
    several = []
    if tuple(map(int, xr.__version__.split(".")[:2])) >= (2026, 7):  # before, it asks for the time of the name's file
        several = [xr.open_mfdataset(["lmdata:hardmax-square"], **given) for given in ({}, {"engine": "lmdata"})]
    for opened in (
        *several,
        xr.open_datatree("lmdata:hardmax-square").to_dataset(),
        xr.open_datatree("lmdata:hardmax-square", engine="lmdata", drop_variables="digest").to_dataset(),
        xr.open_groups("lmdata:hardmax-square")["/"],
    ):
        np.testing.assert_array_equal(opened.position, ds.position)
