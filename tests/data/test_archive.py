import json
import stat
import zipfile

import numpy as np
import pytest

from lmdata.data import archive as module
from lmdata.data.archive import unpack
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.errors import StoreError, StoreExists

from .conftest import SMALL, Example


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


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The files of an export, by name."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmdata.data.layout.BLOCK_BYTES", SMALL)
        export_zarr(Example(labels=("a", "b", "c", "d")).write(folder / "run"), folder / "run.zip")
    with zipfile.ZipFile(folder / "run.zip") as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def repacked(place, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(place, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return place


CHUNK, MB = "position/c/0/0/0/0/0", 10**6
BOMBS = {
    "a file that is no part of it": ({"readme.txt": b"\0" * 40 * MB}, "'readme.txt' is no part of a dataset"),
    "a file of a variable": ({"position/more": b"\0" * 40 * MB}, "'position/more' is no part of a dataset"),
    "a variable that was not declared": ({"extra/c/0": b"\0" * 40 * MB}, "'extra/c/0' is no part of a dataset"),
    "a chunk out of the grid": ({"position/c/9/0/0/0/0": b"\0"}, "is no part of a dataset"),
    "a chunk of another rank": ({"position/c/0/0": b"\0"}, "is no part of a dataset"),
    "a chunk by another name": ({"position/c/0/0/0/0/00": b"\0"}, "is no part of a dataset"),
    "a chunk that is too large": ({CHUNK: b"\0" * 40 * MB}, f"{CHUNK}' claims 40000000 bytes, and a chunk of position"),
    "metadata that is too large": ({"zarr.json": b" " * 70 * MB}, "claims to hold|its metadata takes more than"),
    "metadata of another folder": ({"a/zarr.json": b" " * 70 * MB}, "claims to hold|its metadata takes more than"),
    "metadata that cannot be read": ({"zarr.json": b" " * 10 * MB}, "metadata of .* cannot be read"),
    "more than it can be": (
        {"readme.txt": b"\0" * 90 * MB},
        r"claims to hold 9\d+, more than 20 times",
    ),
}


@pytest.mark.parametrize(("files", "match"), BOMBS.values(), ids=BOMBS)
def test_nothing_is_unpacked_that_no_dataset_has(tmp_path, exported, files, match):
    archive = repacked(tmp_path / "bomb.zip", exported | files)
    assert archive.stat().st_size < 200_000
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=match) as caught:
        unpack(archive, tmp_path / "folder")
    assert "bomb.zip" in str(caught.value)
    written = {path.name for path in (tmp_path / "folder").rglob("*") if path.is_file()}
    assert written <= {"zarr.json"}  # no chunk, whatever else is wrong
    with pytest.raises(StoreError):
        import_zarr(archive, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_large_metadata_is_refused_before_it_is_unpacked(tmp_path, exported, monkeypatch):
    monkeypatch.setattr(module, "METADATA_BYTES", 2 * MB)
    archive = repacked(tmp_path / "a.zip", exported | {"zarr.json": exported["zarr.json"] + b" " * 3 * MB})
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="its metadata takes more than 2000000 bytes"):
        unpack(archive, tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


def test_a_member_yields_no_more_than_it_claims(tmp_path, exported):
    archive = repacked(tmp_path / "liar.zip", exported | {CHUNK: b"\0" * 40 * MB})
    small, large = (size.to_bytes(4, "little") for size in (len(exported[CHUNK]), 40 * MB))
    data = archive.read_bytes()
    assert data.count(large) == 2  # beside the data, and in the list of all members
    archive.write_bytes(data.replace(large, small))
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=r"liar\.zip"):
        unpack(archive, tmp_path / "folder")
    assert sum(path.stat().st_size for path in (tmp_path / "folder").rglob("*") if path.is_file()) < 100_000


def test_metadata_that_declares_what_is_not_read_is_refused_before_any_chunk(tmp_path, exported):
    declared = json.loads(exported["position/zarr.json"])
    declared["codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}]
    root = json.loads(exported["zarr.json"])
    root["consolidated_metadata"]["metadata"]["position"] = declared
    files = exported | {"position/zarr.json": json.dumps(declared), "zarr.json": json.dumps(root)}
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="is stored with the codecs"):
        unpack(repacked(tmp_path / "a.zip", files), tmp_path / "folder")
    assert {path.name for path in (tmp_path / "folder").rglob("*") if path.is_file()} == {"zarr.json"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_others_packed(tmp_path, exported, method):
    archive = repacked(tmp_path / "a.zip", exported, method)
    if method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        import_zarr(archive, tmp_path / "back")
        np.testing.assert_array_equal(open_dataset(tmp_path / "back").position, Example().grid)
    else:
        with pytest.raises(StoreError, match="packed otherwise than by deflate"):
            import_zarr(archive, tmp_path / "back")


def test_given_tokens_travel_in_an_archive(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout, initial=made.position[0, 0]) as store:
        made.finish(store)
    export_zarr(tmp_path / "run", tmp_path / "run.zip")
    import_zarr(tmp_path / "run.zip", tmp_path / "back")
    with RunStore.append_to(tmp_path / "back") as store:
        np.testing.assert_array_equal(store.initial, made.position[0, 0])


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
