"""What people give: paths with a home directory, netCDF files, labelled numbers, and text that has to come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import lmdata
from lmdata.data.catalog.file import load_yaml
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.layout import Layout
from lmdata.errors import CatalogError, IncompleteDataset, InvalidInput, StoreError
from lmdata.numerics.checks import as_path

TOKENS = lmdata.tokens.uniform(4, 2)


@pytest.fixture(scope="module")
def swept():
    return lmdata.simulate(lmdata.Localmax(), TOKENS, steps=4, seeds=range(2), sweep={"influence": [0.5, 1.0]})


def test_a_home_directory_in_every_path(tmp_path, monkeypatch, swept):
    monkeypatch.setenv("HOME", str(tmp_path))
    made = lmdata.simulate(lmdata.Localmax(), TOKENS, steps=2, store="~/run")
    assert (tmp_path / "run" / "repo").is_file()
    for opened in (lmdata.open("~/run"), xr.open_dataset("~/run"), lmdata.resume("~/run")):
        np.testing.assert_array_equal(opened.position, made.position)
    assert lmdata.verify("~/run").ok
    export_zarr("~/run", "~/plain.zarr")
    assert alike(lmdata.open("~/plain.zarr"), made)
    save_derived(lmdata.interaction(swept), "~/derived.zarr", source=swept, made_by="a test")
    assert (tmp_path / "derived.zarr").is_dir()
    swept.to_netcdf(tmp_path / "file.nc")
    assert alike(lmdata.open("~/file.nc"), swept)


def alike(one, other):
    return np.array_equal(one.position, other.position)


@pytest.mark.parametrize("path", ["", "a\0b", 3, None, b"bytes", "~nobody-of-this-name/x"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InvalidInput, match="store"):
        as_path(path, "store")


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_netcdf_file_that_was_cut_is_told(tmp_path, share):
    whole = xr.Dataset({"a": ("x", np.arange(99.0))}, attrs={"title": "t" * 99})
    data = bytes(whole.to_netcdf(engine="scipy"))
    (tmp_path / "cut.nc").write_bytes(data[: int(share * len(data))])
    with pytest.raises(StoreError, match="lmdata"):
        lmdata.open(tmp_path / "cut.nc")


def test_a_netcdf_file_is_a_dataset_as_it_was(tmp_path, swept):
    words = swept.assign_coords(token=["a", "ç", "日本", "·"])
    for ds in (swept, words):
        ds.to_netcdf(tmp_path / "file.nc")
        found = lmdata.open(tmp_path / "file.nc")
        assert found.position.chunks is not None
        xr.testing.assert_equal(found.load(), ds)
        for measure in (lmdata.interaction, lmdata.hull_volume, lmdata.quiescent_sets, lmdata.convergence):
            xr.testing.assert_equal(measure(found), measure(ds))
        found.close()


def test_files_that_are_no_dataset(tmp_path, swept):
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(tmp_path / "other.nc")
    (tmp_path / "text.txt").write_text("no data")
    (tmp_path / "empty.nc").write_bytes(b"")
    for name, words in (("other.nc", "lmdata_schema"), ("text.txt", "netCDF"), ("empty.nc", "netCDF")):
        with pytest.raises(StoreError, match=words):
            lmdata.open(tmp_path / name)
    swept.assign(status=swept.status * 0).to_netcdf(tmp_path / "partial.nc")
    with pytest.raises(IncompleteDataset, match="allow_partial"):
        lmdata.open(tmp_path / "partial.nc")
    assert np.isnan(lmdata.hull_volume(lmdata.open(tmp_path / "partial.nc", allow_partial=True))).all()


def test_numbers_come_with_or_without_labels(swept):
    again = lmdata.simulate(
        lmdata.Localmax(),
        TOKENS,
        steps=swept.time[-1],
        seeds=swept.seed,
        sweep={"influence": swept.influence},
        record=swept.time,
    )
    np.testing.assert_array_equal(again.position, swept.position)
    number = swept.influence[0]
    assert lmdata.Localmax(number, influence=number) == lmdata.Localmax(0.5, influence=0.5)
    assert lmdata.Localmax(swept.influence).schedule.sequence == (0.5, 1.0)
    assert lmdata.Softmax(inverse_temperature=number).inverse_temperature == 0.5
    assert lmdata.schedules.Geometric(number, number) == lmdata.schedules.Geometric(0.5, 0.5)
    assert lmdata.tokens.uniform(swept.seed[1] + 3, 2) == TOKENS
    assert lmdata.simulate(lmdata.Localmax(), TOKENS, steps=1, seeds=pd.Index([3, 4])).seed.values.tolist() == [3, 4]
    assert lmdata.limit_polytope(swept, tolerance=number).identical(lmdata.limit_polytope(swept, tolerance=0.5))
    for wrong in (
        {"seeds": swept.seed[0]},
        {"seeds": swept.influence},
        {"record": swept.influence},
        {"steps": swept.seed},
    ):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            lmdata.simulate(lmdata.Localmax(), TOKENS, **{"steps": 4, **wrong})


BROKEN = ("cut\0", "\ud800", "half \udfff of it", "\0")


@pytest.mark.parametrize("label", BROKEN)
def test_text_that_would_not_come_back_is_refused_at_the_door(tmp_path, swept, label):
    with pytest.raises(InvalidInput, match=r"labels\[1\]"):
        lmdata.tokens.array(np.eye(2), labels=["good", label])
    with pytest.raises(InvalidInput, match=r"labels\[0\]"):
        Layout(swept={}, seeds=(0,), time=np.arange(2), time_unit="step", labels=(label, "b"), tokens=2, components=1)
    words = xr.DataArray(np.array([label, "b", "c", "d"], dtype=object), dims="token")
    with pytest.raises(InvalidInput, match="text to be stored"):
        save_derived(swept[["position"]].assign(word=words), tmp_path / "kept", source=swept, made_by="a test")
    assert not list(tmp_path.iterdir())


def test_all_other_text_comes_back(tmp_path):
    labels = ["", " ", "a\0b", "\n", "𝄞", "e\u0301", "\u202e"]
    tokens = lmdata.tokens.array(np.eye(7), labels=labels)
    lmdata.simulate(lmdata.Localmax(), tokens, steps=1, store=tmp_path / "run")
    assert lmdata.open(tmp_path / "run").token.values.tolist() == labels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("010", 10), ("-010", -10), ("08", 8), ("0o10", 8), ("0x1F", 31), ("+3", 3), ("1e-1", 0.1), ("09.5", 9.5)),
        *(("1.5e3", 1500.0), (".5", 0.5), ("-.inf", -np.inf), ("'010'", "010"), ("1e3", 1000.0), ("0", 0)),
    ],
)
def test_numbers_of_yaml_are_those_of_its_present_version(tmp_path, text, value):
    (tmp_path / "file.yaml").write_text(f"a: {text}\n")
    found = load_yaml(tmp_path / "file.yaml")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["1_000", "1:30", "0b11", "1.2_3", "1:30.5", "0x_1"])
def test_numbers_of_an_earlier_yaml_are_refused(tmp_path, text):
    (tmp_path / "file.yaml").write_text(f"a: {text}\n")
    with pytest.raises(CatalogError, match=r"number of YAML 1.1 alone.*line 1"):
        load_yaml(tmp_path / "file.yaml")
