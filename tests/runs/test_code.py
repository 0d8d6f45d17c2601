"""What decides the bits of a run: another line of source, or another version below it, is told."""

from __future__ import annotations

import importlib
import os
import sys
import time
from dataclasses import replace

import pytest

import lmdata
from lmdata.runs import code as code_module
from lmdata.runs.code import Code, difference_here

TOKENS = lmdata.tokens.uniform(4, 2)


@pytest.fixture
def forget():
    """Forget the code of this process before and after a test, as another process would."""
    code_module._code.cache_clear()
    yield code_module._code.cache_clear
    code_module._code.cache_clear()


def test_this_process_does_not_differ_from_itself():
    code = Code.here(lmdata.Localmax(), TOKENS)
    assert difference_here(code, time.time()) == ""
    rooms = {name.split("/")[1] for name in code.files}
    assert rooms == {"numerics", "dynamics", "runs"}
    assert {"numpy", "numba", "scipy", "Python"} < set(code.versions)


@pytest.mark.parametrize("package", ["numpy", "numba", "llvmlite", "scipy", "lmdata", "Python"])
def test_another_version_below_is_told(package):
    code = Code.here(lmdata.Localmax(), TOKENS)
    other = replace(code, versions=code.versions | {package: "0.1"})
    assert difference_here(other, time.time()).startswith(f"it has {package} ")


def test_a_file_more_or_less_or_changed_is_told():
    code = Code.here(lmdata.Localmax(), TOKENS)
    name = "lmdata/dynamics/kernels/fused.py"
    more = replace(code, files=code.files | {"lmdata/dynamics/more.py": "0" * 64})
    assert more.difference(code) == "it lacks lmdata/dynamics/more.py"
    assert code.difference(more) == "it has lmdata/dynamics/more.py, which is not here"
    changed = replace(code, files=code.files | {name: "0" * 64})
    assert changed.difference(code) == f"its {name} is another, though its version is the same"


PLUGIN = """
import dataclasses
import lmdata
from .constants import GAIN

class Louder(lmdata.Localmax):
    pass
"""


def test_the_whole_package_of_another_s_model_counts(tmp_path, monkeypatch, forget):
    package = tmp_path / "louder_models"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "constants.py").write_text("GAIN = 1.0\n")
    (package / "models.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    model = importlib.import_module("louder_models.models").Louder()
    code = Code.here(model, TOKENS)
    assert code.modules == ("louder_models.models",)
    assert {"louder_models/constants.py", "louder_models/models.py"} < set(code.files)
    forget()
    (package / "constants.py").write_text("GAIN = 2.0\n")
    assert "louder_models/constants.py is another" in difference_here(code, time.time() + 1)
    (package / "constants.py").write_text("GAIN = 1.0\n")
    forget()
    assert difference_here(code, time.time() + 1) == ""
    os.utime(package / "constants.py", (time.time(), time.time()))
    assert "was changed after it was started" in difference_here(code, time.time() - 60)
    forget()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    monkeypatch.delitem(sys.modules, "louder_models")
    assert difference_here(code, time.time() + 1).startswith("it lacks louder_models/")
