"""Foreign and hostile stores: refused with a clear error, before anything large or dangerous is read."""

import contextlib
import json
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.verify import verify
from lmdata.errors import LmdataError

from ..data.conftest import Example


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A plain zarr export and a derived dataset, in a folder."""
    folder = tmp_path_factory.mktemp("made")
    place = Example(diagnostics=("ambiguous_ties",)).write(folder / "run")
    export_zarr(place, folder / "plain.zarr")
    source = open_dataset(place)
    save_derived(source.position.sum("token").to_dataset(), folder / "derived.zarr", source=source, made_by="tests")
    return folder


@pytest.fixture
def plain(tmp_path, made):
    """A plain zarr export, to be changed for the worse."""
    return Path(shutil.copytree(made / "plain.zarr", tmp_path / "plain.zarr"))


def change(folder, name, edit):
    """Change an array's metadata, in its own file and in the consolidated copy."""
    for file, path in (
        (folder / name / "zarr.json", ()),
        (folder / "zarr.json", ("consolidated_metadata", "metadata", name)),
    ):
        root = json.loads(file.read_text())
        node = root
        for key in path:
            node = node[key]
        edit(node)
        file.write_text(json.dumps(root))


def refused(folder):
    """Check that opening is an error of ours, which needs little memory and says what is wrong."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(LmdataError) as caught:
        open_dataset(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert str(folder) in str(caught.value)
    with contextlib.suppress(LmdataError):
        assert not verify(folder).ok
    return str(caught.value)


def codec(name, configuration=None):
    def edit(node):
        node["codecs"].insert(-1, {"name": name, "configuration": configuration or {}})

    return edit


EDITS = {
    "pickle codec": codec("numcodecs.pickle", {"protocol": 5}),
    "unknown codec": codec("evil"),
    "gzip codec": codec("gzip", {"level": 5}),
    "no checksum": lambda node: node["codecs"].pop(),
    "no codecs": lambda node: node.update(codecs=[]),
    "object dtype": lambda node: node.update(data_type={"name": "numpy.object"}),
    "raw dtype": lambda node: node.update(data_type="r64"),
    "integers": lambda node: node.update(data_type="int64", fill_value=0),
    "version 2": lambda node: node.update(zarr_format=2),
    "storage transformers": lambda node: node.update(storage_transformers=[{"name": "evil"}]),
    "negative shape": lambda node: node.update(shape=[-1, *node["shape"][1:]]),
    "other shape": lambda node: node.update(shape=[node["shape"][0] + 1, *node["shape"][1:]]),
    "no dimension names": lambda node: node.pop("dimension_names"),
    "other dimension names": lambda node: node.update(dimension_names=node["dimension_names"][::-1]),
    "fewer dimensions": lambda node: node.update(shape=node["shape"][1:]),
    "a huge chunk": lambda node: node.update(
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**40, *node["shape"][1:]]}}
    ),
    "an empty chunk": lambda node: node.update(
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, *node["shape"][1:]]}}
    ),
    "no metadata": dict.clear,
    "deep attributes": lambda node: node.update(attributes=json.loads('{"a":' * 500 + "1" + "}" * 500)),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("name", ["position", pytest.param("status", marks=pytest.mark.long)])
def test_changed_metadata_is_refused(plain, name, edit):
    if edit is EDITS["deep attributes"]:
        change(plain, name, edit)
        assert open_dataset(plain).sizes["seed"] == 4  # what is attached to a variable is not read
        return
    change(plain, name, edit)
    refused(plain)


def test_terabytes_in_a_small_file_are_refused(plain):
    def widen(node):
        node["shape"] = [2**40 if size == 3 else size for size in node["shape"]]

    for name in ("position", "status", "digest", "steps_done", "influence", "ambiguous_ties"):
        change(plain, name, widen)
    assert "claims more than" in refused(plain)


def test_long_labels_are_refused(plain):
    dtype = {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**29}}
    change(plain, "token", lambda node: node.update(data_type=dtype, fill_value=""))
    assert "too large to be read" in refused(plain)


def test_frames_that_were_only_declared_are_refused(plain):
    for name in ("position", "ambiguous_ties"):
        change(plain, name, lambda node: node["shape"].__setitem__(2, 2**30))
    assert "declared" in refused(plain)


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe", "broken link"])
def test_links_and_pipes_are_refused(plain, tmp_path, kind):
    target = plain / "position" / "c" / "0" / "0"
    if kind == "link to a folder":
        shutil.move(target, tmp_path / "elsewhere")
        target.symlink_to(tmp_path / "elsewhere")
    else:
        chunk = next(path for path in target.rglob("*") if path.is_file())
        chunk.unlink()
        if kind == "pipe":
            os.mkfifo(chunk)
        else:
            chunk.symlink_to("/etc/passwd" if kind == "link to a file" else "/nowhere")
    assert "not a plain file or folder" in refused(plain)


def test_a_store_may_itself_be_reached_through_a_link(plain, tmp_path):
    (tmp_path / "link").symlink_to(plain)
    assert open_dataset(tmp_path / "link").sizes["seed"] == 4


def test_foreign_zarr_is_refused(tmp_path):
    xr.Dataset({"position": ("x", np.zeros(3))}).to_zarr(tmp_path / "three.zarr", zarr_format=3, consolidated=False)
    xr.Dataset({"position": ("x", np.zeros(3))}).to_zarr(tmp_path / "two.zarr", zarr_format=2, consolidated=False)
    zarr.create_array(tmp_path / "array.zarr", shape=(3,), dtype="f8")
    for name in ("three.zarr", "two.zarr", "array.zarr"):
        with pytest.raises(LmdataError, match=r"no dataset of lmdata|no run store"):
            open_dataset(tmp_path / name)


def test_foreign_icechunk_is_refused(tmp_path):
    import icechunk

    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "other")))
    with pytest.raises(LmdataError, match="no dataset of lmdata"):
        open_dataset(tmp_path / "other")
    session = repository.writable_session("main")
    zarr.create_group(session.store, attributes={"lmdata_schema": 1})
    session.commit("empty")
    with pytest.raises(LmdataError, match="'position' is not in the store"):
        open_dataset(tmp_path / "other")


def test_virtual_chunks_do_not_reach_other_files(tmp_path, example):
    """icechunk can refer to chunks in other files: such references are not followed."""
    import icechunk

    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 4096)
    place = example().write(tmp_path / "run")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(place)))
    container = icechunk.VirtualChunkContainer(f"file://{tmp_path}/", icechunk.local_filesystem_store(str(tmp_path)))
    repository.config.set_virtual_chunk_container(container)
    repository.save_config()
    session = icechunk.Repository.open(icechunk.local_filesystem_storage(str(place))).writable_session("main")
    session.store.set_virtual_ref(
        "position/c/0/0/0/0/0", f"file://{secret}", offset=0, length=4096, validate_container=False
    )
    session.commit("refer to another file")
    ds = open_dataset(place)
    with pytest.raises(LmdataError, match="cannot be read"):
        ds.position.load()


DERIVED = {name: edit for name, edit in EDITS.items() if "dimension" not in name}


@pytest.mark.parametrize("edit", DERIVED.values(), ids=DERIVED)
def test_changed_metadata_of_derived_datasets_is_refused(tmp_path, made, edit):
    shutil.copytree(made / "derived.zarr", tmp_path / "derived.zarr")
    change(tmp_path / "derived.zarr", "position", edit)
    refused(tmp_path / "derived.zarr")
