"""The scripts for TAB, in the shells themselves: commands, options, choices, files and names of datasets."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from lmdata import cli
from lmdata.cli.completion import SHELLS, script

NAMES = ["film-review", "hardmax-square", "hardmax-triangle"]

BASH = """
source {script}
complete_words() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_lmdata; printf '%s\\n' "${{COMPREPLY[@]}}"; }}
complete_words {words}
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    for shell in SHELLS:
        (folder / shell).write_text(script(cli.build(), shell, NAMES))
    return folder


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def offered(shell, scripts, *words, folder=None):
    """Return what the shell offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    if shell == "bash":
        code = BASH.format(script=scripts / shell, words=quoted)
    else:
        line = " ".join(words)
        code = f"source {scripts / shell}; complete -C '{line}'"
    done = subprocess.run([shell, "-c", code], capture_output=True, text=True, timeout=60, cwd=folder, check=True)
    return {line.split("\t")[0].split("(")[0].strip() for line in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in ("bash", "fish")])
def test_commands_options_choices_and_names_are_completed(shell, scripts, tmp_path):
    (tmp_path / "sweep.yaml").touch()
    assert {"simulate", "catalog", "completion"} <= offered(shell, scripts, "lmdata", "")
    assert offered(shell, scripts, "lmdata", "dash") == {"dashboard"}
    assert offered(shell, scripts, "lmdata", "catalog", "se") == {"search"}
    assert "--quick" in offered(shell, scripts, "lmdata", "verify", "--q")
    assert {"bash", "zsh", "fish"} <= offered(shell, scripts, "lmdata", "completion", "")
    assert {"hardmax-square", "hardmax-triangle"} == offered(shell, scripts, "lmdata", "open", "hardmax")
    assert "sweep.yaml" in offered(shell, scripts, "lmdata", "simulate", "sw", folder=tmp_path)
    assert "sweep.yaml" in offered(shell, scripts, "lmdata", "open", "sw", folder=tmp_path)


@pytest.mark.long
@needs("zsh")
def test_zsh_completes_in_a_terminal(scripts, tmp_path):
    """Zsh completes in a line editor alone: one is started on a pseudo-terminal, and TAB is pressed."""
    pexpect = pytest.importorskip("pexpect", reason="pexpect, which IPython brings, is not installed")
    (tmp_path / ".zshrc").write_text(
        f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D; PS1='ready> '\n"
    )
    shutil.copy(scripts / "zsh", tmp_path / "_lmdata")
    environment = {**os.environ, "ZDOTDIR": str(tmp_path), "TERM": "dumb"}
    shell = pexpect.spawn("zsh", ["-i"], env=environment, encoding="utf-8", timeout=20, dimensions=(50, 200))
    shell.expect("ready> ")
    for typed, whole in (
        ("lmdata dash", "dashboard"),
        ("lmdata open film", "film-review"),
        ("lmdata verify x --qu", "--quick"),
    ):
        shell.send(f"{typed}\t")
        shell.expect(whole)
        shell.sendcontrol("c")
        shell.expect("ready> ")
    shell.close(force=True)


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in SHELLS])
def test_the_scripts_are_syntax_that_the_shell_reads(shell, scripts):
    check = [shell, "--no-execute" if shell == "fish" else "-n", str(scripts / shell)]
    assert subprocess.run(check, capture_output=True, text=True, timeout=60).stderr == ""


def test_the_command_prints_the_names_that_there_are_now(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    assert cli.main(["completion", "bash"]) == 0
    said = capsys.readouterr().out
    assert "localmax-square" in said
    assert "python" not in said.replace("https://", "").casefold().replace("#", "")
