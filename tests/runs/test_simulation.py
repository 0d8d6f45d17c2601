"""simulate and resume: shape, bits, stores, interruption and refusal."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import (
    BackendUnavailable,
    IncompleteDataset,
    Interrupted,
    InvalidInput,
    RecipeMismatch,
    ResolutionWarning,
    StoreExists,
    UnknownName,
)
from lmdata.runs import runner

MODEL = lmdata.Localmax(influence=0.5)
TOKENS = lmdata.tokens.uniform(7, 2)
SWEEP = {"alignment_sensitivity": [0.0, 0.1], "influence": [2.0, 0.5, 1.0]}


@pytest.fixture(scope="module")
def swept():
    return lmdata.simulate(MODEL, TOKENS, steps=12, sweep=SWEEP, seeds=(3, 0))


def test_dataset_has_the_contracted_form(swept):
    assert swept.position.dims == ("alignment_sensitivity", "influence", "seed", "time", "token", "component")
    assert swept.position.shape == (2, 3, 2, 13, 7, 2)
    assert swept.position.dtype == np.float64
    assert swept.influence.values.tolist() == [2.0, 0.5, 1.0]
    assert swept.seed.values.tolist() == [3, 0]
    assert swept.time.values.tolist() == list(range(13))
    assert (swept.status == 1).all()
    assert (swept.steps_done == 12).all()
    assert swept.attrs["backend"].startswith("numpy:")
    assert json.loads(swept.attrs["recipe"])["steps"] == 12
    assert np.unique(swept.digest).size == swept.digest.size


def test_each_swept_value_overrides_the_models_own(swept):
    for alpha in SWEEP["influence"]:
        alone = lmdata.simulate(lmdata.Localmax(0.1, alpha), TOKENS, steps=12, seeds=(3,))
        np.testing.assert_array_equal(
            alone.position.squeeze(), swept.position.sel(influence=alpha, alignment_sensitivity=0.1, seed=3)
        )


def test_all_models_of_a_seed_start_alike(swept):
    start = swept.position.isel(time=0)
    assert (start == start.isel(alignment_sensitivity=0, influence=0)).all()
    assert not (start.sel(seed=0) == start.sel(seed=3)).all()


def test_a_wider_sweep_leaves_old_members_as_they_were(swept):
    wider = lmdata.simulate(
        MODEL,
        TOKENS,
        steps=12,
        sweep={"alignment_sensitivity": [0.05, 0.1], "influence": [0.5, 2.0]},
        seeds=(9, 3),
    )
    point = {"alignment_sensitivity": 0.1, "influence": 2.0, "seed": 3}
    assert wider.digest.sel(point).item() == swept.digest.sel(point).item()


@pytest.mark.parametrize("record", [5, [0, 12], [3, 4, 11], [12]])
def test_record_keeps_the_same_frames(swept, record):
    some = lmdata.simulate(MODEL, TOKENS, steps=12, sweep=SWEEP, seeds=(3, 0), record=record)
    np.testing.assert_array_equal(some.position, swept.position.sel(time=some.time))


@pytest.mark.parametrize("record", [None, 3, (0, 12), (2, 5)])
def test_segments_checkpoints_and_groups_do_not_change_a_bit(swept, record, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "FIRST_SEGMENT", 1)
    monkeypatch.setattr(runner, "SEGMENT_SECONDS", 0)
    monkeypatch.setattr(runner, "GROUP_BYTES", 300)
    arguments = {"steps": 12, "sweep": SWEEP, "seeds": (3, 0), "record": record}
    memory = lmdata.simulate(MODEL, TOKENS, **arguments)
    stored = lmdata.simulate(MODEL, TOKENS, **arguments, store=tmp_path / "run")
    np.testing.assert_array_equal(memory.position, swept.position.sel(time=memory.time))
    xr.testing.assert_equal(memory.digest, stored.digest)
    xr.testing.assert_equal(memory.position, stored.position)


def test_memory_and_store_give_one_dataset(swept, tmp_path):
    stored = lmdata.simulate(MODEL, TOKENS, steps=12, sweep=SWEEP, seeds=(3, 0), store=tmp_path / "run")
    assert stored.position.chunks is not None
    xr.testing.assert_equal(stored, swept)
    assert stored.attrs["digest"] == swept.attrs["digest"]
    for name in ("position", "status", "digest", "steps_done"):
        assert stored[name].attrs == swept[name].attrs
    for name in swept.coords:
        assert stored[name].attrs == swept[name].attrs


def test_a_finished_store_of_the_same_recipe_is_opened(tmp_path, monkeypatch):
    arguments = {"steps": 3, "store": tmp_path / "run"}
    first = lmdata.simulate(MODEL, TOKENS, **arguments)
    monkeypatch.setattr(lmdata.Localmax, "advance", _refuse)
    xr.testing.assert_equal(lmdata.simulate(MODEL, TOKENS, **arguments), first)
    with pytest.raises(RecipeMismatch, match=r"steps: 3 there, 4 here"):
        lmdata.simulate(MODEL, TOKENS, steps=4, store=tmp_path / "run")


@pytest.mark.parametrize(
    ("means", "error", "message"),
    [
        ({"backend": "numpy:foo"}, UnknownName, "no backend for localmax named 'numpy:foo'"),
        ({"scheduler": "nonsense"}, InvalidInput, "scheduler is 'nonsense'"),
        ({"scheduler": 0}, InvalidInput, "at least 1"),
    ],
)
def test_the_means_are_checked_also_where_nothing_is_left_to_be_computed(tmp_path, means, error, message):
    arguments = {"steps": 3, "store": tmp_path / "run"}
    lmdata.simulate(MODEL, TOKENS, **arguments)
    with pytest.raises(error, match=message):
        lmdata.simulate(MODEL, TOKENS, **arguments, **means)
    with pytest.raises(error, match=message):
        lmdata.resume(tmp_path / "run", **means)


def test_what_is_not_a_store_is_left_alone(tmp_path):
    place = tmp_path / "notes.txt"
    place.write_text("mine")
    with pytest.raises(Exception, match=r"notes\.txt"):
        lmdata.simulate(MODEL, TOKENS, steps=1, store=place)
    assert place.read_text() == "mine"


def test_interruption_keeps_finished_members_and_resume_finishes(tmp_path, swept, monkeypatch):
    monkeypatch.setattr(runner, "GROUP_BYTES", 1)
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    place = tmp_path / "run"

    def stop_at_five(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"stopped after 5 of 12 members.*lmdata resume"):
        lmdata.simulate(MODEL, TOKENS, steps=12, sweep=SWEEP, seeds=(3, 0), store=place, progress=stop_at_five)
    with pytest.raises(IncompleteDataset, match="7 are missing"):
        lmdata.open(place)
    partial = lmdata.open(place, allow_partial=True)
    assert int((partial.status == 1).sum()) == 5
    assert partial.position.where(partial.status == 0).isnull().all()

    computed = []
    advance = lmdata.Localmax.advance.__func__

    def counting(cls, models, state, **options):
        if options["record"][-1] == 12:
            computed.extend(options["seeds"])
        return advance(cls, models, state, **options)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(counting))
    finished = lmdata.resume(place)
    assert len(computed) == 7
    xr.testing.assert_equal(finished.load(), swept)


@pytest.mark.parametrize(
    ("durable", "advice"),
    [(False, r"run'\), or in a shell: .*run$"), (True, r"run', durable=True\), .*run --durable$")],
)
def test_what_is_advised_after_an_interruption_goes_on_as_it_began(tmp_path, monkeypatch, durable, advice):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr(runner, "GROUP_BYTES", 1)
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    arguments = {"steps": 2, "seeds": range(2), "store": tmp_path / "run", "durable": durable}
    with pytest.raises(Interrupted, match=advice):
        lmdata.simulate(MODEL, TOKENS, **arguments, progress=stop)
    monkeypatch.setattr(lmdata.Localmax, "advance", _interrupt)
    with pytest.raises(Interrupted, match=advice):
        lmdata.resume(tmp_path / "run", durable=durable)


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_interrupted_in_a_long_member_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FIRST_SEGMENT", 1)
    monkeypatch.setattr(runner, "SEGMENT_SECONDS", 0)
    monkeypatch.setattr("lmdata.data.store.writer.COMMIT_INTERVAL", 0)
    monkeypatch.setattr("lmdata.data.store.writer.COMMIT_SHARE", 0)
    whole = lmdata.simulate(MODEL, TOKENS, steps=9)
    advance = lmdata.Localmax.advance.__func__
    starts = []

    def failing(cls, models, state, *, start, **options):
        starts.append(start)
        if len(starts) == 7:  # the first call asks for diagnostics and does no step
            raise KeyboardInterrupt
        return advance(cls, models, state, start=start, **options)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(failing))
    with pytest.raises(Interrupted):
        lmdata.simulate(MODEL, TOKENS, steps=9, store=tmp_path / "run")
    resumed = lmdata.resume(tmp_path / "run")
    assert starts[6:8] == [5, 5]
    xr.testing.assert_equal(resumed.load(), whole)


def test_a_member_whose_arithmetic_fails_is_marked_and_the_others_go_on(monkeypatch, tmp_path):
    advance = lmdata.Localmax.advance.__func__

    def failing(cls, models, state, *, seeds, **options):
        if 1 in seeds:
            raise OverflowError("too large")
        return advance(cls, models, state, seeds=seeds, **options)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(failing))
    memory = lmdata.simulate(MODEL, TOKENS, steps=2, seeds=range(3))
    assert memory.status.values.tolist() == [1, 2, 1]
    assert memory.position.sel(seed=1).isnull().all()
    assert memory.digest.sel(seed=1).item() == ""
    whole = lmdata.simulate(MODEL, TOKENS, steps=2, seeds=(0, 2))
    assert memory.digest.sel(seed=[0, 2]).values.tolist() == whole.digest.values.tolist(), (
        "each has the digest of its own key"
    )
    assert "digest" not in memory.attrs
    with pytest.raises(IncompleteDataset, match="1 failed"):
        lmdata.simulate(MODEL, TOKENS, steps=2, seeds=range(3), store=tmp_path / "run")
    partial = lmdata.open(tmp_path / "run", allow_partial=True)
    assert partial.status.values.tolist() == [1, 2, 1]


def test_members_beside_one_whose_arithmetic_fails_keep_to_the_stretch_and_lose_no_step(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "FIRST_SEGMENT", 1)
    monkeypatch.setattr(runner, "SEGMENT_SECONDS", 0)
    run = {"steps": 6, "seeds": range(4), "store": tmp_path / "run"}
    advance, computed = lmdata.Localmax.advance.__func__, Counter()

    def failing(cls, models, state, *, start, seeds, **options):
        if start == 3 and 2 in seeds:
            raise OverflowError("too large")
        computed.update((seed, start) for seed in seeds if options["record"][-1] > start)
        return advance(cls, models, state, start=start, seeds=seeds, **options)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(failing))
    monkeypatch.setattr(runner.Runner, "__call__", lambda run, blocks, sink: run.stretch(blocks, sink, seconds=0))
    for stretch in range(14):
        with pytest.raises(IncompleteDataset):
            lmdata.resume(run["store"]) if stretch else lmdata.simulate(MODEL, TOKENS, **run)
        steps = lmdata.open(run["store"], allow_partial=True).steps_done.values
        assert computed.total() <= 4 * min(stretch + 1, 3) + max(stretch - 2, 0)
        if steps.tolist() == [6, 6, 3, 6]:
            break
    assert steps.tolist() == [6, 6, 3, 6]
    assert set(computed.values()) == {1}


def test_given_arrays_are_kept_with_the_store(tmp_path, monkeypatch):
    start = np.arange(12.0).reshape(2, 3, 2)
    place = tmp_path / "run"
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    monkeypatch.setattr(runner, "GROUP_BYTES", 1)

    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        lmdata.simulate(MODEL, start, steps=2, seeds=(0, 4), store=place, progress=stop)
    resumed = lmdata.resume(place)
    np.testing.assert_array_equal(resumed.position.isel(time=0), start)


def test_labelled_arrays_keep_their_labels():
    start = xr.DataArray(np.eye(3), dims=("token", "component"), coords={"token": ["a", "b", "c"]})
    ds = lmdata.simulate(MODEL, start, steps=1)
    assert ds.token.values.tolist() == ["a", "b", "c"]


def test_progress_counts_to_the_end():
    seen = []
    lmdata.simulate(MODEL, TOKENS, steps=1, seeds=range(4), progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 4)
    assert seen[-1] == (4, 4)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "localmax"}, InvalidInput, "model must be a model"),
        ({"tokens": np.array([[0.0, np.nan]])}, InvalidInput, "nan"),
        ({"tokens": np.zeros((0, 2))}, InvalidInput, "token"),
        ({"tokens": np.zeros((3, 2), np.float16)}, InvalidInput, "float16"),
        ({"tokens": np.zeros((3, 2), complex)}, InvalidInput, "complex"),
        ({"tokens": np.full((3, 2), 1e200)}, InvalidInput, "overflow"),
        ({"tokens": np.full((3, 2), 1e-200)}, InvalidInput, "underflow"),
        ({"tokens": np.array([[2**60 + 1, 0]])}, InvalidInput, "exact"),
        ({"tokens": np.zeros((2, 3, 2)), "seeds": (0, 1, 2)}, InvalidInput, "seed"),
        ({"steps": -1}, InvalidInput, "steps is -1"),
        ({"steps": 10**8, "tokens": lmdata.tokens.uniform(1000, 64)}, InvalidInput, "GiB"),
        ({"seeds": (1, 1)}, InvalidInput, "twice"),
        ({"sweep": {"alignment_sensitivity": [-1.0]}}, InvalidInput, "alignment_sensitivity"),
        ({"sweep": {"influence": [0.0]}}, InvalidInput, "influence"),
        ({"backend": "nunpy"}, UnknownName, "did you mean 'numpy'"),
        ({"backend": "cupy"}, BackendUnavailable, "cupy"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(change, error, message, tmp_path):
    arguments = {"model": MODEL, "tokens": TOKENS, "steps": 3, "store": tmp_path / "run"} | change
    with pytest.raises(error, match=message):
        lmdata.simulate(arguments.pop("model"), arguments.pop("tokens"), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_sensitivity_below_resolution_warns():
    with pytest.warns(ResolutionWarning, match="alignment_sensitivity"):
        lmdata.simulate(lmdata.Localmax(1e-30), TOKENS, steps=1)


def test_existing_store_error_is_a_file_exists_error():
    assert issubclass(StoreExists, FileExistsError)


def _refuse(*arguments, **options):
    raise AssertionError("simulated although nothing was missing")


@pytest.mark.parametrize("store", [False, True])
def test_what_a_model_says_of_its_own_accuracy_is_kept(store, tmp_path, monkeypatch):
    from lmdata.dynamics.models import SelfAttention

    place = tmp_path / "run" if store else None
    model = SelfAttention(step_size=0.1)
    whole = lmdata.simulate(model, TOKENS, steps=6, seeds=range(3), store=place)
    assert whole.step_error.dims == ("seed", "time")
    assert (whole.step_error > 0).all()
    monkeypatch.setattr(runner, "FIRST_SEGMENT", 1)
    monkeypatch.setattr(runner, "SEGMENT_SECONDS", 0)
    xr.testing.assert_equal(lmdata.simulate(model, TOKENS, steps=6, seeds=range(3)), whole)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": lmdata.Localmax}, InvalidInput, "model must be a model"),
        ({"tokens": lmdata.tokens.uniform(10**10, 2), "steps": 0}, InvalidInput, "available memory"),
        ({"seeds": range(10**8)}, InvalidInput, "at most 1,048,576 members"),
        ({"seeds": range(2**20), "sweep": {"influence": [1, 2]}}, InvalidInput, "at most 1,048,576"),
        ({"backend": None}, InvalidInput, "backend must be a name"),
        ({"store": ""}, InvalidInput, "store must be a path"),
        ({"store": 3}, InvalidInput, "store must be a path; got 3"),
    ],
)
def test_careless_arguments_are_refused_at_once(change, error, message):
    arguments = {"model": MODEL, "tokens": TOKENS, "steps": 3} | change
    with pytest.raises(error, match=message):
        lmdata.simulate(arguments.pop("model"), arguments.pop("tokens"), **arguments)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [([["influence"]], "pairs"), ([1, 2], "pairs"), ([["influence", [1]], ["influence", [2]]], "twice")],
)
def test_bad_sweeps_of_recipes_are_refused(sweep, message):
    from lmdata.runs.recipe import Recipe

    tokens = {"kind": "uniform", "n": 3, "d": 2}
    with pytest.raises(InvalidInput, match=message):
        Recipe.from_specification({"model": {"kind": "localmax"}, "tokens": tokens, "steps": 1, "sweep": sweep})
