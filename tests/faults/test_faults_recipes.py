"""Hostile recipes and catalogues: refused in a moment and in little memory, with nothing read, run or written."""

import resource
import time
import warnings

import pytest

import lmdata
from lmdata import cli
from lmdata.data.catalog.catalog import Catalog
from lmdata.errors import CatalogError, CatalogWarning, LmdataError, UnknownName

GOOD = "model: {kind: localmax}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3\nseeds: [0, 1]\n"
HOSTILE = {
    "a tag that runs a command": "!!python/object/apply:os.system ['touch broken']",
    "a tag that opens a file": "model: !!python/object/new:open [/etc/passwd]",
    "an include": "model: !include /etc/passwd",
    "an alias bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nmodel: *c",
    "deep nesting": "model: " + "[" * 10**5,
    "a file of a megabyte": GOOD + "# " + "x" * 2**20,
    "a key twice": GOOD + "steps: 4",
    "an unknown key": GOOD + "command: id",
    "a template as kind": GOOD.replace("localmax", "'{{ env(HOME) }}'"),
    "markup as kind": GOOD.replace("localmax", "<script>"),
    "a path as kind": GOOD.replace("localmax", "../../etc/passwd"),
    "a huge n": GOOD.replace("n: 5", "n: 1000000000000"),
    "a huge d": GOOD.replace("d: 2", "d: 1000000000000"),
    "a negative n": GOOD.replace("n: 5", "n: -5"),
    "a fractional n": GOOD.replace("n: 5", "n: 5.5"),
    "a text as n": GOOD.replace("n: 5", "n: '5'"),
    "huge steps": GOOD.replace("steps: 3", "steps: 1000000000000000000"),
    "steps of ten thousand digits": GOOD.replace("steps: 3", "steps: " + "9" * 10_000),
    "steps that are infinite": GOOD.replace("steps: 3", "steps: .inf"),
    "steps that are no number": GOOD.replace("steps: 3", "steps: .nan"),
    "steps that are true": GOOD.replace("steps: 3", "steps: true"),
    "a huge range of seeds": GOOD.replace("[0, 1]", "{first: 0, count: 1000000000000}"),
    "a negative seed": GOOD.replace("[0, 1]", "[-1]"),
    "a huge seed": GOOD.replace("[0, 1]", f"[{2**200}]"),
    "a seed twice": GOOD.replace("[0, 1]", "[1, 1]"),
    "a parameter that is infinite": GOOD.replace("localmax", "localmax, influence: .inf"),
    "a parameter that is text": GOOD.replace("localmax", "localmax, influence: '1'"),
    "a sweep over a path": GOOD + "sweep: {../../x: [1]}",
    "a sweep over markup": GOOD + "sweep: {'<img src=x onerror=alert(1)>': [1]}",
    "a sweep of nothing": GOOD + "sweep: {influence: []}",
    "a huge sweep": GOOD + "sweep: {influence: {linspace: [0.1, 1, 100000000000]}}",
    "a record beyond the end": GOOD + "record: [0, 10]",
    "a huge array": GOOD.replace(
        "{kind: uniform, n: 5, d: 2}", "{kind: array, shape: [1000000000, 1000000], sha256: x}"
    ),
    "no mapping": "- 1",
    "nothing": "",
    "bytes": "\x00\x01",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_recipes_are_refused_at_once(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    assert cli.main(["simulate", str(spec)]) == 2
    assert time.monotonic() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    told = capsys.readouterr().err
    assert "spec.yaml" in told or "more than the available memory" in told  # too large for this machine, but no mistake
    assert len(told) < 2000
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_recipes_in_a_catalogue_are_refused_when_they_are_asked_for(tmp_path, text):
    """A catalogue is checked as a file; what its recipes mean is checked when they are built."""
    indented = "\n".join(f"      {line}" for line in text.splitlines())
    entry = "title: Evil\n    driver: recipe\n    recipe:\n"
    (tmp_path / "c.yaml").write_text(f"lmdata_catalog: 1\ndatasets:\n  evil:\n    {entry}{indented}\n")
    catalog = Catalog(lmdata.library.build, files=[tmp_path / "c.yaml"], cache=tmp_path / "cache")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CatalogWarning)  # the whole file may be broken by it
        with pytest.raises(LmdataError):
            catalog.open("evil")
    assert not list((tmp_path / "cache").rglob("repo"))


@pytest.mark.parametrize(
    "path",
    ["/etc", "../outside", "a/../../outside", "link/data", "file:///etc", "s3://key:secret@bucket/x", "a\\..\\b"],
)
@pytest.mark.parametrize("driver", ["zarr", "icechunk"])
def test_catalogues_reach_nothing_outside_their_folder(tmp_path, example, path, driver):
    outside = tmp_path / "outside"
    example().write(outside / "data")
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    entry = f"{{title: Out, driver: {driver}, path: '{path}'}}"
    (folder / "c.yaml").write_text(f"lmdata_catalog: 1\ndatasets: {{out: {entry}}}\n")
    catalog = Catalog(lambda *_: None, files=[folder / "c.yaml"], cache=tmp_path / "cache")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises((CatalogError, UnknownName)) as caught:
            catalog.open("out")
    said = " ".join(map(str, (caught.value, *(warning.message for warning in told))))
    assert "c.yaml" in said, "it is refused, or the whole file is left out with a warning"
    assert "secret" not in said
