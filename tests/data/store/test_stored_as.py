"""One place decides what kind of thing is stored somewhere; whoever opens, verifies or copies it goes by that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zarr

import lmdata
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, is_plain, stored_as
from lmdata.errors import AccessDenied, LmdataError

PACKAGE = Path(lmdata.__file__).parent


@pytest.fixture
def things(tmp_path, example):
    """A folder with a thing of every kind in it."""
    place = example().write(tmp_path / "run")
    export_zarr(place, tmp_path / "export")
    ds = open_dataset(place)
    save_derived(ds.position.sum("token").to_dataset(), tmp_path / "derived", source=ds, made_by="a test")
    (tmp_path / "file").write_bytes(b"CDF\x01")
    (tmp_path / "empty").mkdir()
    zarr.create_group(tmp_path / "foreign", zarr_format=3)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zarr.json").write_bytes(b"{")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    return tmp_path


KINDS = {
    "run": StoredAs.RUN,
    "export": StoredAs.EXPORT,
    "derived": StoredAs.DERIVED,
    "file": StoredAs.FILE,
    "empty": StoredAs.RUN,
    "absent": StoredAs.RUN,
    "dangling": StoredAs.RUN,
    "foreign": StoredAs.EXPORT,
    "broken": StoredAs.EXPORT,
}


def test_what_is_stored_is_told(things):
    places = {name: Place.of(things / name) for name in KINDS}
    assert {name: stored_as(place) for name, place in places.items()} == KINDS
    plain = {name for name, place in places.items() if is_plain(place)}
    assert plain == {name for name, kind in KINDS.items() if kind in (StoredAs.EXPORT, StoredAs.DERIVED)}
    assert {stored_as(place, "v1") for place in places.values()} == {StoredAs.RUN}


def test_what_is_nothing_known_says_so_when_it_is_opened(things):
    for name in ("empty", "absent", "dangling", "foreign", "broken", "file"):
        with pytest.raises((LmdataError, FileNotFoundError)):
            open_dataset(things / name)


def test_a_folder_that_may_not_be_looked_at_is_told(tmp_path, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(AccessDenied, match="cannot be read"):
        stored_as(Place(tmp_path))


def test_nobody_else_decides_it():
    """Only who writes the mark, who reads it here, and the engine, which may not open anything, know of it."""
    asking = re.compile(r"lmdata_derived|\bzarr\.json\b")
    found = {
        file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if asking.search(file.read_text("utf-8"))
    }
    others = {"data/derived.py", "data/store/creation.py", "data/versions.py"}  # which write it, or refuse all such
    others |= {"outside/files.py"}  # which reads the codecs in the metadata of what is no dataset of lmdata
    assert found == {"data/store/stored_as.py", "xarray_engine.py", *others}
