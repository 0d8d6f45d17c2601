"""Nothing that came from elsewhere steers the terminal, and a terminal that cannot take the text ends nothing badly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata

import pytest
import yaml

import lmdata
from lmdata import cli
from lmdata.errors import InvalidInput
from lmdata.terminal import printable

HOSTILE = "\x1b]0;owned\x07\x1b[2Jfilm\r\x08\x9b31m\u202etxt.exe\u2066\u200f\u2028\x7f"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def test_every_control_character_is_escaped_and_nothing_else():
    for number in range(0x110000):
        character = chr(number)
        steers = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or (
            unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
            or number in (0x061C, 0x200E, 0x200F, 0xFEFF)
        )
        assert (printable(character) != character) == (steers and character != "\n"), hex(number)


def test_errors_cannot_steer_either():
    assert not STEERING.search(str(InvalidInput(f"token {HOSTILE!s} is not known")))


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Make a catalogue, a store and a spec file that are full of control characters."""
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    tokens = lmdata.tokens.array(
        [[1.0, 0.0], [0.0, 1.0]], labels=[f"{HOSTILE}{k}".replace("\x00", "") for k in range(2)]
    )
    store = tmp_path / f"run{HOSTILE}".replace("/", "")
    lmdata.simulate(lmdata.Localmax(), tokens, steps=2, store=store)
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump({"model": {"kind": HOSTILE}, "tokens": {"kind": "uniform", HOSTILE: 1}, "steps": 1}))
    broken = tmp_path / f"broken{HOSTILE}"
    broken.mkdir()
    (broken / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {"a": "\\u001b[31m"}}')
    return {"store": str(store), "spec": str(spec), "broken": str(broken)}


@pytest.mark.parametrize(
    "words",
    [
        ("open", "store"),
        ("open", "broken"),
        ("verify", "store"),
        ("verify", "broken"),
        ("repair", "broken"),
        ("resume", "store"),
        ("export", "store", "store"),
        ("simulate", "spec"),
        ("simulate", "store"),
        ("catalog", "add", "own", "store", "--title", HOSTILE),
        ("catalog", "add", HOSTILE, "store"),
        ("catalog", "list"),
        ("catalog", "show", HOSTILE),
        ("catalog", "search", HOSTILE),
        ("open", HOSTILE),
        ("analyse", HOSTILE, "--output", "x"),
        ("dashboard", HOSTILE),
        (HOSTILE,),
    ],
    ids=lambda words: "-".join(words[:2]) if words[0] != HOSTILE else "hostile",
)
def test_no_command_lets_a_control_character_through(words, hostile, capsys):
    if words == ("catalog", "list"):
        lmdata.catalog.add("own", hostile["store"], title="A title\x1b[31m\u202e".replace("\x1b", "\u009b"))
    cli.main([hostile.get(word, word) for word in words])
    said = capsys.readouterr()
    assert said.out + said.err
    assert not STEERING.search(said.out + said.err)


def command(*words, **options):
    return subprocess.run([sys.executable, "-m", "lmdata", *words], text=True, timeout=120, **options)


def test_warnings_and_logs_go_the_same_way():
    code = (
        "import logging, warnings; from lmdata.terminal import escaped\n"
        f"with escaped():\n    warnings.warn({HOSTILE!r})\n    logging.getLogger('lmdata').warning({HOSTILE!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.count("film") == 2
    assert not STEERING.search(done.stderr)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device to write to")  # noqa: PTH110
def test_a_full_disk_at_the_last_print_is_said():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = command("catalog", "list", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("catalog list", 0, marks=pytest.mark.long),
        ("--help", 0),
        pytest.param("open no-such 2>&1", 2, marks=pytest.mark.long),
        pytest.param("catalog list --json", 0, marks=pytest.mark.long),
        pytest.param("doctor", 0, marks=pytest.mark.long),
        pytest.param("simulate no-such.yaml 2>&1", 2, marks=pytest.mark.long),
        pytest.param("simulate --hepl 2>&1", 2, marks=pytest.mark.long),
    ],
)
def test_whoever_has_read_enough_may_go_and_the_exit_code_stays(words, code):
    """The reader of a real pipe is gone before a word is written."""
    script = f"{{ sleep 0.2; '{sys.executable}' -m lmdata {words}; echo $? >&3; }} 3>&2 | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stderr.split() == [str(code)]


@pytest.mark.long
def test_a_run_goes_on_when_nobody_reads_what_it_prints(tmp_path):
    """Progress goes to a pipe that is closed: the run is stored nevertheless."""
    (tmp_path / "run.yaml").write_text(
        "model: {kind: localmax}\ntokens: {kind: uniform, n: 8, d: 2}\nsteps: 3\nseeds: {first: 0, count: 40}\n"
    )
    script = f"{{ sleep 0.2; '{sys.executable}' -m lmdata simulate run.yaml 2>&1; echo $? >&3; }} 3>&2 | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.stderr.split() == ["0"]
    assert lmdata.verify(tmp_path / "run").ok


def test_a_broken_pipe_that_is_no_printing_is_an_error(monkeypatch, capsys):
    """A socket of a worker or of a bucket: silence would pass for success."""

    def broken(*words, **options):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(lmdata, "versions", broken)
    assert cli.main(["versions", "run"]) == 2
    assert "Broken pipe" in capsys.readouterr().err


@pytest.mark.long
def test_a_terminal_of_ascii_gets_codes_for_other_letters(hostile):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = command("open", "no-such-\u03b4", capture_output=True, env=environment)
    assert done.returncode == 2
    assert "\\u03b4" in done.stderr
