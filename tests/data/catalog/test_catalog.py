import json
import multiprocessing
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from lmdata.data.catalog import own, sources
from lmdata.data.catalog.cache import cache_folder
from lmdata.data.catalog.catalog import Catalog, shipped_files
from lmdata.data.catalog.file import read_catalog
from lmdata.data.digest import canonical_json, sha256_of_json
from lmdata.data.layout import Layout
from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.errors import (
    CatalogError,
    CatalogWarning,
    CorruptDataset,
    IncompleteDataset,
    StaleDataset,
    StoreError,
    StoreExists,
    StoreLocked,
    UnknownName,
)

CATALOG = """
lmdata_catalog: 1
datasets:
  ones:
    title: Ones in the square
    description: A dataset of ones.
    driver: recipe
    recipe: {value: 1.0}
    paper: arXiv:2407.01602
    tags: [small]
  twos:
    title: Twos
    driver: recipe
    recipe: {value: 2.0}
"""


class Builder:
    """Builds a dataset of one value, and counts how often."""

    def __init__(self):
        self.built = []

    def __call__(self, recipe, location, progress):
        attrs = {"recipe_id": sha256_of_json(recipe), "recipe": canonical_json(recipe)}
        layout = Layout(swept={}, seeds=(0, 1), time=np.arange(3), time_unit="step", labels=None,
                        tokens=2, components=2, attrs=attrs)  # fmt: skip
        self.built.append(recipe["value"])
        with RunStore.append_to(location) if location.exists() else RunStore.create(location, layout) as store:
            for block in store.pending():
                for member in block:
                    store.put([member], np.full((1, 3, 2, 2), recipe["value"]), steps_done=2)
                    if progress:
                        progress(member + 1, 2)


@pytest.fixture
def build():
    return Builder()


@pytest.fixture
def catalog(tmp_path, build):
    (tmp_path / "published.yaml").write_text(CATALOG)
    return Catalog(build, files=[tmp_path / "published.yaml"], cache=tmp_path / "cache")


def test_catalog_is_a_mapping_of_names(catalog, build, tmp_path):
    assert list(catalog) == ["ones", "twos"] == catalog.list()
    assert len(catalog) == 2
    assert "ones" in catalog
    assert "threes" not in catalog
    assert catalog["ones"].paper == "arXiv:2407.01602"
    assert dict(catalog).keys() == {"ones", "twos"}
    assert "ones, twos" in repr(catalog)
    assert build.built == []
    assert not (tmp_path / "cache").exists()


def test_search_finds_every_word_anywhere(catalog):
    assert catalog.search("SQUARE ones") == ["ones"]
    assert catalog.search("2407.01602") == ["ones"]
    assert catalog.search("") == ["ones", "twos"]
    assert catalog.search("ones missing") == []


def test_unknown_name_suggests_the_nearest(catalog):
    for ask in (catalog.open, catalog.info, catalog.check, catalog.__getitem__):
        with pytest.raises(UnknownName, match="did you mean 'ones'"):
            ask("one")
    assert catalog.get("one") is None


def test_first_opening_builds_and_the_second_does_not(catalog, build):
    seen = []
    ds = catalog.open("ones", progress=lambda done, total: seen.append((done, total)))
    assert (ds.position == 1).all()
    assert seen == [(1, 2), (2, 2)]
    assert catalog.info("ones")["there"]
    again = catalog.open("ones")
    assert build.built == [1.0]
    assert again.attrs["digest"] == ds.attrs["digest"]
    assert again.attrs["catalogue_name"] == "ones"
    assert not catalog.info("twos")["there"]


def test_info_is_plain(catalog):
    info = json.loads(json.dumps(catalog.info("ones")))
    assert info["title"] == "Ones in the square"
    assert info["recipe"] == {"value": 1.0}


def with_digest(catalog, tmp_path, digest):
    text = CATALOG.replace("    paper:", f"    digest: '{digest}'\n    paper:")
    (tmp_path / "published.yaml").write_text(text)


def test_digest_is_checked_before_anything_is_served(catalog, build, tmp_path):
    digest = catalog.open("ones").attrs["digest"]
    with_digest(catalog, tmp_path, digest)
    assert catalog.check("ones").ok
    with_digest(catalog, tmp_path, "0" * 64)
    with pytest.raises(CorruptDataset, match=r"'ones' has the digest .* not served"):
        catalog.open("ones")
    report = catalog.check("ones")
    assert not report.ok
    assert "not served" in str(report)
    assert build.built == [1.0]


def test_build_with_another_digest_is_not_served(catalog, tmp_path):
    with_digest(catalog, tmp_path, "0" * 64)
    with pytest.raises(CorruptDataset, match="not served"):
        catalog.open("ones")
    assert not catalog.info("ones")["there"]


def test_check_reads_every_number(catalog, damage):
    catalog.open("ones")
    damage(Path(catalog.info("ones")["location"]), "position/c/0/0/0/0")
    assert len(catalog.check("ones").damaged) == 2


def test_interrupted_build_is_continued(catalog, monkeypatch):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalog.open("ones", progress=interrupt)
    assert not catalog.info("ones")["there"]
    seen = []
    catalog.open("ones", progress=lambda done, total: seen.append(done))
    assert seen == [2]


def open_in_process(folder, queue):
    build = Builder()
    catalog = Catalog(build, files=[folder / "published.yaml"], cache=folder / "cache")
    value = float(catalog.open("twos").position.max())
    queue.put((value, len(build.built)))


@pytest.mark.long
def test_two_processes_build_once(catalog, tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [context.Process(target=open_in_process, args=(tmp_path, queue)) for _ in range(2)]
    for child in children:
        child.start()
    found = sorted(queue.get(timeout=60) for _ in children)
    for child in children:
        child.join()
    assert found == [(2.0, 0), (2.0, 1)]


def test_versions_by_name(catalog):
    assert (catalog.open("ones@v1").position == 1).all()
    with pytest.raises(UnknownName, match="'v2'; did you mean 'v1'"):
        catalog.open("ones@v2")


def test_added_store_is_copied_and_opened_by_name(catalog, example, tmp_path):
    made = example()
    place = made.write(tmp_path / "run")
    catalog.add("my-sweep", place, title="My sweep", tags=["mine"])
    assert catalog.list() == ["ones", "twos", "my-sweep"]
    np.testing.assert_array_equal(catalog.open("my-sweep").position, made.grid)
    assert catalog["my-sweep"].digest == open_dataset(place).attrs["digest"]
    assert catalog.check("my-sweep").ok
    with pytest.raises(CatalogError, match="already"):
        catalog.add("my-sweep", place, title="Again")
    catalog.remove("my-sweep")
    assert "my-sweep" not in catalog
    with pytest.raises(UnknownName, match="your own"):
        catalog.remove("ones")


def test_added_recipe_is_built_when_it_is_opened(catalog, build):
    catalog.add("fours", {"value": 4.0}, title="Fours")
    assert build.built == []
    assert (catalog.open("fours").position == 4).all()


@pytest.mark.parametrize(
    ("name", "fields"), [("Not a name", {}), ("../up", {}), ("x", {"colour": "red"}), ("x", {"tags": 3})]
)
def test_what_is_no_entry_is_not_added(catalog, name, fields, tmp_path):
    with pytest.raises(CatalogError, match="not valid"):
        catalog.add(name, {"value": 1.0}, title="A title", **fields)
    assert not (tmp_path / "cache" / "catalog.yaml").exists()


def test_incomplete_store_is_not_added(catalog, example, tmp_path):
    place = example().write(tmp_path / "run", leave=1)
    with pytest.raises(IncompleteDataset):
        catalog.add("part", place, title="Part")
    assert "part" not in catalog


def test_derived_dataset_is_kept_with_its_source_and_replaced(catalog):
    source = catalog.open("ones")
    for scale in (1.0, 3.0):
        volume = (scale * source.position.mean("token")).rename("volume").to_dataset()
        catalog.save("ones.volume", volume, source=source, made_by="tests", parameters={"scale": scale}, title="Volume")
        found = catalog.open("ones.volume")
        assert (found.volume == scale).all()
        assert json.loads(found.attrs["source"])["catalogue_name"] == "ones"
        assert catalog["ones.volume"].derived_from == "ones"
        assert catalog.check("ones.volume").ok
    with pytest.raises(CatalogError, match="not derived"):
        catalog.save("twos", volume, source=source, made_by="tests", title="No")


def test_derived_dataset_says_when_its_source_has_changed(tmp_path, example):
    narrow, wide = example(seeds=(0, 1)), example(seeds=(0, 1, 5))
    (tmp_path / "c.yaml").write_text("lmdata_catalog: 1\ndatasets: {runs: {title: Runs, driver: icechunk, path: run}}")
    catalog = Catalog(lambda *args: None, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    narrow.write(tmp_path / "run")
    source = catalog.open("runs")
    catalog.save("mean", source.position.mean("token").to_dataset(), source=source, made_by="tests", title="Mean")
    assert "stale" not in catalog.open("mean").attrs
    with RunStore.append_to(tmp_path / "run") as store:
        store.extend(wide.layout)
        wide.finish(store)
    with pytest.warns(StaleDataset, match="'mean' was derived from 'runs' and is stale"):
        derived = catalog.open("mean")
    assert "has" in derived.attrs["stale"]
    source = catalog.open("runs")
    catalog.save("mean", source.position.mean("token").to_dataset(), source=source, made_by="tests", title="Mean")
    assert catalog.open("mean").sizes["seed"] == 3


def test_shipped_name_wins_over_the_user_s(catalog, tmp_path):
    catalog.add("threes", {"value": 3.0}, title="Threes")
    (tmp_path / "published.yaml").write_text(CATALOG.replace("twos", "threes"))
    assert (catalog.open("threes").position == 2).all()


@pytest.mark.parametrize(
    "text", ["a: [", "", "lmdata_catalog: 1\ndatasets:\n  x: {title: cut"], ids=["broken", "empty", "cut"]
)
@pytest.mark.parametrize("file", ["published.yaml", "cache/catalog.yaml"])
def test_broken_file_is_a_warning_and_the_others_go_on(catalog, tmp_path, file, text):
    catalog.add("fours", {"value": 4.0}, title="Fours")
    whole = (tmp_path / file).read_text()
    (tmp_path / file).write_text(text)
    with pytest.warns(CatalogWarning, match=rf"{file}.*left out until it is mended"):
        names = list(catalog)
    left, lost = (["fours"], "ones") if file == "published.yaml" else (["ones", "twos"], "fours")
    assert names == left
    assert (catalog.open(left[0]).position > 0).all()
    with pytest.raises(UnknownName):
        catalog.open(lost)
    (tmp_path / file).write_text(whole)
    assert catalog.list() == ["ones", "twos", "fours"]


def test_broken_file_of_one_s_own_is_not_written_over(catalog, tmp_path):
    catalog.add("fours", {"value": 4.0}, title="Fours")
    own = tmp_path / "cache" / "catalog.yaml"
    own.write_text(own.read_text()[:-9])
    before = own.read_text()
    for act in (lambda: catalog.add("fives", {"value": 5.0}, title="Fives"), lambda: catalog.remove("fours")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CatalogWarning)
            with pytest.raises(CatalogError, match=r"catalog\.yaml.*mend it or move it away"):
                act()
    assert own.read_text() == before


NUMBERS = [
    "1e6",
    "1e-6",
    "0x10",
    "010",
    "1_000",
    "1.5",
    "null",
    "true",
    "no",
    "on",
    "2026-01-01",
    "0o7",
    "0b1",
    "1e400",
]


def test_names_that_look_like_something_else(catalog, example, tmp_path):
    place = example().write(tmp_path / "run")
    for name in NUMBERS:
        location = place if name == "1e6" else {"value": 5.0, name: name}
        catalog.add(name, location, title=name, tags=[name], citation=name)
    assert catalog.list() == ["ones", "twos", *NUMBERS]
    assert catalog.open("1e6").attrs["digest"] == open_dataset(place).attrs["digest"]
    for name in NUMBERS:
        entry = catalog[name]
        assert (entry.title, entry.tags, entry.citation) == (name, (name,), name)
        assert name == "1e6" or entry.recipe[name] == name
        catalog.remove(name)
    assert catalog.list() == ["ones", "twos"]


def test_what_could_not_be_read_again_is_refused_and_nothing_is_lost(catalog, tmp_path):
    catalog.add("fours", {"value": 4.0}, title="Fours")
    before = (tmp_path / "cache" / "catalog.yaml").read_bytes()
    deep = {}
    for _ in range(30):
        deep = {"deeper": deep}
    for recipe, why in [
        ({"seeds": list(range(200_000))}, r"larger than .*\{first: 0, count"),
        (deep, "nested more than"),
    ]:
        with pytest.raises(CatalogError, match=why):
            catalog.add("five", recipe, title="Five")
    with pytest.raises(CatalogError):
        catalog.add("five", {"value": 5.0}, title="Five", description="\ud800")
    assert (tmp_path / "cache" / "catalog.yaml").read_bytes() == before
    assert catalog.list() == ["ones", "twos", "fours"]


def add_in_process(folder, barrier, said):
    catalog = Catalog(Builder(), files=[folder / "published.yaml"], cache=folder / "cache")
    for number in range(2):
        recipe = {"value": float(os.getpid())}
        for what, location in (("recipe", recipe), ("store", folder / "run")):
            barrier.wait(60)
            try:
                catalog.add(f"{what}-{number}", location, title=f"By {os.getpid()}")
                said.put((f"{what}-{number}", os.getpid()))
            except (CatalogError, StoreLocked):
                said.put((f"{what}-{number}", None))


def test_a_name_is_acknowledged_to_one_process_alone(catalog, example, tmp_path):
    example().write(tmp_path / "run")
    spawn = multiprocessing.get_context("spawn")
    barrier, said = spawn.Barrier(2), spawn.Queue()
    children = [spawn.Process(target=add_in_process, args=(tmp_path, barrier, said)) for _ in range(2)]
    for child in children:
        child.start()
    answers = [said.get(timeout=120) for _ in range(2 * 4)]
    for child in children:
        child.join(60)
    for name in {name for name, _ in answers}:
        [one] = [who for told, who in answers if told == name and who is not None]
        assert catalog[name].title == f"By {one}"
        assert catalog.check(name).ok


def test_who_changes_the_catalogue_or_takes_a_file_in_waits_for_who_does(build, tmp_path, monkeypatch):
    """While one writes, others begin: without the lock they would finish first, and be written over."""
    (tmp_path / "file.yaml").write_text(CATALOG)
    catalog, begun = Catalog(build, cache=tmp_path / "cache"), []

    def slowly(write):
        def run(*given, **options):
            if not begun:
                begun.append(threading.Thread(target=others.pop()))
                begun[0].start()
                begun[0].join(0.7)
            write(*given, **options)

        return run

    monkeypatch.setattr(own, "write_catalog", slowly(own.write_catalog))
    others = [lambda: catalog.add("second", {"value": 2.0}, title="Second")]
    catalog.add("first", {"value": 1.0}, title="First")
    begun[0].join(60)
    begun.clear()
    assert {"first", "second"} <= set(Catalog(build, cache=tmp_path / "cache"))

    monkeypatch.setattr(sources, "write_whole", slowly(sources.write_whole))
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(CATALOG.replace("ones", f"{name}-ones").replace("twos", f"{name}-twos"))
    others = [lambda: catalog.include(tmp_path / "b.yaml")]
    catalog.include(tmp_path / "a.yaml")
    begun[0].join(60)
    assert {"a-ones", "b-ones"} <= set(Catalog(build, cache=tmp_path / "cache"))


@pytest.mark.parametrize("text", ["[", "{}", "[1]", '["a\\u0000b"]', "\xff"])
def test_a_broken_list_of_files_taken_in_is_a_warning_and_the_others_go_on(build, tmp_path, text):
    catalog = Catalog(build, cache=tmp_path / "cache")
    catalog.add("mine", {"value": 1.0}, title="Mine")
    (tmp_path / "cache" / "included.json").write_bytes(text.encode("latin-1"))
    with pytest.warns(CatalogWarning, match=r"included\.json does not list.*mend or remove it"):
        assert "mine" in catalog.list()
    (tmp_path / "a.yaml").write_text(CATALOG)
    with pytest.warns(CatalogWarning), pytest.raises(CatalogError, match="mend or remove"):
        catalog.include(tmp_path / "a.yaml")


@pytest.mark.parametrize("path", [".", "./", "", "./."])
def test_a_path_that_names_no_folder_is_refused(catalog, tmp_path, path):
    text = f"lmdata_catalog: 1\ndatasets: {{all: {{title: All, driver: zarr, path: '{path}'}}}}"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "catalog.yaml").write_text(text)
    with pytest.warns(CatalogWarning, match="path is"):
        assert catalog.list() == ["ones", "twos"]


@pytest.mark.parametrize("path", ["runs/mine", "datasets", "added", "added/other/part"])
def test_removing_an_entry_leaves_data_that_the_cache_has_not_made(catalog, example, tmp_path, path):
    catalog.add("other", example().write(tmp_path / "run"), title="Other")
    own = tmp_path / "cache" / "catalog.yaml"
    own.write_text(own.read_text() + f"  mine: {{title: Mine, driver: zarr, path: {path}}}\n")
    kept = tmp_path / "cache" / path
    kept.mkdir(parents=True, exist_ok=True)
    catalog.remove("mine")
    assert kept.is_dir()
    catalog.open("other")


def test_data_that_two_entries_share_is_kept_for_the_other(catalog, build, tmp_path):
    catalog.add("also-ones", {"value": 1.0}, title="Also ones")
    catalog.open("also-ones")
    catalog.remove("also-ones")
    catalog.open("ones")
    assert build.built == [1.0]
    catalog.add("fives", {"value": 5.0}, title="Fives")
    place = Path(catalog.open("fives").encoding["source"])
    catalog.remove("fives")
    assert not place.exists()


def test_a_cache_that_cannot_be_made_is_said_so(build, tmp_path):
    (tmp_path / "published.yaml").write_text(CATALOG)
    (tmp_path / "file").write_text("no folder")
    catalog = Catalog(build, files=[tmp_path / "published.yaml"], cache=tmp_path / "file" / "cache")
    assert catalog.list() == ["ones", "twos"]
    for act in (lambda: catalog.open("ones"), lambda: catalog.add("x", {"value": 3.0}, title="X")):
        with pytest.raises(StoreError, match="set LMDATA_CACHE"):
            act()


def test_derived_dataset_that_is_replaced_leaves_nothing(catalog, tmp_path):
    source = catalog.open("ones")
    for scale in range(3):
        volume = (scale * source.position.mean("token")).rename("volume").to_dataset()
        catalog.save("v", volume, source=source, made_by="tests", title="Volume")
    assert len(list((tmp_path / "cache" / "derived").iterdir())) == 1
    catalog.remove("v")
    assert list((tmp_path / "cache" / "derived").iterdir()) == []


def test_export_for_intake(catalog, tmp_path):
    catalog.export(tmp_path / "out" / "intake.yaml", format="intake", names=["ones", "twos"])
    sources = yaml.safe_load((tmp_path / "out" / "intake.yaml").read_text())["sources"]
    assert list(sources) == ["ones", "twos"]
    path = sources["twos"]["args"]["urlpath"].replace("{{ CATALOG_DIR }}", str(tmp_path / "out"))
    with xr.open_zarr(path, consolidated=True) as ds:
        assert (ds.position == 2).all()


def test_export_for_stac(catalog, tmp_path):
    source = catalog.open("ones")
    catalog.save(
        "ones.volume", source.position.mean("token").to_dataset(), source=source, made_by="tests", title="Volume"
    )
    catalog.export(tmp_path / "stac.json", format="stac", names=["ones", "ones.volume"])
    root = json.loads((tmp_path / "stac.json").read_text())
    assert root["type"] == "Catalog"
    items = [json.loads((tmp_path / link["href"]).read_text()) for link in root["links"]]
    assert [item["id"] for item in items] == ["ones", "ones.volume"]
    for item, link in zip(items, root["links"], strict=True):
        assert item["type"] == "Feature"
        assert item["properties"]["datetime"]
        data = (tmp_path / link["href"]).parent / item["assets"]["data"]["href"]
        assert open_dataset(data).attrs["digest"]


def test_export_refuses_what_it_does_not_know_and_what_is_there(catalog, build, tmp_path):
    from lmdata.errors import InvalidInput

    with pytest.raises(InvalidInput, match="'intake' or 'stac'"):
        catalog.export(tmp_path / "x.yaml", format="csv")
    for name, kind, ending in (("x", "intake", ".yaml"), ("x.json", "intake", ".yaml"), ("x.zarr", "stac", ".json")):
        with pytest.raises(InvalidInput, match=rf"x.*a file that ends in \{ending}"):
            catalog.export(tmp_path / name, format=kind, names=["ones"])
    with pytest.raises(UnknownName, match="did you mean 'ones'"):
        catalog.export(tmp_path / "x.yaml", format="intake", names=["twos", "one"])
    with pytest.raises(InvalidInput, match="at least one dataset"):
        catalog.export(tmp_path / "x.yaml", format="intake")
    (tmp_path / "x").mkdir()
    with pytest.raises(StoreExists):
        catalog.export(tmp_path / "x.yaml", format="intake", names=["ones"])
    assert build.built == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published.yaml", "x"]


def test_export_writes_what_is_built_and_leaves_nothing_if_it_fails(catalog, build, damage, tmp_path):
    catalog.open("ones")
    catalog.export(tmp_path / "built.json", format="stac")
    assert [path.name for path in (tmp_path / "built").iterdir() if path.suffix == ".zarr"] == ["ones.zarr"]
    assert build.built == [1.0]
    catalog.open("twos")
    damage(Path(catalog.info("twos")["location"]), "position/c/0/0/0/0")
    with pytest.raises(CorruptDataset):
        catalog.export(tmp_path / "whole.json", format="stac", names=["ones", "twos"])
    assert not [path for path in tmp_path.iterdir() if "whole" in path.name]


def test_cache_folder_is_the_environment_s_or_the_user_s(monkeypatch, tmp_path, build):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "own"))
    assert cache_folder() == Catalog(build).cache == tmp_path / "own"
    monkeypatch.delenv("LMDATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "lmdata" in os.fspath(cache_folder())


def test_every_shipped_catalogue_is_valid():
    files = shipped_files()
    names = [name for file in files for name in read_catalog(file)]
    assert files
    assert len(names) == len(set(names))
