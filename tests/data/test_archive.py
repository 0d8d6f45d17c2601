import stat
import zipfile

import numpy as np
import pytest

from lmdata.data.archive import unpack
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.opening import open_dataset
from lmdata.errors import StoreError, StoreExists


def test_dataset_travels_in_one_file(tmp_path, example, small_blocks):
    made = example(labels=("a", "b", "c", "é"))
    place = made.write(tmp_path / "run")
    export_zarr(place, tmp_path / "run.zip")
    export_zarr(place, tmp_path / "again.zip")
    assert (tmp_path / "run.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    import_zarr(tmp_path / "run.zip", tmp_path / "back")
    np.testing.assert_array_equal(open_dataset(tmp_path / "back").position, made.grid)
    with pytest.raises(StoreExists):
        export_zarr(place, tmp_path / "run.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.zip", "back", "run", "run.zip"]


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


HOSTILE = {
    "upwards": [("../evil", b"x")],
    "upwards inside": [("a/../../evil", b"x")],
    "absolute": [("/tmp/evil", b"x")],
    "of another system": [("..\\evil", b"x")],
    "a drive": [("C:evil", b"x")],
    "a link": [(link("evil"), b"/etc/passwd")],
    "through a link": [(link("a"), b".."), ("a/evil", b"x")],
    "twice": [("a", b"x"), ("a", b"y")],
    "a bomb": [("a", b"\0" * 10**8)],
    "a file that is a folder": [("a", b"x"), ("a/b", b"x")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archives_are_refused(tmp_path, members):
    archive, folder = tmp_path / "a.zip", tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members:
            packed.writestr(name, data)
    with pytest.raises(StoreError, match=r"a\.zip"):
        unpack(archive, folder)
    assert not list(tmp_path.rglob("evil"))
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_broken_archives_are_refused(tmp_path, example, cut):
    archive = tmp_path / "run.zip"
    export_zarr(example().write(tmp_path / "run"), archive)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(StoreError):
        import_zarr(archive, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_flipped_bit_in_an_archive_is_found(tmp_path, example):
    archive = tmp_path / "run.zip"
    export_zarr(example().write(tmp_path / "run"), archive)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(bytes(data))
    with pytest.raises(StoreError):
        import_zarr(archive, tmp_path / "back")
    assert not (tmp_path / "back").exists()
