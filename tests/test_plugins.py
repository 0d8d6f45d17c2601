"""What other packages add: found when asked for, and never an end when it is broken."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import lmdata
import lmdata.library
from lmdata import plugins
from lmdata.cli import main
from lmdata.dynamics.model import MODELS, model_from_specification
from lmdata.dynamics.tokens import source_from_specification
from lmdata.errors import CorruptDataset, InvalidInput, PluginWarning, RecipeMismatch, UnknownName

from .plugging import MEASURE, MODEL, REMARK, TOKENS


def test_a_model_and_a_token_source_are_found_when_their_kind_is_asked_for(install):
    install("plug-one", MODEL + TOKENS, models={"halving": "plug_one:Halving"}, tokens={"line": "plug_one:Line"})
    assert "plug_one" not in sys.modules
    assert model_from_specification({"kind": "halving", "influence": 3}).influence == 3
    assert source_from_specification({"kind": "line", "n": 4}).shape == (4, 1)
    assert {"halving", "localmax"} <= set(MODELS)


def test_nothing_is_looked_for_while_names_are_known(monkeypatch):
    monkeypatch.setattr(plugins, "offers", lambda group: pytest.fail(f"looked for {group}"))
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=1)
    model_from_specification(json.loads(ds.attrs["model"]))
    ds.lm.hull_volume()


def test_a_measure_is_a_method_and_names_its_package(install):
    install("plug-two", MEASURE, version="2.5", measures={"diameter": "plug_two:diameter"})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.5], [-2.0, 0.0]], steps=1)
    found = ds.lm.diameter()
    assert found.isel(seed=0, time=0) == 2
    assert found.attrs["package"] == "plug-two 2.5"
    assert "diameter" in dir(ds.lm)
    assert "package" not in ds.lm.hull_volume().attrs


def test_a_plugin_that_raises_is_a_warning_that_names_its_package(install):
    install("plug-three", "raise RuntimeError('no licence')", models={"halving": "plug_three:Halving"})
    with (
        pytest.warns(PluginWarning, match="plug-three 1.0 offers lmdata.models 'halving', .* loaded: no licence"),
        pytest.raises(UnknownName, match="no model named 'halving'"),
    ):
        model_from_specification({"kind": "halving"})
    with pytest.raises(UnknownName):  # told once
        model_from_specification({"kind": "halving"})
    assert "localmax" in MODELS


@pytest.mark.parametrize(
    ("text", "value"),
    [("import sys; sys.exit(3)", "plug_four:f"), ("def", "plug_four:f"), ("", "plug_four:f"), ("", "no_such:f")],
)
def test_every_fault_at_import_is_that_warning(install, text, value):
    install("plug-four", text, measures={"diameter": value})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0)
    with pytest.warns(PluginWarning, match="plug-four 1.0 offers lmdata.measures 'diameter'"):
        assert "hull_volume" in dir(ds.lm)
    with pytest.raises(AttributeError, match="no measure named 'diameter'"):
        ds.lm.diameter()


def test_two_plugins_of_one_name_are_refused_when_it_is_asked_for(install):
    install("plug-five", MEASURE, measures={"diameter": "plug_five:diameter"})
    install("plug-six", MEASURE, measures={"diameter": "plug_six:diameter"})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0)
    twice = "lmdata.measures 'diameter' is offered by plug-.* 1.0 and plug-.* 1.0: uninstall all but one"
    with pytest.raises(InvalidInput, match=twice):
        ds.lm.diameter()
    with pytest.warns(PluginWarning, match=twice):
        assert "diameter" not in dir(ds.lm)


def test_a_variable_that_clashes_names_both(install):
    install("plug-seven", MEASURE.replace('"diameter"', '"energy"'), measures={"diameter": "plug_seven:diameter"})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0)
    clash = (
        "plug-seven 1.0 .* cannot be loaded: variable 'energy' of plug_seven:diameter is declared already, "
        "by lmdata.analysis.lyapunov:lyapunov"
    )
    with pytest.warns(PluginWarning, match=clash), pytest.raises(AttributeError):
        ds.lm.diameter()


def test_a_plugin_does_not_take_a_name_of_lmdata(install):
    install("plug-eight", MEASURE, measures={"hull_volume": "plug_eight:diameter"})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0)
    assert ds.lm.hull_volume().name == "hull_volume"
    with pytest.warns(PluginWarning, match="plug-eight 1.0 offers lmdata.measures 'hull_volume', which lmdata has"):
        dir(ds.lm)


def test_a_name_near_that_of_a_plugin_is_suggested(install):
    install("plug-nine", MODEL + MEASURE, models={"halving": "plug_nine:Halving"}, measures={"diameter": "plug_nine:x"})
    with pytest.raises(UnknownName, match="did you mean 'halving'"):
        model_from_specification({"kind": "halvin"})
    ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0)
    with pytest.raises(AttributeError, match="did you mean 'diameter'"):
        ds.lm.diametre()
    assert "plug_nine" not in sys.modules


def test_a_kind_that_is_not_that_of_its_entry_point_is_a_warning(install):
    install("plug-ten", MODEL, models={"halve": "plug_ten:Halving"})
    with (
        pytest.warns(PluginWarning, match="plug-ten 1.0 offers lmdata.models 'halve', .*: its kind is 'halving'"),
        pytest.raises(UnknownName),
    ):
        model_from_specification({"kind": "halve"})


@pytest.mark.long
def test_a_store_of_a_missing_plugin_is_opened_and_says_what_resuming_needs(install, tmp_path):
    """Also where its model has remarks of its own, which are declared nowhere then."""
    place, copy = tmp_path / "run", tmp_path / "copy"
    points = {"models": {"remarking": "plug_eleven:Remarking"}, "tokens": {"line": "plug_eleven:Line"}}
    install("plug-eleven", MODEL + REMARK + TOKENS, "3.1", **points)
    import plug_eleven

    made = lmdata.simulate(plug_eleven.Remarking(), plug_eleven.Line(3), steps=2, store=place)
    assert json.loads(made.attrs["plugins"])["remarking"] == {
        "class": "plug_eleven:Remarking", "package": "plug-eleven", "version": "3.1"
    }  # fmt: skip
    assert lmdata.resume(place).equals(made)
    program = f"""
import lmdata, lmdata.library
ds = lmdata.open({str(place)!r})
lmdata.library.export({str(place)!r}, {str(copy)!r})
print(ds.largest_norm.values.tolist(), ds.largest_norm.attrs["long_name"])
print(lmdata.verify({str(place)!r}).ok, lmdata.verify({str(copy)!r}).ok)
ds.lm.hull_volume().compute()
for ask in (lambda: lmdata.resume({str(place)!r}), ds.lm.attention_statistics):
    try:
        ask()
    except lmdata.errors.UnknownName as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    values, sound, *refusals = told.stdout.splitlines()
    assert values == f"{made.largest_norm.values.tolist()} largest norm"
    assert sound == "True True"
    assert (
        refusals
        == [
            "model 'remarking' is plug_eleven:Remarking of the package plug-eleven 3.1, which is not here; "
            "pip install 'plug-eleven==3.1', then try again"
        ]
        * 2
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no list", "is no list of names"),
        ('["position"]', "lists 'position', which every dataset has"),
        ('["hidden"]', "hidden"),
        ("[[1]]", "1"),
    ],
)
def test_a_store_that_lies_about_its_diagnostics_is_damaged(tmp_path, text, message):
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(2, 1), steps=1, store=tmp_path / "run")
    lmdata.library.export(tmp_path / "run", tmp_path / "copy")
    metadata = tmp_path / "copy" / "zarr.json"
    content = json.loads(metadata.read_text())
    for group in (content, content.get("consolidated_metadata", {}).get("metadata", {})):
        if "attributes" in group:
            group["attributes"]["diagnostics"] = text
    metadata.write_text(json.dumps(content))
    with pytest.raises(CorruptDataset, match=message):
        lmdata.open(tmp_path / "copy")


@pytest.mark.parametrize("text", ["{", "[]", '{"halving": 3}', '{"halving": {"class": 1}}'])
def test_what_a_dataset_says_of_packages_is_not_trusted(text):
    with (
        pytest.raises(UnknownName, match="no model named 'halving'"),
        plugins.explaining({"plugins": text}),
    ):
        model_from_specification({"kind": "halving"})


def test_the_doctor_says_what_is_added_by_whom(install, capsys):
    install("plug-thirteen", "raise RuntimeError", "4.0", models={"halving": "plug_thirteen:Halving"})
    assert main(["doctor"]) == 0
    assert "models halving: plug-thirteen 4.0" in capsys.readouterr().out


# --- what no other process could resume ---


SCHEDULE = """
from dataclasses import dataclass
from typing import ClassVar
from lmdata.dynamics.schedules import SCHEDULES, Schedule

@dataclass(frozen=True)
class Sudden(Schedule):
    kind: ClassVar[str] = "sudden"
    until: int

    def _over(self, steps):
        return [1.0 if step < self.until else 0.0 for step in steps]
"""


def lone(text, name, **names):
    """Return a class as a notebook's cell defines it."""
    namespace = {"__name__": "__main__", **names}
    exec(compile(text, "<cell>", "exec", dont_inherit=True), namespace)
    return namespace[name]


def test_what_a_notebook_cell_defines_is_not_stored(install, tmp_path):
    model, source = lone(MODEL, "Halving")(), lone(TOKENS, "Line")(3)
    place = tmp_path / "run"
    start = lmdata.tokens.uniform(3, 1)
    for arguments, remedy in (((model, start), "leave out store"), ((lmdata.Localmax(), source), "as an array")):
        with pytest.raises(InvalidInput, match=rf"no other process can import.*package of its own.*{remedy}"):
            lmdata.simulate(*arguments, steps=1, store=place)
        assert not place.exists()
        assert lmdata.simulate(*arguments, steps=1).sizes["time"] == 2
    noisy = lmdata.Noisy(model=model, scale=0.1)
    with pytest.raises(InvalidInput, match="__main__:Halving"):
        lmdata.simulate(noisy, start, steps=1, store=place)
    scheduled = lmdata.Localmax(lone(SCHEDULE, "Sudden")(2))
    with pytest.raises(InvalidInput, match="__main__:Sudden"):
        lmdata.simulate(scheduled, start, steps=1, store=place)


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (MODEL, ("@register\n", ""), "no model named 'halving'.*Decorate the class with `register`"),
        (TOKENS, ("@register\n", ""), "no token source named 'line'.*Decorate the class with `register`"),
        (TOKENS, ('"n": self.n', '"n": self.n + 1'), "gives another back: one with the specification"),
        (TOKENS, (', "n": self.n', ""), "lacks 'n'.*be inverse"),
        (TOKENS, ('"n": self.n', '"n": {1}'), "be inverse"),
        (TOKENS, ("    n: int", "    n: int = 2"), None),
        (TOKENS.replace(', "n": self.n', ""), ("    n: int", "    n: int = 2"), "n is 2 instead of 3.*hold every"),
        (TOKENS, ("rebuildable: ClassVar[bool] = True", "rebuildable: ClassVar[bool] = False"), "not rebuildable"),
    ],
)
def test_what_does_not_come_back_from_its_specification_is_not_stored(install, tmp_path, text, change, message):
    assert change[0] in text
    install("plug-twelve", text.replace(*change))
    import plug_twelve

    is_model = hasattr(plug_twelve, "Halving")
    model = plug_twelve.Halving() if is_model else lmdata.Localmax()
    source = lmdata.tokens.uniform(3, 1) if is_model else plug_twelve.Line(3)
    place = tmp_path / "run"
    if message is None:
        assert lmdata.simulate(model, source, steps=1, store=place).sizes["token"] == 3
        return
    with pytest.raises(InvalidInput, match=message):
        lmdata.simulate(model, source, steps=1, store=place)
    assert not place.exists()


def test_a_kind_that_would_be_anothers_in_a_fresh_process_is_not_stored(install, tmp_path):
    install("plug-mine", MODEL)
    import plug_mine

    start = lmdata.tokens.uniform(3, 1)
    lmdata.simulate(plug_mine.Halving(), start, steps=1, store=tmp_path / "before")
    install("plug-theirs", MODEL.replace("@register\n", ""), models={"halving": "plug_theirs:Halving"})
    with pytest.raises(InvalidInput, match=r"another process would take plug_theirs:Halving for its kind 'halving'"):
        lmdata.simulate(plug_mine.Halving(), start, steps=1, store=tmp_path / "after")
    del MODELS._classes["halving"]  # as in a fresh process
    with pytest.raises(RecipeMismatch, match=r"plug_mine:Halving of no package, and here it is plug_theirs:Halving"):
        lmdata.resume(tmp_path / "before")


def test_the_remedy_for_tokens_works(install, tmp_path):
    source = lone(TOKENS, "Line")(3)
    as_array = lmdata.tokens.array(np.stack([source.draw(seed) for seed in (0, 1)]), seeds=(0, 1))
    made = lmdata.simulate(lmdata.Localmax(), as_array, steps=1, seeds=(0, 1), store=tmp_path / "run")
    assert lmdata.resume(tmp_path / "run").equals(made)
