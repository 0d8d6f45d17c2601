"""Upkeep through the public verbs: versions that stay, stores of an earlier lmdata, and what old commits leave."""

from __future__ import annotations

import os

import icechunk
import pytest
import xarray as xr
import zarr

import lmdata
from lmdata import library
from lmdata.data import registry, versions
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.derived import save_derived
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.errors import (
    CorruptDataset,
    IncompleteDataset,
    InvalidInput,
    RecipeMismatch,
    StoreError,
    StoreExists,
    StoreLocked,
    UnknownName,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path):
    """A finished run of two seeds."""
    place = tmp_path / "run"
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, seeds=(0, 1), store=place)
    return str(place)


@pytest.fixture
def published(run):
    """A run of two seeds published as v1, and of five as v2."""
    lmdata.publish(run, "v1")
    lmdata.extend(run, seeds=range(5))
    lmdata.publish(run, "v2")
    return run


def test_versions_are_listed_opened_verified_and_exported_by_their_names(published, tmp_path):
    assert {name: lmdata.open(f"{published}@{name}").attrs["digest"] for name in ("v1", "v2")} == lmdata.versions(
        published
    )
    assert lmdata.open(f"{published}@v1").sizes["seed"] == 2
    assert lmdata.verify(f"{published}@v1").members == 2
    library.export(f"{published}@v1", tmp_path / "plain.zarr")
    xr.testing.assert_equal(lmdata.open(tmp_path / "plain.zarr"), lmdata.open(f"{published}@v1"))
    with pytest.raises(UnknownName, match="'v3'; did you mean"):
        lmdata.open(f"{published}@v3")
    with pytest.raises(StoreError, match="nothing at"):
        lmdata.open(f"{published}x@v1")


def test_the_first_version_comes_first_and_others_marks_are_none(published):
    repository = versions.storage.open_repository(versions.Place.of(published))
    snapshot = lmdata.open(published).attrs["snapshot"]
    for tag in ("v10", "v9", "head", "v1.5"):
        repository.create_tag(tag, snapshot)
    assert list(lmdata.versions(published)) == ["v1", "v2", "v9", "v10"]


def test_versions_of_a_catalogue_entry(published, tmp_path, monkeypatch):
    digests = lmdata.versions(published)
    (tmp_path / "c.yaml").write_text(
        "lmdata_catalog: 1\ndatasets:\n  runs: {title: Runs, driver: icechunk, path: run, tag: v2, version: 2, "
        f"digest: {digests['v2']}, earlier: {{1: {{path: run, tag: v1, digest: {digests['v1']}}}}}}}\n"
    )
    catalog = Catalog(library.build, files=[tmp_path / "c.yaml"])
    monkeypatch.setattr("lmdata.library.catalog", catalog)
    monkeypatch.setattr("lmdata.upkeep.catalog", catalog)
    assert lmdata.versions("runs") == lmdata.versions("lmdata:runs") == digests
    assert lmdata.open("runs@v1").attrs["digest"] == digests["v1"]


def test_a_folder_of_that_name_goes_before_a_version(published, tmp_path):
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(3, 1), steps=1, store=f"{published}@v1")
    assert lmdata.open(f"{published}@v1").sizes["token"] == 3


def test_only_run_stores_have_versions(run, tmp_path):
    library.export(run, tmp_path / "plain.zarr")
    ds = lmdata.open(run)
    save_derived(lmdata.hull_volume(ds).to_dataset(name="volume"), tmp_path / "derived", source=ds, made_by="a test")
    for place in ("plain.zarr", "derived"):
        for act in (lmdata.versions, lmdata.migrate, lambda place: lmdata.publish(place, "v1")):
            with pytest.raises(InvalidInput, match="is plain zarr"):
                act(tmp_path / place)
        with pytest.raises(UnknownName, match="has no versions"):
            lmdata.open(f"{tmp_path / place}@v1")
        with pytest.raises(StoreError, match="no icechunk repository"):
            lmdata.gc(tmp_path / place)
    for act in (lmdata.versions, lmdata.migrate, lmdata.gc, lmdata.repair):
        with pytest.raises(FileNotFoundError):
            act(tmp_path / "absent")


@pytest.mark.parametrize("version", ["1", "final", "v", "v1/..", 1, None])
def test_a_version_has_a_form(run, version):
    with pytest.raises(InvalidInput, match="named v1, v2"):
        lmdata.publish(run, version)
    assert lmdata.versions(run) == {}


def test_only_what_is_finished_is_published_and_once(run):
    lmdata.publish(run, "v1")
    with pytest.raises(StoreExists, match="never change"):
        lmdata.publish(run, "v1")
    with RunStore.append_to(run) as store:
        with pytest.raises(StoreLocked):
            lmdata.publish(run, "v2")
        store.reset([1])
    with pytest.raises(IncompleteDataset, match="lmdata resume"):
        lmdata.publish(run, "v2")


def test_a_store_of_an_earlier_form_says_what_brings_it_up_to_date_and_that_does(run, monkeypatch):
    before = lmdata.open(run).load()
    lmdata.migrate(run)
    assert lmdata.open(run).attrs["snapshot"] == before.attrs["snapshot"]
    monkeypatch.setattr(registry, "SCHEMA", 2)
    with pytest.raises(RecipeMismatch, match=f"`lmdata migrate {run}` brings it up to date"):
        lmdata.open(run)
    with pytest.raises(RecipeMismatch, match="no way from it to schema 2"):
        lmdata.migrate(run)
    monkeypatch.setattr(versions, "MIGRATIONS", {1: lambda group: None})
    lmdata.migrate(run)
    after = lmdata.open(run)
    assert after.drop_attrs().identical(before.drop_attrs())
    assert after.attrs["digest"] == before.attrs["digest"]


def test_what_is_no_store_of_lmdata_is_not_migrated(run, tmp_path):
    session = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "other"))).writable_session(
        "main"
    )
    zarr.create_group(session.store, zarr_format=3)
    session.commit("somebody else's")
    with pytest.raises(RecipeMismatch, match="has schema None"):
        lmdata.migrate(tmp_path / "other")
    for file in (tmp_path / "run" / "snapshots").iterdir():
        file.write_bytes(b"")
    with pytest.raises(CorruptDataset, match="cannot be read"):
        lmdata.migrate(run)


def test_garbage_is_collected_and_versions_stay(published):
    whole = {name: lmdata.open(f"{published}@{name}").load() for name in ("v1", "v2")}
    assert lmdata.gc(published, days=10**9) >= 0
    assert lmdata.gc(published, days=0) > 0
    for name, before in whole.items():
        xr.testing.assert_identical(lmdata.open(f"{published}@{name}").load(), before)
    assert lmdata.verify(published).ok
    with RunStore.append_to(published), pytest.raises(StoreLocked):
        lmdata.gc(published)


@pytest.mark.parametrize(
    "act",
    [
        lambda place: lmdata.publish(place, "v1"),
        lambda place: lmdata.migrate(place),
        lambda place: lmdata.gc(place),
        lambda place: repair_store(place),  # before anything is computed again
        lambda place: lmdata.extend(place, seeds=range(50)),
    ],
    ids=["publish", "migrate", "gc", "repair", "extend"],
)
def test_while_somebody_writes_to_a_store_nobody_else_changes_it(run, act):
    before = lmdata.open(run).attrs["snapshot"]
    with RunStore.append_to(run), pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        act(run)
    assert lmdata.versions(run) == {}
    assert lmdata.open(run).attrs["snapshot"] == before


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf"), "1", True])
def test_days_are_a_number_of_days(run, days):
    with pytest.raises(InvalidInput, match="days"):
        lmdata.gc(run, days=days)
