"""HDF5 files of others, netCDF 4 among them: what they hold is read, what lies elsewhere is not followed."""

from __future__ import annotations

import errno
import sys

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import AccessDenied, ExtraMissing, InvalidInput
from lmdata.outside.hdf5 import Hdf5

h5py = pytest.importorskip("h5py")
pytest.importorskip("h5netcdf")

POSITION = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
DIMS = ("run", "layer", "token", "component")
WORDS = ["a", "rød", "fox", "ran"]


def test_netcdf_4_gives_its_numbers_labels_and_origin(tmp_path):
    ds = xr.Dataset({"position": (DIMS, POSITION)}, coords={"token": WORDS, "run": [3, 7]}, attrs={"title": "layers"})
    ds.to_netcdf(tmp_path / "s.nc", engine="h5netcdf")
    found = lmdata.adopt(tmp_path / "s.nc", store=tmp_path / "store")
    np.testing.assert_array_equal(found.position, POSITION)
    assert found.position.dtype == np.float32
    assert found.token.values.tolist() == WORDS
    assert found.seed.values.tolist() == [3, 7]
    assert '"title":"layers"' in found.attrs["source"]
    assert lmdata.verify(tmp_path / "store").ok


def test_arrays_of_hdf5_are_found_by_their_paths(tmp_path):
    weights = np.random.default_rng(1).random((2, 2, 3, 4, 4)).astype(np.float32)
    with h5py.File(tmp_path / "s.h5", "w") as made:
        made["model/hidden"] = POSITION
        made["attention"] = weights
        made["token"] = WORDS
        made["again"] = h5py.SoftLink("/model/hidden")
        made["model/round"] = made["/"]
    found = lmdata.adopt(tmp_path / "s.h5", position="model/hidden")
    np.testing.assert_array_equal(found.position, POSITION)
    np.testing.assert_array_equal(found.attention[:, :-1], weights)
    assert found.token.values.tolist() == WORDS
    assert sorted(Hdf5(tmp_path / "s.h5")) == ["attention", "model/hidden", "token"]
    with pytest.raises(InvalidInput, match=r"there are .*model/hidden"):
        lmdata.adopt(tmp_path / "s.h5", position="hidden")


def elsewhere(kind, folder):
    """Write a file whose array is in another one."""
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = POSITION
    POSITION.tofile(folder / "raw")
    with h5py.File(folder / "s.h5", "w") as made:
        match kind:
            case "link":
                made["position"] = h5py.ExternalLink("other.h5", "x")
            case "virtual":
                layout = h5py.VirtualLayout(POSITION.shape, np.float32)
                layout[...] = h5py.VirtualSource(folder / "other.h5", "x", POSITION.shape)
                made.create_virtual_dataset("position", layout)
            case "raw bytes":
                made.create_dataset(
                    "position", POSITION.shape, np.float32, external=[(str(folder / "raw"), 0, POSITION.nbytes)]
                )
    return folder / "s.h5"


@pytest.mark.parametrize("ending", [".h5", ".nc"])
@pytest.mark.parametrize("kind", ["link", "virtual", "raw bytes"])
def test_what_lies_in_another_file_is_not_followed(kind, ending, tmp_path):
    file = elsewhere(kind, tmp_path).rename(tmp_path / f"t{ending}")
    with pytest.raises(InvalidInput, match="position is in another file"):
        lmdata.adopt(file, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def damaged(kind, folder):
    file = folder / "s.h5"
    with h5py.File(file, "w") as made:
        made.create_dataset("position", data=POSITION, chunks=POSITION.shape, fletcher32=True)
        made["references"] = np.array([made["position"].ref], h5py.ref_dtype)
    content = bytearray(file.read_bytes())
    match kind:
        case "cut":
            content = content[: len(content) // 2]
        case "no such file":
            content = b"text"
        case "a number changed":
            content[content.index(POSITION.tobytes()) + 5] ^= 1
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("kind", ["cut", "no such file", "a number changed"])
def test_damage_is_told_with_the_name_of_the_file(kind, tmp_path):
    with pytest.raises(InvalidInput, match=r"s\.h5.* read"):
        lmdata.adopt(damaged(kind, tmp_path), store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_missing_rights_are_no_damage(tmp_path, monkeypatch):
    (tmp_path / "s.h5").write_bytes(b"text")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(AccessDenied, match=r"s\.h5"):
        lmdata.adopt(tmp_path / "s.h5")


def test_objects_are_no_numbers(tmp_path):
    with pytest.raises(InvalidInput, match="dtype object"):
        lmdata.adopt(damaged("not", tmp_path), position="references")


@pytest.mark.parametrize(("name", "package"), [("s.h5", "h5py"), ("s.nc", "h5netcdf")])
def test_a_missing_package_is_named_with_its_extra(name, package, tmp_path, monkeypatch):
    xr.Dataset({"position": (DIMS, POSITION)}).to_netcdf(tmp_path / name, engine="h5netcdf")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match=rf"{package}, which is not installed; pip install 'lmdata\[hdf5\]'"):
        lmdata.adopt(tmp_path / name, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
