"""Whatever is in a recipe, a catalogue file, a zarr.json or an archive: it is read, or refused in words of our own."""

from __future__ import annotations

import copy
import json
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

import lmdata
from lmdata.data.catalog.file import read_catalog
from lmdata.data.export import export_zarr, import_zarr
from lmdata.errors import LmdataError
from lmdata.runs.recipe import Recipe
from lmdata.selection import SelectionRecipe

SEEDS = (1, 2)
"""Kept: what they find is found again."""

RECIPES = (
    {
        "model": {
            "kind": "localmax",
            "influence": 0.5,
            "alignment": [[1, 0], [0, 1]],
            "alignment_sensitivity": {"kind": "geometric", "initial": 1.0, "ratio": 0.5},
        },
        "tokens": {"kind": "uniform", "n": 4, "d": 2},
        "steps": 3,
        "seeds": [0, 1],
        "sweep": [["influence", [0.5, 1]]],
        "record": [0, 3],
        "dtype": "float64",
    },
    {
        "model": {"kind": "softmax", "inverse_temperature": 1.0},
        "tokens": {"kind": "array", "values": [[1, 0], [0, 1]], "labels": ["a", "b"]},
        "steps": 2,
        "seeds": {"first": 0, "count": 2},
        "sweep": {"inverse_temperature": [1, 2]},
        "record": 2,
    },
    {
        "model": {"kind": "noisy", "model": {"kind": "sphere-attention"}, "scale": 0.1},
        "tokens": {"kind": "sphere", "n": 4, "d": 3},
        "steps": 2,
    },
    {
        "model": {
            "kind": "localmax",
            "alignment_sensitivity": {"kind": "piecewise", "pieces": [1, 2], "switches": [3]},
        },
        "tokens": {"kind": "configuration", "name": "square"},
        "steps": 3,
    },
    {
        "model": {"kind": "selection", "trained": "prompt"},
        "tokens": {"kind": "construction", "name": "single-local"},
        "steps": 5,
    },
)
VALUES = (
    *(None, True, 0, 1, -1, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", "x", "a" * 3000, "\ud800", "1e5"),
    *([], {}, [[]], [{}], [1, 2], [1, [2]], ["kind"], [["influence", 1]], {"": 1}, {1: 2}, {"first": 1}),
    *({"kind": []}, {"kind": {}}, {"kind": "localmax"}, {"first": "a", "count": []}, b"x", (1,), [10**12, 10**12]),
)
BYTES = (
    *(b"!!python/object:os.system ", b"!!binary ", b"!!set ", b"!!timestamp ", b"!!omap ", b"!!float ", b"!!int "),
    *(b"<<: ", b"&a ", b"*a ", b"? ", b": ", b"\t", b"- ", b"{", b"[", b"\x00", b"\xff", b"null", b"1e999", b"9" * 400),
    *(b"|", b'"'),
)


def places(value, path=()):
    """Yield every place in a nested value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def changed(value, chance):
    """Return a copy in which some places hold something else, or nothing."""
    value = copy.deepcopy(value)
    for _ in range(chance.choice([1, 1, 2, 3])):
        *path, last = chance.choice(list(places(value))[1:] or [("model",)])
        inner = value
        for key in path:
            inner = inner[key]
        if chance.random() < 0.8:
            inner[last] = copy.deepcopy(chance.choice(VALUES))
        else:
            del inner[last]
    return value


def scrambled(content, chance):
    """Return bytes that are changed, cut, doubled or filled in at some places."""
    content = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5])):
        at, how = chance.randrange(len(content) + 1), chance.random()
        if how < 0.3:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif how < 0.5:
            del content[at : at + chance.choice([1, 2, 8, 50])]
        elif how < 0.7:
            content[at:at] = chance.choice(BYTES)
        else:
            start = chance.randrange(len(content) + 1)
            content[at:at] = content[start : start + chance.choice([1, 5, 30])]
    return bytes(content)


def read(recipe):
    kind = recipe["model"].get("kind") if isinstance(recipe.get("model"), dict) else None
    return (SelectionRecipe if kind == "selection" else Recipe).from_specification(recipe).id


def tried(make, use, number, seconds):
    """Use what is made, for at most so many times and seconds; anything but our own errors ends it."""
    end = time.monotonic() + seconds
    for _ in range(number):
        made = make()
        try:
            with suppress(LmdataError):
                use(made)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} of {made!r:.2000}") from error
        if time.monotonic() > end:
            break


@pytest.fixture
def exported(tmp_path):
    run = tmp_path / "run"
    sweep = {"influence": [0.5, 1]}
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=3, seeds=range(2), sweep=sweep, store=run)
    export_zarr(run, tmp_path / "run.zarr")
    export_zarr(run, tmp_path / "run.zip")
    return tmp_path


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", [500, pytest.param(10**6, marks=pytest.mark.long)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_recipes(seed, number):
    chance = random.Random(seed)
    tried(lambda: changed(chance.choice(RECIPES), chance), read, number, seconds=10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", [30, pytest.param(10**6, marks=pytest.mark.long)])
def test_catalogue_files(seed, number, tmp_path):
    chance, file = random.Random(seed), tmp_path / "c.yaml"
    texts = [place.read_bytes()[:6000] for place in (Path(lmdata.__file__).parents[1] / "catalogs").glob("*.yaml")]

    def use(content):
        file.write_bytes(content)
        read_catalog(file)

    tried(lambda: scrambled(chance.choice(texts), chance), use, number, seconds=10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", [10, pytest.param(10**6, marks=pytest.mark.long)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_metadata_of_zarr(seed, number, exported):
    chance = random.Random(seed)
    files = sorted((exported / "run.zarr").rglob("zarr.json"))

    def make():
        file = chance.choice(files)
        return file, changed(json.loads(file.read_bytes()), chance)

    def use(made):
        file, values = made
        before = file.read_bytes()
        try:
            file.write_text(json.dumps(values, default=str))
            lmdata.verify(exported / "run.zarr")
            lmdata.open(exported / "run.zarr", allow_partial=True).position.values.sum()
        finally:
            file.write_bytes(before)

    tried(make, use, number, seconds=15)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("number", [30, pytest.param(10**6, marks=pytest.mark.long)])
def test_archives(seed, number, exported):
    chance, whole = random.Random(seed), (exported / "run.zip").read_bytes()
    count = iter(range(10**9))

    def use(content):
        archive = exported / "other.zip"
        archive.write_bytes(content)
        import_zarr(archive, exported / f"taken{next(count)}")

    tried(lambda: scrambled(whole, chance), use, number, seconds=10)
