"""Catalogue files that do not ship: taken in by the user, or of another package."""

from __future__ import annotations

import pytest

import lmdata
from lmdata import plugins
from lmdata.cli import main
from lmdata.errors import CatalogError, PluginWarning, UnknownName

ENTRY = """
    title: Three tokens
    driver: recipe
    recipe: {model: {kind: localmax}, tokens: {kind: uniform, n: 3, d: 1}, steps: 1}
"""
FILE = f"lmdata_catalog: 1\ndatasets:\n  three-tokens:{ENTRY}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def lab(tmp_path):
    file = tmp_path / "lab.yaml"
    file.write_text(FILE)
    return file


def test_a_file_is_taken_in_for_good_and_left_out_again(lab):
    for _ in range(2):
        lmdata.catalog.include(lab)
    assert "three-tokens" in list(lmdata.catalog)
    assert lmdata.open("three-tokens").sizes["token"] == 3
    assert lmdata.catalog.info("three-tokens")["catalogue"] == str(lab)
    lmdata.catalog.exclude(lab)
    assert "three-tokens" not in lmdata.catalog
    with pytest.raises(UnknownName, match="no catalogue file taken in named"):
        lmdata.catalog.exclude(lab)


def test_the_command_takes_a_file_in(lab, capsys):
    assert main(["catalog", "include", str(lab)]) == 0
    assert main(["catalog", "info", "three-tokens"]) == 0
    assert main(["catalog", "exclude", str(lab)]) == 0
    assert main(["catalog", "info", "three-tokens"]) == 2


def test_what_is_no_catalogue_or_has_a_taken_name_is_not_taken_in(lab):
    lab.write_text(FILE.replace("three-tokens", "hardmax-square"))
    with pytest.raises(CatalogError, match=r"names a dataset 'hardmax-square', as .* does; give it another name"):
        lmdata.catalog.include(lab)
    lab.write_text("datasets: {}")
    with pytest.raises(CatalogError, match="no valid catalogue"):
        lmdata.catalog.include(lab)
    with pytest.raises(CatalogError, match="cannot be read"):
        lmdata.catalog.include(lab.with_name("none.yaml"))


def test_a_file_that_is_gone_is_a_warning(lab):
    lmdata.catalog.include(lab)
    lab.unlink()
    with pytest.warns(PluginWarning, match=r"lab\.yaml was taken in and is gone; .* lmdata catalog exclude"):
        assert "hardmax-square" in lmdata.catalog
    lmdata.catalog.exclude(lab)
    assert "hardmax-square" in lmdata.catalog


def test_datasets_of_another_package_are_opened_by_name(install, lab):
    install("plug-catalog", f"FILE = {str(lab)!r}", catalogs={"lab": "plug_catalog:FILE"})
    assert lmdata.open("three-tokens").sizes["token"] == 3
    assert "three-tokens" in list(lmdata.catalog)
    with pytest.raises(UnknownName, match="did you mean 'three-tokens'"):
        lmdata.open("three-token")


def test_other_packages_are_not_asked_for_a_name_that_is_found_without_them(monkeypatch):
    monkeypatch.setattr(plugins, "offers", lambda group: pytest.fail(f"looked for {group}"))
    assert lmdata.open("hardmax-square").sizes["token"] == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [("FILE = 3", "'lab', .* loaded"), ("FILE = '/none.yaml'", "cannot be read")],
)
def test_a_catalogue_that_cannot_be_read_is_a_warning(install, text, message):
    install("plug-catalog", text, catalogs={"lab": "plug_catalog:FILE"})
    with pytest.warns(PluginWarning, match=f"plug-catalog 1.0 offers .*{message}"):
        assert "hardmax-square" in list(lmdata.catalog)


def test_a_dataset_of_another_package_does_not_take_a_name(install, lab):
    lab.write_text(f"{FILE}  hardmax-square:{ENTRY}")
    install("plug-catalog", f"FILE = {str(lab)!r}", catalogs={"lab": "plug_catalog:FILE"})
    with pytest.warns(PluginWarning, match="plug-catalog 1.0 .* has the name 'hardmax-square' too; it is left out"):
        names = list(lmdata.catalog)
    assert {"three-tokens", "hardmax-square"} <= set(names)
    assert lmdata.open("hardmax-square").sizes["token"] == 10
