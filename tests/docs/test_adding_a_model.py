"""The documentation's example of a model in one file runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lmdata.dynamics import model as registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-model.md"


@pytest.fixture
def forgotten():
    """Forget the example's kind afterwards."""
    yield
    registry.MODELS._classes.pop("power", None)


def test_the_example_of_the_documentation_runs(forgotten):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {"__name__": "example"}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    ds = names["ds"]
    assert ds.position.dims == ("exponent", "seed", "time", "token", "component")
    assert np.isfinite(ds.position.values).all()
    assert (names["volume"].isel(time=-1) < 1).all()
    assert names["rank"].sel(exponent=0).max() == 1
    model = names["PowerAttention"](exponent=3.0)
    assert registry.model_from_specification(model.specification()) == model
