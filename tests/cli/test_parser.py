"""Words that are no command, option or parameter: what was perhaps meant is said, in the shell and in Python."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lmdata
from lmdata import cli
from lmdata.errors import InvalidInput, LmdataError, UnknownName, UnknownParameter


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["simulat", "x.yaml"], "did you mean 'simulate'?"),
        (["catalog", "serch", "x"], "did you mean 'search'?"),
        (["verify", "x", "--quik"], "no option of lmdata verify named '--quik'; did you mean '--quick'"),
        (["simulate", "x.yaml", "--sotre=run"], "did you mean '--store'"),
        (["--jsn", "doctor"], "did you mean '--json'"),
        (["catalog", "list", "--widht"], "lmdata catalog list"),
        (["completion", "bsh"], "did you mean 'bash'"),
        (["catalog", "export", "intak", "c.yaml"], "did you mean 'intake'"),
        (["resume", "run", "run2"], "lmdata resume takes no more arguments; got 'run2'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_was_perhaps_meant_is_said(words, hint, capsys):
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert hint in said.err
    assert said.out == ""


def test_help_and_version_are_no_failure(capsys):
    assert cli.main(["--help"]) == cli.main(["catalog", "list", "--help"]) == cli.main(["--version"]) == 0
    assert f"lmdata {lmdata.__version__}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "meant"),
    [
        (lambda: lmdata.Localmax(delta=0.1), "alignment_sensitivity"),
        (lambda: lmdata.Localmax(alpha=0.1), "influence"),
        (lambda: lmdata.Localmax(A=[[1.0]]), "alignment"),
        (lambda: lmdata.Localmax(influense=0.5), "influence"),
        (lambda: lmdata.Softmax(beta=2.0), "inverse_temperature"),
        (lambda: lmdata.SphereAttention(temperature=2.0), "inverse_temperature"),
        (lambda: lmdata.SelfAttention(V=[[1.0]]), "values"),
        (lambda: lmdata.BoundedConfidence(epsilon=1.0), "radius"),
        (lambda: lmdata.schedules.Geometric(initial=1.0, ratoi=0.5), "ratio"),
        (lambda: lmdata.Localmax().with_parameter("delta", 0.1), "alignment_sensitivity"),
        (lambda: lmdata.Localmax.from_specification({"kind": "localmax", "alpha": 1}), "influence"),
        (lambda: lmdata.Softmax.from_specification({"kind": "softmax", "beta": 1}), "inverse_temperature"),
    ],
)
def test_parameters_go_by_the_letters_of_papers_too(make, meant):
    with pytest.raises(UnknownParameter, match=f"did you mean '{meant}'"):
        make()


def test_a_parameter_that_is_unknown_stays_the_error_that_python_has_for_it():
    assert issubclass(UnknownParameter, TypeError)
    assert issubclass(UnknownParameter, UnknownName)
    with pytest.raises(TypeError, match="there is no parameter of Localmax named 'gamma_ray'"):
        lmdata.Localmax(gamma_ray=1)
    with pytest.raises(TypeError, match="positional") as error:
        lmdata.Localmax(1, 2, None, 4)
    assert not isinstance(error.value, LmdataError)


@pytest.mark.parametrize(("letter", "name"), [("delta", "alignment_sensitivity"), ("alpha", "influence")])
def test_a_sweep_by_a_letter_is_answered_with_the_name(letter, name, tmp_path, capsys):
    with pytest.raises(InvalidInput, match=f"did you mean '{name}'"):
        lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5]], steps=1, sweep={letter: [0.1]})
    spec = tmp_path / "run.yaml"
    for text in (f"model: {{kind: localmax, {letter}: 0.1}}", f"model: {{kind: localmax}}\nsweep: {{{letter}: [0.1]}}"):
        spec.write_text(f"{text}\ntokens: {{kind: uniform, n: 3, d: 2}}\nsteps: 1\n")
        assert cli.main(["simulate", str(spec)]) == 2
        assert f"did you mean '{name}'" in capsys.readouterr().err


def test_mistakes_are_told_before_what_draws_is_imported(tmp_path):
    """Commands that draw, each with a mistake; the same words without it would import panel, for seconds."""
    (tmp_path / "file").touch()
    mistakes = [
        ["dashboard", "localmax-sqare"],
        ["dashboard", "hardmax-square", "--address", "everywhere"],
        ["dashboard", "hardmax-square", "--address", "0.0.0.0"],
        ["dashboard", "hardmax-square", "--port", "70000"],
        ["dashboard", "hardmax-square", "--origin", "a/b"],
        ["analyse", "localmax-sqare"],
        ["analyse", "hardmax-square", "--pipeline", "hull_volume_decai"],
        ["demo", "--output", str(tmp_path / "file" / "x")],
        ["demo", "--output", str(tmp_path / "out"), "--text", " ... "],
        ["play", "localmax-sqare"],
        ["play", "--output", str(tmp_path / "file" / "x.html")],
        ["dashbord"],
    ]
    code = (
        "import sys; from lmdata.cli import main\n"
        f"print([main(words) for words in {mistakes!r}], sorted({{'panel', 'holoviews', 'bokeh', 'matplotlib'}}\n"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.stdout.split() == f"{[2] * len(mistakes)} []".split(), done.stderr
    assert not (tmp_path / "out").exists()
