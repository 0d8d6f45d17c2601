"""The command: help with an example everywhere, JSON, exit codes, and messages that name the remedy."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

import lmdata
from lmdata import cli, library
from lmdata.data.catalog.catalog import Catalog
from lmdata.data.store.writer import RunStore
from lmdata.data.versions import publish_version
from lmdata.errors import InvalidInput
from lmdata.runs.means import Means

SPEC = "model: {kind: localmax}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3\nseeds: [0, 1]\n"


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(SPEC)
    return file


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))


def leaves(parser, path=()):
    """Yield every command of a parser with its words."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not actions:
        yield path, parser
    for action in actions:
        for name, child in action.choices.items():
            yield from leaves(child, (*path, name))


def test_every_command_shows_an_example_that_parses():
    parser = cli.build()
    found = dict(leaves(parser))
    assert {words[0] for words in found} == {
        *("demo", "simulate", "resume", "verify", "open", "analyse", "dashboard", "play", "catalog", "doctor"),
        *("export", "import", "repair", "extend", "publish", "versions", "migrate", "gc", "cite", "figure"),
        "completion",
    }
    for words, command in found.items():
        example = command.epilog.removeprefix("Example: ").partition(" > ")[0].replace("'", "").split()
        assert tuple(example[1 : 1 + len(words)]) == words
        parser.parse_args([word for word in example[1:] if word != "sweep"])


def test_simulate_open_verify_as_json(spec, capsys):
    store = spec.with_suffix("")
    assert cli.main(["simulate", str(spec), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["complete"] == made["members"] == 2
    assert cli.main(["open", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == made["digest"]
    assert cli.main(["verify", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert cli.main(["resume", str(store)]) == 0
    assert "2 of 2 members complete" in capsys.readouterr().out


def test_simulate_again_opens_what_is_there_and_refuses_another_recipe(spec, capsys):
    assert cli.main(["simulate", str(spec)]) == 0
    assert cli.main(["simulate", str(spec)]) == 0
    spec.write_text(SPEC.replace("steps: 3", "steps: 4"))
    assert cli.main(["simulate", str(spec)]) == 1
    assert "steps: 3 there, 4 here" in capsys.readouterr().err


def test_extend_is_the_run_made_wide_at_once(tmp_path, capsys):
    wide = (
        "model: {kind: localmax}\ntokens: {kind: uniform, n: 4, d: 2}\nsteps: 2\nseeds: [0, 1, 2, 9]\n"
        "sweep: {influence: %s}\n"
    )
    for name, text in (("wide", wide % [0.5, 1, 0.25]), ("run", wide.replace(", 2, 9", "") % [0.5])):
        (tmp_path / f"{name}.yaml").write_text(text)
        assert cli.main(["simulate", str(tmp_path / f"{name}.yaml"), "--json"]) == 0
    capsys.readouterr()
    store = str(tmp_path / "run")
    assert cli.main(["extend", store, "--seeds", "0:3,9", "--sweep", "influence=0.5,1,0.25", "--json"]) == 0
    extended = json.loads(capsys.readouterr().out)
    assert extended["complete"] == 12
    assert extended["digest"] == lmdata.open(tmp_path / "wide").attrs["digest"]
    assert cli.main(["extend", store, "--seeds", "3:5"]) == 2
    assert "then what is new: [0, 1, 2, 9, 3, 4]" in capsys.readouterr().err
    assert cli.main(["extend", store, "--sweep", "influence=1", "--sweep", "influence=2"]) == 2
    assert "names a parameter twice" in capsys.readouterr().err
    for wrong in (["--seeds", "0:x"], ["--seeds", "0:99999999999"], ["--sweep", "influence"], ["--sweep", "a=b"]):
        assert cli.main(["extend", store, *wrong]) == 2
        assert "write 0:40" in (said := capsys.readouterr().err) or "NAME=V" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {kind: localmix}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3", "did you mean 'localmax'"),
        ("model: {kind: localmax}\nsteps: 3", "lacks 'tokens'"),
        ("model: {kind: localmax}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3\nseed: [1]", "no key 'seed'"),
        ("- 1", "mapping"),
        ("!!python/object/apply:os.system ['true']", "small.yaml"),
        ("model: [", "small.yaml"),
    ],
)
def test_bad_specs_exit_with_2_and_write_nothing(spec, text, message, capsys):
    spec.write_text(text)
    assert cli.main(["simulate", str(spec)]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in spec.parent.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize(
    "arguments", [("--scheduler", "0"), ("--backend", "nunpy"), ("--store", "http://x/y")], ids=["0", "nunpy", "http"]
)
def test_mistakes_on_the_command_line_are_not_blamed_on_the_file(spec, arguments, capsys):
    assert cli.main(["simulate", str(spec), *arguments]) == 2
    told = capsys.readouterr().err
    assert arguments[1][:4] in told
    assert spec.name not in told


def test_spec_that_is_too_large_is_not_read_to_its_end():
    with pytest.raises(InvalidInput, match="larger than"):
        library.run_file(Path("/dev/zero"), Means(store="nowhere"))


@pytest.mark.parametrize("name", ["small", "."])
def test_spec_without_an_ending_needs_a_store(spec, name, capsys, monkeypatch):
    monkeypatch.chdir(spec.parent)
    spec.rename("small")
    assert cli.main(["simulate", name]) == 2
    assert f"after {name}, which has no ending; say where it goes with --store" in capsys.readouterr().err
    assert cli.main(["simulate", name, "--store", "run"]) == (0 if name == "small" else 2)
    assert name == "small" or "Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("analyse", "hardmax-square"), ("demo",)])
def test_output_below_a_file_is_refused_without_a_traceback(spec, command, capsys):
    assert cli.main([*command, "--output", str(spec / "x")]) == 2
    assert "Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["hardmax-sqare"], ["hardmax-square", "--pipeline", "hull_volume_decai"]])
def test_analysis_of_what_is_not_there_leaves_no_folder(tmp_path, words, capsys):
    assert cli.main(["analyse", *words, "--output", str(tmp_path / "out")]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_unknown_names_get_a_suggestion(capsys):
    assert cli.main(["open", "hardmax-sqare"]) == 2
    assert "did you mean 'hardmax-square'" in capsys.readouterr().err


def test_catalog_commands(spec, capsys, tmp_path):
    assert cli.main(["catalog", "list"]) == 0
    assert "film-review" in capsys.readouterr().out
    assert cli.main(["catalog", "search", "leader", "--json"]) == 0
    assert "hardmax-triangle" in json.loads(capsys.readouterr().out)["names"]
    assert cli.main(["catalog", "info", "hardmax-square"]) == 0
    assert "arXiv:2407.01602" in capsys.readouterr().out
    assert cli.main(["simulate", str(spec)]) == 0
    assert cli.main(["catalog", "add", "mine", str(spec.with_suffix("")), "--title", "Mine"]) == 0
    assert lmdata.open("mine").sizes["seed"] == 2
    assert cli.main(["catalog", "check", "hardmax-square", "hardmax-triangle"]) == 0
    assert capsys.readouterr().out.count("as catalogued") == 2


def test_doctor_says_what_there_is(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kernels"]
    assert "cupy" in facts


def test_export_and_import_keep_every_digest(tmp_path, capsys):
    assert cli.main(["export", "hardmax-square", str(tmp_path / "square.zarr")]) == 0
    assert cli.main(["import", str(tmp_path / "square.zarr"), str(tmp_path / "square")]) == 0
    assert lmdata.open(tmp_path / "square").attrs["digest"] == lmdata.catalog["hardmax-square"].digest
    assert cli.main(["import", str(tmp_path / "square.zarr"), str(tmp_path / "square")]) == 1
    assert "something at" in capsys.readouterr().err


def test_export_is_of_the_version_that_is_named(tmp_path, monkeypatch):
    run = {"steps": 2, "store": tmp_path / "run"}
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(4, 2)
    digest = lmdata.simulate(model, tokens, seeds=(0, 1), **run).attrs["digest"]
    publish_version(tmp_path / "run", "v1")
    with RunStore.append_to(tmp_path / "run") as store:
        store.extend(replace(store.layout, seeds=(0, 1, 2, 3)))
    (tmp_path / "c.yaml").write_text(
        "lmdata_catalog: 1\ndatasets:\n  published: "
        f"{{title: Published, driver: icechunk, path: run, tag: v1, digest: {digest}}}\n"
    )
    monkeypatch.setattr(library, "catalog", Catalog(library.build, files=[tmp_path / "c.yaml"]))
    assert cli.main(["export", "published", str(tmp_path / "plain.zarr")]) == 0
    assert lmdata.open(tmp_path / "plain.zarr").attrs["digest"] == digest


def test_upkeep_of_a_run(spec, capsys):
    store = str(spec.with_suffix(""))
    assert cli.main(["simulate", str(spec), "--json"]) == 0
    digest = json.loads(capsys.readouterr().out)["digest"]
    assert cli.main(["versions", store]) == 0
    assert "no version" in capsys.readouterr().out
    assert cli.main(["publish", store, "v1"]) == 0
    assert f"published {store}@v1" in capsys.readouterr().out
    assert cli.main(["publish", store, "v1"]) == 1
    assert cli.main(["publish", store, "one"]) == 2
    capsys.readouterr()
    assert cli.main(["versions", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["versions"] == {"v1": digest}
    assert cli.main(["open", f"{store}@v1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == digest
    assert cli.main(["gc", store, "--days", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] > 0
    assert cli.main(["gc", store, "--days", "-1"]) == 2
    assert cli.main(["migrate", store]) == 0


def test_what_is_not_there_is_said_without_a_traceback(tmp_path, capsys):
    for arguments in (["resume", "nope"], ["verify", str(tmp_path / "nope")], ["catalog", "add", "x", "nope"]):
        assert cli.main(arguments) in (1, 2)
        assert "nope" in capsys.readouterr().err


def test_repair_computes_a_damaged_member_again(spec, capsys):
    assert cli.main(["simulate", str(spec), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    store = spec.with_suffix("")
    chunk = max((store / "chunks").iterdir(), key=lambda file: file.stat().st_size)
    damaged = bytearray(chunk.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    chunk.write_bytes(damaged)
    assert cli.main(["verify", str(store)]) == 1
    assert cli.main(["repair", str(store)]) == 0
    assert cli.main(["open", str(store), "--json"]) == 0
    assert made["digest"] in capsys.readouterr().out
