"""A visit of the dashboard leaves nothing behind when its session is over."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """import gc
import panel_material_ui as pmui
from bokeh.document import Document
from benchmarks.visits import visit

def seen(count):
    if count == 6:
        gc.collect()
        kept = [sum(isinstance(thing, kind) for thing in gc.get_objects()) for kind in (pmui.Page, Document)]
        print(kept)

visit(6, seen)
"""


@pytest.mark.long
def test_no_page_outlives_its_session():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    pages, documents = eval(done.stdout)
    assert pages <= 2, "the last one may still be on its way out"
    assert documents <= 3
