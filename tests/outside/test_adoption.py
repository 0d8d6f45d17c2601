"""What others have written is read without trusting it, and comes out as what it was."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile

import numpy as np
import pytest
import xarray as xr
import zarr

import lmdata
from lmdata.data.store.storage import Place
from lmdata.errors import InvalidInput, StoreExists
from lmdata.outside.files import sha256_of

RNG = np.random.default_rng(0)
POSITION = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
DIMS = ("run", "layer", "token", "component")
WORDS = ["a", "red", "fox", "ran"]


def labelled():
    ds = xr.Dataset({"position": (DIMS, POSITION)}, coords={"token": WORDS}, attrs={"title": "three layers"})
    return ds.assign_coords(run=[3, 7])


def safetensors(file, dtype, array):
    header = json.dumps(
        {"position": {"dtype": dtype, "shape": array.shape, "data_offsets": [0, array.nbytes]}}
    ).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + array.tobytes())


def written(kind, folder):
    file = folder / f"states.{kind}"
    match kind:
        case "npz":
            np.savez(file, position=POSITION, token=WORDS)
        case "npy":
            np.save(file, POSITION)
        case "safetensors":
            safetensors(file, "F32", POSITION)
        case "nc":
            labelled().drop_vars("token").to_netcdf(file, engine="scipy")
        case "zarr":
            labelled().to_zarr(file, zarr_format=2, consolidated=False)
        case "zarr3":
            labelled().to_zarr(file, zarr_format=3, consolidated=False)
    return file


@pytest.mark.parametrize("kind", ["npz", "npy", "safetensors", "nc", "zarr", "zarr3"])
@pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification")
def test_every_kind_of_file_gives_its_numbers_labels_and_origin(kind, tmp_path):
    file = written(kind, tmp_path)
    ds = lmdata.adopt(file, source={"revision": "1"}, store=tmp_path / "store")
    np.testing.assert_array_equal(ds.position, POSITION)
    assert ds.position.dtype == np.float32
    if kind in ("npz", "zarr", "zarr3"):
        assert ds.token.values.tolist() == WORDS
    if kind in ("nc", "zarr", "zarr3"):
        assert ds.seed.values.tolist() == [3, 7]
    source = json.loads(ds.attrs["source"])
    assert {"name": file.name, "revision": "1", "dtype": "float32", "frame": "raw"}.items() <= source.items()
    if file.is_file():
        assert source["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert lmdata.verify(tmp_path / "store").ok
    assert lmdata.open(tmp_path / "store").attrs["digest"] == ds.attrs["digest"]


def test_the_identity_of_a_folder_is_of_names_and_contents(tmp_path):
    contents = {"a": b"1", "b/c": b"2"}
    others = [
        {"a": b"1", "b/d": b"2"},
        {"a": b"2", "b/c": b"1"},
        {"a": b"12"},
        {"a": b"1"},
        dict(reversed(contents.items())),
    ]
    found = []
    for number, files in enumerate([contents, *others]):
        for name, content in files.items():
            place = tmp_path / str(number) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        found.append(sha256_of(tmp_path / str(number)))
    assert len(set(found)) == 5
    assert found[0] == found[-1]


def test_half_precision_is_stored_as_float32_exactly(tmp_path):
    half = POSITION.astype(np.float16)
    ds = lmdata.from_trajectory(half)
    assert ds.position.dtype == np.float32
    np.testing.assert_array_equal(ds.position, half)
    upper = (POSITION.view(np.uint32) >> 16).astype("<u2")
    safetensors(tmp_path / "b.safetensors", "BF16", upper)
    brain = lmdata.adopt(tmp_path / "b.safetensors")
    np.testing.assert_array_equal(brain.position, (upper.astype(np.uint32) << 16).view(np.float32))
    assert json.loads(brain.attrs["source"])["dtype"] == "bfloat16"


def test_dimensions_may_come_in_any_order_and_runs_in_several():
    turned = xr.DataArray(POSITION, dims=DIMS).transpose("component", "token", "layer", "run")
    xr.testing.assert_equal(lmdata.adopt(turned), lmdata.from_trajectory(POSITION))
    ds = lmdata.from_trajectory(POSITION[None], dims=("noise", *DIMS))
    assert ds.position.dims == ("noise", "seed", "time", "token", "component")
    np.testing.assert_array_equal(ds.position[0], POSITION)


def test_attention_and_masks_of_a_file_are_found(tmp_path):
    present = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    weights = RNG.random((2, 2, 3, 4, 4)).astype(np.float32)
    np.savez(tmp_path / "s.npz", hidden=POSITION, att=weights, present=present)
    ds = lmdata.adopt(tmp_path / "s.npz", position="hidden", attention="att")
    np.testing.assert_array_equal(ds.token_present, present)
    np.testing.assert_array_equal(ds.attention[1, :-1, :, :2, :2], weights[1, :, :, :2, :2])
    assert ds.attention[1, :, :, 2:].isnull().all()


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a file was executed",))


def harmful(kind, folder):
    file = folder / f"states{kind}"
    match kind:
        case ".npy":
            np.save(file, np.array([Bomb()], object), allow_pickle=True)
        case ".npz":
            np.savez(file, allow_pickle=True, position=np.array([Bomb()], object))
        case ".zarr":
            group = zarr.open_group(file, mode="w", zarr_format=2)
            group.create_array("position", data=POSITION)
            meta = file / "position" / ".zarray"
            stored = json.loads(meta.read_text())
            meta.write_text(json.dumps(stored | {"compressor": {"id": "pickle"}, "filters": None}))
            (file / "position" / "0.0.0.0").write_bytes(pickle.dumps(Bomb()))
        case ".zarr3":
            group = zarr.open_group(file, mode="w", zarr_format=3)
            group.create_array("position", data=POSITION)
            meta = file / "position" / "zarr.json"
            stored = json.loads(meta.read_text())
            codecs = [*stored["codecs"], {"name": "numcodecs.pickle", "configuration": {}}]
            meta.write_text(json.dumps(stored | {"codecs": codecs}))
        case _:
            file.write_bytes(pickle.dumps(Bomb()))
    return file


@pytest.mark.parametrize("kind", [".npy", ".npz", ".zarr", ".zarr3", ".pt", ".pkl", ".bin"])
def test_what_executes_code_is_refused_unread(kind, tmp_path):
    file = harmful(kind, tmp_path)
    with pytest.raises(InvalidInput, match="read by executing what it says"):
        lmdata.adopt(file, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def broken(kind, folder):
    file = folder / "states.npz"
    match kind:
        case "cut":
            np.savez(file, position=POSITION)
            file.write_bytes(file.read_bytes()[:-40])
        case "no archive":
            file.write_bytes(b"text")
        case "pickled":
            file.write_bytes(pickle.dumps(Bomb()))
        case "no array in it":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("position.npy", b"text")
        case "another name":
            np.savez(file, hidden=POSITION)
        case "another ending":
            file = file.with_suffix(".csv")
            file.write_text("1,2")
        case "a folder":
            file = folder / "folder"
            file.mkdir()
        case "netCDF that is none":
            file = folder / "s.nc"
            file.write_bytes(b"text")
        case "tensors that are none":
            file = folder / "s.safetensors"
            file.write_bytes(b"text")
        case "one of lmdata":
            file = folder / "run"
            lmdata.from_trajectory(POSITION, store=file)
    return file


@pytest.mark.parametrize(
    "kind",
    [
        *("cut", "no archive", "pickled", "no array in it", "another name", "another ending", "a folder"),
        *("netCDF that is none", "tensors that are none", "one of lmdata"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_name(kind, tmp_path):
    file = broken(kind, tmp_path)
    with pytest.raises(InvalidInput, match=r"states|folder|s\.|run|position"):
        lmdata.adopt(file, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_dataset_of_lmdata_is_not_taken_over_again():
    with pytest.raises(InvalidInput, match="already"):
        lmdata.adopt(lmdata.from_trajectory(POSITION))
    with pytest.raises(FileNotFoundError):
        lmdata.adopt("/nowhere.npz")


def test_a_bucket_has_what_memory_has(server, tmp_path):
    file, place = written("npz", tmp_path), "s3://runs/adopted/one"
    present = np.array([[1, 1, 1, 1], [1, 1, 0, 1]])
    weights = RNG.random((2, 2, 3, 4, 4)).astype(np.float32)
    given = {"present": present, "attention": weights, "source": {"revision": "1"}}
    found, expected = lmdata.adopt(file, store=place, **given), lmdata.adopt(file, **given)
    xr.testing.assert_equal(found.compute(), expected)
    assert found.attrs["digest"] == expected.attrs["digest"]
    assert json.loads(found.attrs["source"]) == json.loads(expected.attrs["source"])
    assert lmdata.verify(place).ok
    xr.testing.assert_equal(lmdata.leaders(lmdata.open(place)).compute(), lmdata.leaders(expected))
    with pytest.raises(StoreExists):
        lmdata.adopt(file, store=place)


def test_what_is_refused_leaves_nothing_in_a_bucket(server, tmp_path):
    place = "s3://runs/refused/one"
    for file, changes in ((harmful(".pt", tmp_path), {}), (written("npz", tmp_path), {"token": ["a", "b"]})):
        with pytest.raises(InvalidInput):
            lmdata.adopt(file, store=place, **changes)
        assert not Place.of(place).taken()
