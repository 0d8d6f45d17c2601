"""Names and titles: safe to draw, and saying what is drawn."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.dynamics import schedules
from lmdata.view import naming


@given(st.text())
@example("$$$$")
@example("\\(a\\)\\[b\\]")
@example("\u202eright to left")
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_name_is_read_as_a_formula_or_breaks_the_line(name):
    text = naming.plain(name)
    assert not re.search(r"\$\$|\\[()\[\]]", text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text)
    assert len(text) <= naming.LONGEST
    assert naming.plain(text) == text


def test_settings_say_model_and_every_parameter_of_the_member():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1, sweep={"influence": [0.5, 2.0]})
    assert naming.settings(ds.isel(influence=[1])) == "localmax · δ = 0 · α = 2 · seed 0"
    assert naming.settings(ds.isel(influence=0, seed=0)) == "localmax · δ = 0 · α = 0.5 · seed 0"
    assert naming.settings(ds.isel(influence=[0]), without={"influence", "seed"}) == "localmax · δ = 0"


def test_a_schedule_is_named_by_its_kind():
    model = lmdata.Localmax(schedules.Geometric(0.5, 0.9))
    ds = lmdata.simulate(model, lmdata.tokens.uniform(4, 2), steps=1)
    assert naming.settings(ds) == "localmax · δ(t) geometric · α = 1 · seed 0"


def test_a_dataset_is_called_by_its_catalogue_name_or_its_folder():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1)
    assert naming.dataset_name(ds) == "dataset"
    ds.encoding["source"] = "/somewhere/runs/sweep"
    assert naming.dataset_name(ds) == "sweep"
    ds.attrs["catalogue_name"] = "my-sweep"
    assert naming.dataset_name(ds) == "my-sweep"
