"""The package of the page "Extending lmdata", made of its text, works as the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import lmdata
from lmdata.pipeline import analyse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
SCREEN = 40
"""Lines of a door's code at most."""


def parts():
    """Return the files that the page shows, by name, and the program that uses them."""
    blocks = re.findall(r"```(?:python|yaml|toml)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = {match[1]: block for block in blocks if (match := re.match(r"# (\S+\.\w+)\n", block))}
    [program] = [block for block in blocks if not re.match(r"# (\S+\.\w+)\n", block)]
    return named, program


@pytest.fixture
def package(install, tmp_path, monkeypatch):
    """The page's package, installed; and a folder to work in."""
    files, program = parts()
    project = tomllib.loads(files.pop("pyproject.toml"))["project"]
    groups = {group.removeprefix("lmdata."): points for group, points in project["entry-points"].items()}
    install(project["name"], files, project["version"], **groups)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    return program


def test_the_package_of_the_page_works(package, tmp_path):
    names: dict[str, object] = {}
    exec(compile(package, str(PAGE), "exec", dont_inherit=True), names)
    ds = names["ds"]
    assert ds.position.dims == ("exponent", "seed", "time", "token", "component")
    assert np.isfinite(ds.position.values).all()
    assert names["same"].attrs["digest"] == ds.attrs["digest"]
    assert lmdata.resume("runs/power").equals(ds)
    assert lmdata.verify("runs/power").ok
    assert names["rank"].sel(exponent=0).max() == 1
    np.testing.assert_allclose(names["radius"].isel(time=0), 1, rtol=1e-15)
    assert names["radius"].attrs["package"] == "my-package 1.0"
    made = analyse("power-ring", pipelines=["radius"], output=tmp_path / "figures")
    assert "The radius ends at" in Path(made["radius"]).read_text(encoding="utf-8")
    assert lmdata.open("power-ring-radius").attrs["made_by"] == "my_package.radius, of my-package 1.0"


def test_every_door_is_on_the_page_and_fits_a_screen():
    text = PAGE.read_text(encoding="utf-8")
    for group in ("models", "tokens", "measures", "pipelines", "catalogs"):
        assert text.count(f"lmdata.{group}") == 2
    assert all(len(block.splitlines()) <= SCREEN for block in parts()[0].values())
