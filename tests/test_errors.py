"""What an extra brings and is missing is said with the extra's name, wherever it is needed first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lmdata.errors import BackendUnavailable, ExtraMissing

NEEDS = {
    "view": (
        ("holoviews", "panel", "bokeh", "matplotlib"),
        ("import lmdata.view", "import lmdata; lmdata.view", "main(['dashboard', 'hardmax-square', '--no-browser'])"),
    ),
    "text": (("wordllama",), ("import lmdata; lmdata.tokens.text('a b').draw(0)",)),
    "transformer": (
        ("tokenizers",),
        (
            "import tempfile; from pathlib import Path; from lmdata.models import Transformer; "
            "from tests.models import tiny; f = Path(tempfile.mkdtemp()); tiny.write(f); Transformer(f).tokenise('a')",
        ),
    ),
    "hdf5": (
        ("h5py", "h5netcdf"),
        (
            "import lmdata, pathlib, tempfile; f = pathlib.Path(tempfile.mkdtemp(), 'x.h5'); f.touch(); "
            "lmdata.adopt(f)",
            "import lmdata, pathlib, tempfile; f = pathlib.Path(tempfile.mkdtemp(), 'x.nc'); "
            r"f.write_bytes(b'\x89HDF\r\n\x1a\n'); lmdata.adopt(f)",
        ),
    ),
    "distributed": (("distributed",), ("from lmdata.runs.cluster import connected; connected(1).__enter__()",)),
    "selection": (
        ("clarabel",),
        ("from lmdata.selection import att_svm, construction; att_svm(construction('single-local').draw(0), [0])",),
    ),
}


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        pytest.param(extra, code, marks=pytest.mark.long if (number, extra) != (0, "view") else ())
        for extra, (_, codes) in NEEDS.items()
        for number, code in enumerate(codes)
    ],
)
def test_a_missing_extra_is_named(extra, code):
    block = f"import sys; sys.modules.update(dict.fromkeys({NEEDS[extra][0]!r})); from lmdata.cli import main; "
    ended = "sys.exit(" + code + ")" if code.startswith("main") else code
    done = subprocess.run([sys.executable, "-c", block + ended], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].endswith(f"pip install 'lmdata[{extra}]'")
    assert "Traceback" not in done.stderr or not code.startswith("main")


def test_it_is_an_import_error_and_one_of_ours():
    error = ExtraMissing.of("view", "a figure", ["no_such_package"])
    assert isinstance(error, ImportError)
    assert isinstance(error, BackendUnavailable)
    assert ExtraMissing.of("view", "a figure", ["json"]) is None
