"""What ``import lmdata`` costs, and what it must not bring in."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import lmdata

FORBIDDEN = ("distributed", "panel", "icechunk", "numba")


def test_import_is_light():
    command = [sys.executable, "-X", "importtime", "-c", "import lmdata"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    imported = set(re.findall(r"\|\s+(\S+)$", told, flags=re.MULTILINE))
    assert "lmdata" in imported
    assert not [name for name in imported if name.split(".")[0] in FORBIDDEN]


def test_every_public_name_is_there():
    for name in lmdata.__all__:
        assert getattr(lmdata, name) is not None
        assert name in dir(lmdata)


def test_the_table_of_public_names_is_complete():
    import lmdata.analysis
    import lmdata.dynamics.models

    assert set(lmdata._HOMES["analysis"]) == set(lmdata.analysis.__all__)
    assert set(lmdata._HOMES["dynamics.models"]) == set(lmdata.dynamics.models.__all__)


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'hull_volum'"):
        getattr(lmdata, "hull_volum")  # noqa: B009
