"""The pipelines: measured out of core, kept with their provenance, named, and drawn."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

import lmdata
from lmdata import cli
from lmdata.analysis import hull_decay
from lmdata.errors import PluginWarning, UnknownName, UnsettledWarning
from lmdata.pipeline import Study, analyse, keep, selected, study

FOLDER = Path(__file__).resolve().parents[2] / "pipelines"
PIPELINES = ("hull_volume_decay", "vertex_occupancy", "quiescent_sets")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path):
    """A stored sweep of the user's own, in several chunks."""
    place = tmp_path / "runs" / "My Sweep"
    sweep = {"alignment_sensitivity": [0.0, 0.2, 2.0]}
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=12, seeds=(0, 1), sweep=sweep, store=place)
    return place


MEASURES = {
    "hull_volume_decay": lambda ds: [lmdata.hull_volume(ds), hull_decay(ds), lmdata.mean_width(ds)],
    "vertex_occupancy": lambda ds: [lmdata.limit_polytope(ds), lmdata.vertex_occupancy(ds)],
    "quiescent_sets": lambda ds: [lmdata.limit_polytope(ds), lmdata.quiescent_sets(ds)],
}


@pytest.mark.parametrize("pipeline", [PIPELINES[0], *(pytest.param(p, marks=pytest.mark.long) for p in PIPELINES[1:])])
def test_a_catalogued_dataset_is_measured_kept_named_and_drawn(pipeline, tmp_path):
    page = study(pipeline).run("hardmax-square", output=tmp_path / "figures")
    name = f"hardmax-square-{pipeline.replace('_', '-')}"
    assert page == tmp_path / "figures" / f"{name}.html"
    assert {file.name for file in page.parent.iterdir()} == {f"{name}.html", f"{name}.png"}
    source, kept = lmdata.open("hardmax-square"), lmdata.open(name)
    for measure in MEASURES[pipeline](source):
        for variable in [measure] if isinstance(measure, xarray.DataArray) else measure.data_vars.values():
            assert kept[variable.name].dims == variable.dims
            np.testing.assert_array_equal(kept[variable.name].values, variable.values)
            assert kept[variable.name].chunks is not None
    came_from = json.loads(kept.attrs["source"])
    assert came_from["catalogue_name"] == "hardmax-square"
    assert came_from["recipe_id"] == source.attrs["recipe_id"]
    assert came_from["digest"] == source.attrs["digest"]
    assert came_from["snapshot"] == source.attrs["snapshot"]
    assert kept.attrs["made_by"] == f"pipelines/{pipeline}.py"
    assert "lmdata" in kept.attrs["versions"]
    assert lmdata.catalog.info(name)["derived_from"] == "hardmax-square"


@pytest.mark.long
@pytest.mark.parametrize("pipeline", [PIPELINES[0], *(pytest.param(p, marks=pytest.mark.long) for p in PIPELINES[1:])])
def test_a_store_opened_by_path_is_named_by_folder_and_recipe(pipeline, store, tmp_path):
    page = study(pipeline).run(str(store), output=tmp_path / "figures")
    recipe = lmdata.open(store).attrs["recipe_id"]
    name = f"my-sweep-{recipe[:8]}-{pipeline.replace('_', '-')}"
    assert page.name == f"{name}.html"
    assert name in lmdata.catalog
    # a second run replaces the result
    first = lmdata.open(name).attrs["digest"]
    study(pipeline).run(str(store), output=tmp_path / "figures")
    assert lmdata.open(name).attrs["digest"] == first


def test_the_measures_are_a_lazy_graph(store):
    ds = lmdata.open(store)
    for pipeline in PIPELINES:
        measured = study(pipeline).measure(ds)
        assert all(variable.chunks is not None for variable in measured.data_vars.values()), pipeline


def test_an_unknown_name_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UnknownName, match="hardmax-square"):
        study("quiescent_sets").run("hardmax-sqare", output=tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_a_page_shows_few_values_of_a_large_sweep():
    sweep = {"alignment_sensitivity": np.linspace(0, 1, 40)}
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(3, 2), steps=1, seeds=range(9), sweep=sweep)
    part = selected(ds)
    assert dict(part.sizes) | {"alignment_sensitivity": 12, "seed": 4} == dict(part.sizes)
    assert part.alignment_sensitivity.values[[0, -1]].tolist() == [0.0, 1.0]
    assert dict(selected(ds.isel(seed=[0], alignment_sensitivity=[3])).sizes)["alignment_sensitivity"] == 1


@pytest.mark.long
def test_a_cluster_gives_the_same_result_as_threads(store, tmp_path):
    pipeline = study("vertex_occupancy")
    name = pipeline.run(str(store), output=tmp_path / "threads").stem
    threads = lmdata.open(name).compute()
    pipeline.run(str(store), output=tmp_path / "cluster", scheduler=2)
    assert lmdata.open(name).attrs["digest"] == threads.attrs["digest"]


@pytest.mark.long
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_command_line(pipeline, tmp_path):
    command = [sys.executable, FOLDER / f"{pipeline}.py", "hardmax-triangle", "--output", tmp_path / "figures"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    assert Path(done.stdout.strip()).is_file()


# --- pipelines of other packages ---

PIPELINE = """
import lmdata
from lmdata import view
from lmdata.pipeline import Study

def measure(ds):
    return lmdata.leaders(ds)

STUDY = Study("who-leads", measure, lambda found: [view.trajectories(found)], lambda found: f"{found.sizes['token']} tokens.")
"""  # noqa: E501


def test_a_pipeline_of_another_package_runs_by_its_name(install, tmp_path):
    install("plug-pipeline", PIPELINE, "1.2", pipelines={"who_leads": "plug_pipeline:STUDY"})
    made = analyse("hardmax-square", pipelines=["who_leads", "quiescent_sets"], output=tmp_path / "figures")
    assert list(made) == ["who_leads", "quiescent_sets"]
    assert "10 tokens." in Path(made["who_leads"]).read_text(encoding="utf-8")
    kept = lmdata.open("hardmax-square-who-leads")
    assert kept.attrs["made_by"] == "plug_pipeline, of plug-pipeline 1.2"
    assert lmdata.leaders(lmdata.open("hardmax-square")).equals(kept.leader)


@pytest.mark.long
def test_whatever_measures_says_where_it_is():
    def lonely(ds):
        return lmdata.leaders(ds)

    few = functools.partial(lmdata.mean_width, directions=16)
    origins = [Study("x", measure, list, "").made_by for measure in (lonely, few, lmdata.leaders, Measuring())]
    assert [origin.partition(",")[0] for origin in origins] == [
        __name__, "lmdata.analysis.hull", "lmdata.analysis.leaders", __name__
    ]  # fmt: skip


class Measuring:
    def __call__(self, ds):
        return lmdata.leaders(ds)


@pytest.mark.parametrize(
    ("text", "message"), [("raise ImportError('gone')", "loaded: gone"), ("STUDY = print", "no lmdata.pipeline.Study")]
)
def test_a_broken_pipeline_is_a_warning_and_a_near_name_is_suggested(install, tmp_path, text, message):
    install("plug-broken", text, pipelines={"who_leads": "plug_broken:STUDY"})
    with (
        pytest.warns(PluginWarning, match=f"plug-broken 1.0 offers lmdata.pipelines 'who_leads', .*{message}"),
        pytest.raises(UnknownName, match="no pipeline named 'who_leads'"),
    ):
        analyse("hardmax-square", pipelines=["who_leads"], output=tmp_path / "figures")
    with pytest.raises(UnknownName, match="did you mean 'who_leads'"):
        study("who_lead")
    assert not (tmp_path / "figures").exists()


def test_what_still_moves_is_said_once_it_is_computed(tmp_path):
    lmdata.simulate(lmdata.Localmax(0.05), lmdata.tokens.uniform(8, 2), steps=3, seeds=(0, 1), store=tmp_path / "run")
    ds = lmdata.open(tmp_path / "run")
    with pytest.warns(UnsettledWarning, match="-limits: 2 of 2 members"):
        kept = keep(lmdata.limit_polytope(ds), ds, "limits", made_by="a test")
    assert (kept.tokens_moving.values > 0).all()
    assert "tokens_moving" in kept.vertex_count.coords


@pytest.mark.long
def test_the_command_says_it_in_words_alone(tmp_path, capsys, monkeypatch):
    lmdata.simulate(lmdata.Localmax(0.05), lmdata.tokens.uniform(8, 2), steps=3, seeds=(0, 1), store=tmp_path / "run")
    monkeypatch.setattr("warnings.filters", [])
    words = ["analyse", str(tmp_path / "run"), "--pipeline", "quiescent_sets", "--output", str(tmp_path / "out")]
    assert cli.main(words) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("lmdata: run-") and "2 of 2 members had not come to rest" in line]
    assert not [line for line in said if "pipeline.py" in line]
