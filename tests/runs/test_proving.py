"""Runs that hold proofs of their members' limits: the same run, and proofs like those of `lmdata.certify`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
import zarr

import lmdata
from lmdata import cli
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.layout import PROVED
from lmdata.data.registry import CERTIFICATES
from lmdata.data.store.writer import RunStore
from lmdata.errors import CorruptDataset, Interrupted, InvalidInput, RecipeMismatch
from lmdata.runs import runner, simulation
from lmdata.runs.proving import proved

MODEL, TOKENS = lmdata.Localmax(influence=0.5), lmdata.tokens.uniform(9, 2)
RUN = {"steps": 3, "seeds": (4, 0, 2), "sweep": {"alignment_sensitivity": [0.3, 0.05]}, "record": [1, 3]}
NAMES = [spec.name for spec in CERTIFICATES if spec.name != "proved_exactly"]


@pytest.fixture(scope="module")
def whole():
    return lmdata.simulate(MODEL, TOKENS, certify=True, **RUN)


def test_the_run_is_the_same_and_its_proofs_are_those_of_certify(whole):
    plain = lmdata.simulate(MODEL, TOKENS, **RUN)
    assert whole.drop_vars(NAMES).equals(plain)
    assert (whole.attrs["digest"], whole.attrs["recipe_id"]) == (plain.attrs["digest"], plain.attrs["recipe_id"])
    own = lmdata.certify(lmdata.simulate(MODEL, TOKENS, **{**RUN, "record": None}))
    assert bool(whole.certified.all())
    for name in NAMES:
        xr.testing.assert_equal(whole[name].variable, own[name].variable)
        assert whole[name].attrs["comment"] == own[name].attrs["comment"] == PROVED
        assert whole[name].attrs["long_name"] == own[name].attrs["long_name"]


def test_proofs_serve_the_measures_that_stand_on_limits(whole):
    limit = lmdata.limit_polytope(whole)
    assert bool(limit.limits_certified.all())
    np.testing.assert_array_equal(limit.vertex_count, whole.certified_vertex_count)


def test_a_store_holds_them_and_so_does_every_copy(tmp_path, whole):
    place = tmp_path / "run"
    stored = lmdata.simulate(MODEL, TOKENS, certify=True, store=place, **RUN)
    xr.testing.assert_equal(stored.load(), whole)
    again = lmdata.simulate(MODEL, TOKENS, certify=True, store=place, **RUN)
    xr.testing.assert_equal(again.load(), whole)
    assert lmdata.verify(place, recompute=3).ok
    export_zarr(place, tmp_path / "plain.zarr")
    import_zarr(tmp_path / "plain.zarr", tmp_path / "back")
    for copy in ("plain.zarr", "back"):
        xr.testing.assert_equal(lmdata.open(tmp_path / copy).load(), whole)
    whole.to_netcdf(tmp_path / "file.nc")
    xr.testing.assert_equal(lmdata.open(tmp_path / "file.nc").load(), whole)


def test_a_store_without_proofs_is_not_taken_for_one_with_them(tmp_path):
    lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", **RUN)
    with pytest.raises(RecipeMismatch, match=r"without certificates.*lmdata\.certify"):
        lmdata.simulate(MODEL, TOKENS, certify=True, store=tmp_path / "run", **RUN)


def test_interrupted_and_resumed(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(runner, "GROUP_BYTES", 1)
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)

    def stop_at_two(done, total):
        if done == 2:
            raise KeyboardInterrupt

    place = tmp_path / "run"
    with pytest.raises(Interrupted):
        lmdata.simulate(MODEL, TOKENS, certify=True, store=place, progress=stop_at_two, **RUN)
    partial = lmdata.open(place, allow_partial=True)
    np.testing.assert_array_equal(partial.certified_limit, whole.certified_limit)
    complete = partial.status == 1
    assert int(complete.sum()) == 2
    np.testing.assert_array_equal(lmdata.limit_polytope(partial).limits_certified, complete)
    xr.testing.assert_equal(lmdata.resume(place).load(), whole)


def test_extended_by_seeds_and_values(tmp_path, whole):
    narrow = {**RUN, "seeds": (4, 0), "sweep": {"alignment_sensitivity": [0.3]}}
    lmdata.simulate(MODEL, TOKENS, certify=True, store=tmp_path / "run", **narrow)
    wide = lmdata.extend(tmp_path / "run", seeds=RUN["seeds"], sweep=RUN["sweep"])
    xr.testing.assert_equal(wide.load(), whole)
    assert lmdata.verify(tmp_path / "run", recompute=6).ok


@pytest.mark.long
def test_workers_compute_beside_them(tmp_path, whole):
    stored = lmdata.simulate(MODEL, TOKENS, certify=True, store=tmp_path / "run", scheduler=1, **RUN)
    xr.testing.assert_equal(stored.load(), whole)


def test_a_proof_that_was_changed_in_the_store_is_found(tmp_path):
    lmdata.simulate(MODEL, TOKENS, certify=True, store=tmp_path / "run", **RUN)
    export_zarr(tmp_path / "run", tmp_path / "plain.zarr")
    limits = zarr.open_group(tmp_path / "plain.zarr")["certified_limit"]
    limits[0, 0, 0, 0] = np.nextafter(limits[0, 0, 0, 0], 2.0)
    with pytest.raises(CorruptDataset, match="declared"):
        lmdata.open(tmp_path / "plain.zarr")
    assert not lmdata.verify(tmp_path / "plain.zarr").ok


@pytest.mark.parametrize(
    "name",
    [
        "certified_limit",
        "certified",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("certified_error", "frozen_from")),
    ],
)
def test_a_false_proof_that_was_stored_well_is_found_by_proving_again(tmp_path, whole, name):
    recipe = simulation.Recipe.of(MODEL, TOKENS, **RUN)
    work = simulation.SIMULATION.prepare(recipe, simulation.Means(store=tmp_path / "run", certify=True))
    false = {key: values.copy() for key, values in work.layout.certificates.items()}
    changed = false[name].reshape(6, *false[name].shape[2:])
    changed[4] = ~changed[4] if name == "certified" else changed[4] + 1
    with RunStore.create(tmp_path / "run", replace(work.layout, certificates=false)) as store:
        work(store.pending(), store)
    assert lmdata.verify(tmp_path / "run").ok
    [problem] = lmdata.verify(tmp_path / "run", recompute=6).problems
    assert problem.kind == "different"
    assert problem.subject == '{"alignment_sensitivity":0.05,"seed":0}'
    assert name in problem.message


def test_proofs_of_some_members_are_those_of_all():
    recipe = simulation.Recipe.of(MODEL, TOKENS, **RUN)
    every, some = proved(recipe), proved(recipe, [5, 0])
    for name, values in every.items():
        np.testing.assert_array_equal(values.reshape(6, *values.shape[2:])[[5, 0]], some[name])


def test_the_shell(tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(
        "model: {kind: localmax, alignment_sensitivity: 0.2}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 2\n"
    )
    place = str(tmp_path / "run")
    assert cli.main(["simulate", str(tmp_path / "run.yaml"), "--store", place, "--certify"]) == 0
    assert bool(lmdata.open(place).certified.all())


@pytest.mark.parametrize(
    ("model", "certify", "message"),
    [(lmdata.Softmax(), True, "kind 'softmax': only limits of localmax"), (MODEL, 1, "certify is 1; it must be True")],
)
def test_refusals(model, certify, message):
    with pytest.raises(InvalidInput, match=message):
        lmdata.simulate(model, TOKENS, steps=1, certify=certify)
