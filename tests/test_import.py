"""What ``import lmdata`` costs, and what it must not bring in."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

import lmdata
import lmdata.analysis
import lmdata.dynamics.models
from lmdata.dynamics.model import MODELS

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


def test_every_model_is_listed_and_public():
    """A model that is registered in a file of `lmdata.dynamics.models` has its line in ``__init__``."""
    for found in pkgutil.iter_modules(lmdata.dynamics.models.__path__):
        importlib.import_module(f"lmdata.dynamics.models.{found.name}")
    own = {MODELS[kind] for kind in MODELS if MODELS[kind].__module__.startswith("lmdata.dynamics.models.")}
    assert {cls.__name__ for cls in own} - set(lmdata._FORMER) == set(lmdata.dynamics.models.__all__)
    assert set(lmdata.dynamics.models.__all__) <= set(lmdata.__all__)


def test_every_measure_is_listed_and_public():
    """What a file of `lmdata.analysis` declares to be a measure has its line in ``__init__``."""
    declared = set()
    for found in pkgutil.iter_modules(lmdata.analysis.__path__):
        module = importlib.import_module(f"lmdata.analysis.{found.name}")
        here = {name: value for name, value in vars(module).items() if hasattr(value, "variables")}
        declared |= {name for name, value in here.items() if value.__module__ == module.__name__}
    assert declared <= set(lmdata.analysis.__all__) <= set(lmdata.__all__)


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'hull_volum'"):
        getattr(lmdata, "hull_volum")  # noqa: B009
