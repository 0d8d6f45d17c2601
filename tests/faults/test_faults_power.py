"""Loss of power: what is durable is flushed to disk before it counts as kept; what was not yet is lost, and said."""

import os

import numpy as np
import pytest

import lmdata
from lmdata import cli
from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import Interrupted, InvalidInput, LmdataError, StoreError
from lmdata.selection import SelectionRecipe, TokenSelection, construction, run_to_store

SPEC = "model: {kind: localmax}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3\nseeds: [0, 1]\n"


@pytest.fixture
def flushed(monkeypatch):
    """Note which files and folders are flushed to disk, by their inodes."""
    noted, fsync = set(), os.fsync

    def note(descriptor):
        noted.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return noted


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path / "spec.yaml"


def simulate(store, **options):
    start = lmdata.tokens.uniform(5, 2)
    return lmdata.simulate(lmdata.Localmax(), start, steps=3, seeds=(0, 1), store=store, **options)


def begin(store):
    """Make a store whose members are all still to be computed."""
    with pytest.raises(Interrupted):
        simulate(store, progress=interrupt)
    assert (open_dataset(store, allow_partial=True).status == 0).all()


def interrupt(done, total):
    raise KeyboardInterrupt


ACTS = {
    "simulate": lambda spec, store: simulate(store, durable=True),
    "resume": lambda spec, store: [begin(store), lmdata.resume(store, durable=True)],
    "lmdata simulate": lambda spec, store: cli.main(["simulate", str(spec), "--store", str(store), "--durable"]),
    "lmdata resume": lambda spec, store: [begin(store), cli.main(["resume", str(store), "--durable"])],
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_durable_run_is_on_disk_when_the_call_returns(tmp_path, spec, flushed, act):
    store = tmp_path / "new" / "folders" / "run"
    act(spec, store)
    assert verify(store).ok
    for path in (store.parent, *store.rglob("*")):
        assert path.stat().st_ino in flushed, path
    if act is ACTS["simulate"]:  # whose entries in their own folders are new
        assert {(tmp_path / "new").stat().st_ino, tmp_path.stat().st_ino} <= flushed


def test_training_runs_are_durable_too(tmp_path, flushed):
    recipe = SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=3)
    run_to_store(recipe, tmp_path / "run", durable=True)
    for path in (tmp_path, *(tmp_path / "run").rglob("*")):
        assert path.stat().st_ino in flushed, path


def test_runs_are_not_flushed_unless_asked_for(tmp_path, flushed):
    simulate(tmp_path / "run")
    assert flushed == set()


def test_durable_needs_a_store():
    with pytest.raises(InvalidInput, match="durable is True, and there is no store"):
        simulate(None, durable=True)


@pytest.mark.parametrize("lost", ["emptied", "gone"])
def test_power_lost_during_a_commit_costs_nothing_that_was_acknowledged(
    tmp_path, example, small_blocks, monkeypatch, lost
):
    """The last commit had not been flushed: its files are empty or gone, but for the one that says that it is there."""
    made, place = example(), tmp_path / "run"
    store = RunStore.create(place, made.layout, durable=True)
    blocks = store.pending()
    for block in blocks[:3]:
        made.put(store, block)
        store.commit()
    acknowledged = {path for path in place.rglob("*") if path.is_file()}
    made.put(store, blocks[3])

    def off(descriptor):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", off)
        with pytest.raises(StoreError):
            store.commit()
    store._lock.release()
    for path in place.rglob("*"):
        if path.is_file() and path not in acknowledged and "overwritten" not in path.parts:
            path.write_bytes(b"") if lost == "emptied" else path.unlink()
    assert not verify(place).ok
    with pytest.raises(LmdataError):
        open_dataset(place, allow_partial=True)
    repair_store(place)
    ds = open_dataset(place, allow_partial=True)
    assert ds.status.values.sum() == sum(map(len, blocks[:3]))
    with RunStore.append_to(place) as again:
        assert again.pending() == blocks[3:]
        made.finish(again)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)
