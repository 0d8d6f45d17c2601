import json
from pathlib import Path

import numpy as np
import pytest

from lmdata.data import registry, versions
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.catalog.file import read_catalog
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store import guard, storage
from lmdata.data.store.maintenance import collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.data.versions import migrate_store, publish_version
from lmdata.errors import (
    CatalogError,
    CorruptDataset,
    IncompleteDataset,
    InvalidInput,
    RecipeMismatch,
    StoreExists,
    UnknownName,
)


def extend(place, made):
    with RunStore.append_to(place) as store:
        store.extend(made.layout)
        made.finish(store)


@pytest.fixture
def two_versions(tmp_path, example):
    narrow, wide = example(seeds=(0, 1)), example(seeds=(0, 1, 5, 7))
    wide.grid[:, :2] = narrow.grid
    place = narrow.write(tmp_path / "run")
    publish_version(place, "v1")
    extend(place, wide)
    publish_version(place, "v2")
    return place, narrow, wide


def test_published_version_stays_when_the_store_is_extended_and_tidied(two_versions):
    from datetime import timedelta

    place, narrow, wide = two_versions
    collect_garbage(place, keep=timedelta(0))
    np.testing.assert_array_equal(open_dataset(place, version="v1").position, narrow.grid)
    np.testing.assert_array_equal(open_dataset(place, version="v2").position, wide.grid)
    np.testing.assert_array_equal(open_dataset(place).position, wide.grid)
    assert verify(place).ok


def test_versions_never_change_and_have_a_form(two_versions):
    place, *_ = two_versions
    with pytest.raises(StoreExists, match="versions never change"):
        publish_version(place, "v1")
    for name in ("1", "v", "final", "v1 "):
        with pytest.raises(InvalidInput, match="v1, v2"):
            publish_version(place, name)
    with pytest.raises(UnknownName, match="'v3'; did you mean"):
        open_dataset(place, version="v3")


def test_only_what_is_whole_is_published(tmp_path, example, damage, small_blocks):
    made = example()
    part = made.write(tmp_path / "part", leave=1)
    with pytest.raises(IncompleteDataset, match="before publishing"):
        publish_version(part, "v1")
    whole = made.write(tmp_path / "whole")
    export_zarr(whole, tmp_path / "plain.zarr")
    with pytest.raises(InvalidInput, match="has one version"):
        publish_version(tmp_path / "plain.zarr", "v1")
    with pytest.raises(UnknownName, match="has no versions"):
        open_dataset(tmp_path / "plain.zarr", version="v1")
    damage(whole, "position/c/0/0/0/0/0")
    with pytest.raises(CorruptDataset, match="damaged"):
        publish_version(whole, "v1")


CATALOG = """
lmdata_catalog: 1
datasets:
  runs:
    title: Runs
    driver: icechunk
    path: run
    tag: v2
    version: 2
    earlier:
      1: {path: run, tag: v1, digest: %s}
"""


def test_catalogued_versions_are_opened_by_name(two_versions, tmp_path):
    place, narrow, wide = two_versions
    digest = open_dataset(place, version="v1").attrs["digest"]
    (tmp_path / "c.yaml").write_text(CATALOG % digest)
    catalog = Catalog(lambda *args: None, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    np.testing.assert_array_equal(catalog.open("runs@v1").position, narrow.grid)
    np.testing.assert_array_equal(catalog.open("runs@v2").position, wide.grid)
    np.testing.assert_array_equal(catalog.open("runs").position, wide.grid)
    assert catalog.info("runs@v1")["digest"] == digest
    with pytest.raises(UnknownName, match="'v3'; did you mean"):
        catalog.open("runs@v3")


def test_version_is_verified_and_not_the_last_commit(two_versions, tmp_path, damage):
    place, *_ = two_versions
    digest = open_dataset(place, version="v1").attrs["digest"]
    (tmp_path / "c.yaml").write_text(CATALOG % digest)
    catalog = Catalog(lambda *args: None, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    damage(place, "position/c/0/0/0/0/0")
    assert verify(place).damaged
    for name, members in (("runs@v1", 6), ("runs", 12)):
        report = catalog.check(name)
        assert report.ok
        assert report.members == report.complete == members
    with pytest.raises(UnknownName, match="'v3'"):
        verify(place, version="v3")


def test_version_is_exported_and_not_the_last_commit(two_versions, tmp_path, example):
    place, narrow, _ = two_versions
    digest = open_dataset(place, version="v1").attrs["digest"]
    (tmp_path / "c.yaml").write_text(CATALOG % digest)
    catalog = Catalog(lambda *args: None, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    with RunStore.append_to(place) as store:
        store.extend(example(seeds=(0, 1, 5, 7, 9)).layout)  # the last commit is incomplete
    catalog.export(tmp_path / "stac.json", format="stac", names=["runs@v1"])
    item = json.loads((tmp_path / "stac" / "runs@v1.json").read_text())
    catalog.copy("runs@v1", tmp_path / "plain.zarr")
    for copy in (tmp_path / "plain.zarr", tmp_path / "stac" / item["assets"]["data"]["href"]):
        exported = open_dataset(copy)
        assert exported.attrs["digest"] == item["properties"]["lmdata:digest"] == digest
        np.testing.assert_array_equal(exported.position, narrow.grid)


def test_export_with_another_digest_than_the_entry_s_is_refused(two_versions, tmp_path):
    place, *_ = two_versions
    digest = open_dataset(place, version="v2").attrs["digest"]
    (tmp_path / "c.yaml").write_text(CATALOG % digest)
    catalog = Catalog(lambda *args: None, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    with pytest.raises(CorruptDataset, match=r"has the digest .* not served"):
        catalog.copy("runs@v1", tmp_path / "plain.zarr")
    with pytest.raises(CorruptDataset, match=r"has the digest .* not exported"):
        export_zarr(place, tmp_path / "plain.zarr", version="v1", digest=digest)
    assert not [path for path in tmp_path.iterdir() if "plain" in path.name]


def test_damage_in_a_version_is_found_and_not_for_repair(tmp_path, example, damage):
    place = example().write(tmp_path / "run")
    damage(place, "position/c/0/0/0/0/0")
    storage.open_repository(storage.Place.of(place)).create_tag("v1", open_dataset(place).attrs["snapshot"])
    report = verify(place, version="v1")
    assert report.damaged
    assert "make it again" in report.advice
    assert "repair" not in report.advice


@pytest.mark.parametrize(
    "change", [("tag: v2", "tag: head"), ("version: 2", "version: 1"), ("driver: icechunk", "driver: zarr")]
)
def test_versions_that_make_no_sense_are_refused(tmp_path, change):
    (tmp_path / "c.yaml").write_text((CATALOG % ("0" * 64)).replace(*change))
    with pytest.raises(CatalogError):
        read_catalog(tmp_path / "c.yaml")


def test_store_of_an_earlier_schema_is_migrated_in_one_commit(tmp_path, example, monkeypatch):
    made = example()
    place = made.write(tmp_path / "run", leave=2)
    before = open_dataset(place, allow_partial=True).attrs["snapshot"]
    for module in (registry, guard.registry):
        monkeypatch.setattr(module, "SCHEMA", 3)
    with pytest.raises(RecipeMismatch, match="lmdata migrate"):
        open_dataset(place, allow_partial=True)
    with pytest.raises(RecipeMismatch, match="no way from it to schema 3"):
        migrate_store(place)
    done = []
    monkeypatch.setattr(versions, "MIGRATIONS", {1: done.append, 2: done.append})
    migrate_store(place)
    migrate_store(place)
    assert len(done) == 2
    with RunStore.append_to(place) as store:
        made.finish(store)
    ds = open_dataset(place)
    assert ds.attrs["snapshot"] != before
    np.testing.assert_array_equal(ds.position, made.grid)


GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").glob("*/*") if path.is_dir())


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_released_versions_wrote_is_read_for_ever(golden, tmp_path):
    import shutil

    place = shutil.copytree(golden, tmp_path / golden.name)
    if (place / "repo").exists():
        migrate_store(place)
    assert verify(place).ok
    ds = open_dataset(place)
    if golden.name == "derived.zarr":
        np.testing.assert_array_equal(ds.total, 64 * np.arange(24.0).reshape(2, 3, 4) + 28)
        return
    expected = np.arange(192.0).reshape(2, 3, 4, 4, 2)
    np.testing.assert_array_equal(ds.position, expected)
    assert ds.token.values.tolist() == ["we", "are", "écru", "we_2"]
    assert ds.influence.values.tolist() == [0.1, 1.0]
    assert ds.ambiguous_ties.values.ravel().tolist() == list(range(24))
