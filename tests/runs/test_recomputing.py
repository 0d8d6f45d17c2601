"""Members that were computed wrongly and stored well: digests are silent, computing them again is not."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lmdata
from lmdata import cli
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.store.writer import RunStore
from lmdata.errors import InvalidInput

from ..data.conftest import Example

MODEL, TOKENS = lmdata.Localmax(alignment_sensitivity=0.1), lmdata.tokens.uniform(6, 2)
RUN = {"steps": 4, "seeds": range(4)}


@pytest.fixture(params=["float64", "segments", "given tokens"])
def wrong(tmp_path, request, monkeypatch):
    """A finished store of which members 1 and 3 are wrong from frame 2 on, as a worker with other code leaves it."""
    if request.param == "segments":
        monkeypatch.setattr("lmdata.runs.runner.FIRST_SEGMENT", 1)
        monkeypatch.setattr("lmdata.runs.runner.SEGMENT_SECONDS", 0)
    tokens = np.random.default_rng(2).normal(size=(6, 2)) if request.param == "given tokens" else TOKENS
    made = lmdata.simulate(MODEL, tokens, **RUN)
    place = tmp_path / "run"
    lmdata.simulate(MODEL, tokens, store=place, **RUN)
    with RunStore.append_to(place) as store:
        store.reset([1, 3])
        position = made.position.values[[1, 3]]
        position[:, 2:] = np.nextafter(position[:, 2:], 2)
        store.put((1, 3), position, steps_done=4, diagnostics={name: made[name].values[[1, 3]] for name in marks(made)})
    return place


def marks(made):
    return [name for name in ("ambiguous_ties",) if name in made]


def test_members_that_were_computed_wrongly_are_found_by_computing_them_again(wrong, tmp_path):
    assert lmdata.verify(wrong).ok
    report = lmdata.verify(wrong, recompute=4)
    assert report.recomputed == (0, 1, 2, 3)
    assert [(problem.kind, problem.subject) for problem in report.problems] == [
        ("different", '{"seed":1}'),
        ("different", '{"seed":3}'),
    ]
    assert all("from frame 2 on" in problem.message for problem in report.problems)
    assert "versions" in report.advice
    assert "4 members computed again: 2 different" in str(report)
    export_zarr(wrong, tmp_path / "plain.zarr")
    assert len(lmdata.verify(tmp_path / "plain.zarr", recompute=10).problems) == 2


def test_a_version_is_computed_again_as_it_was(wrong):
    lmdata.publish(wrong, "v1")
    with RunStore.append_to(wrong) as store:
        store.reset([1, 3])
    lmdata.resume(wrong)
    report = lmdata.verify(f"{wrong}@v1", recompute=4)
    assert [problem.subject for problem in report.problems] == ['{"seed":1}', '{"seed":3}']
    assert report.version == "v1"
    assert str(report).startswith(f"{wrong}@v1: 4 of 4")
    assert lmdata.verify(wrong, recompute=4).ok


def test_a_sample_is_random_and_only_of_complete_members(tmp_path):
    lmdata.simulate(MODEL, TOKENS, steps=1, seeds=range(20), store=tmp_path / "run")
    with RunStore.append_to(tmp_path / "run") as store:
        store.reset([7])
    samples = [lmdata.verify(tmp_path / "run", recompute=3).recomputed for _ in range(6)]
    assert all(len(sample) == 3 and 7 not in sample for sample in samples)
    assert len(set(samples)) > 1


def test_the_command_tells_and_fails(wrong, capsys):
    assert cli.main(["verify", str(wrong), "--recompute", "4", "--json"]) == cli.WRONG_DATA
    assert json.loads(capsys.readouterr().out)["recomputed"] == [0, 1, 2, 3]
    assert cli.main(["verify", str(wrong), "--recompute", "-1"]) == cli.WRONG_INPUT
    assert "recompute is -1" in capsys.readouterr().err


@pytest.mark.parametrize("count", [-1, 1.5, True, "3", None])
def test_what_is_no_number_of_members(tmp_path, count):
    with pytest.raises(InvalidInput, match="recompute is"):
        lmdata.verify(tmp_path / "run", recompute=count)


def test_what_is_no_simulation_is_refused(tmp_path):
    place = Example().write(tmp_path / "run")
    source = lmdata.open(place)
    save_derived(source.position.sum("token").to_dataset(), tmp_path / "derived", source=source, made_by="tests")
    for location in (place, tmp_path / "derived"):
        with pytest.raises(InvalidInput, match="leave out recompute"):
            lmdata.verify(location, recompute=1)
