"""A run that is widened is the run made wide at once, to the bit; what was there stays, whatever happens on the way."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest

import lmdata
from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.data.versions import publish_version
from lmdata.errors import IncompleteDataset, InvalidInput, RecipeMismatch, StoreError, StoreLocked

from ..data.conftest import Example

TOKENS = lmdata.tokens.uniform(5, 2)
SWEPT = {"alignment_sensitivity": [0, 0.3]}
SEEDS = (4, 0)
WIDE_SWEPT = {"alignment_sensitivity": [0, 0.3, 0.1, 2]}
WIDE_SEEDS = (4, 0, 7, 1, 2)


def simulate(model=None, tokens=TOKENS, *, sweep=SWEPT, seeds=SEEDS, **options):
    return lmdata.simulate(
        model or lmdata.Localmax(influence=0.5), tokens, steps=4, sweep=sweep, seeds=seeds, **options
    )


def same(one, other):
    return one.drop_attrs().identical(other.drop_attrs()) and all(
        one.attrs[name] == other.attrs[name] for name in ("digest", "recipe", "recipe_id", "model", "tokens")
    )


WIDER = {
    "seeds": {"seeds": WIDE_SEEDS},
    "sweep": {"sweep": WIDE_SWEPT},
    "both": {"seeds": np.array(WIDE_SEEDS), "sweep": {"alignment_sensitivity": np.array([0, 0.3, 0.1, 2])}},
}


@pytest.mark.parametrize(
    ("run", "chunks", "wider"),
    [
        *(("drawn", "many", "both"), ("given", "one", "seeds"), ("noisy", "one", "both")),
        *(pytest.param("drawn", "one", wider, marks=pytest.mark.long) for wider in WIDER),
        pytest.param("given", "many", "both", marks=pytest.mark.long),
        pytest.param("noisy", "many", "seeds", marks=pytest.mark.long),
    ],
)
def test_a_widened_run_is_the_run_made_wide_at_once(tmp_path, monkeypatch, run, chunks, wider):
    if chunks == "many":
        monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1000)
    what = {
        "model": lmdata.Noisy(model=lmdata.Localmax(), scale=0.1) if run == "noisy" else None,
        "tokens": np.random.default_rng(3).normal(size=(5, 2)) if run == "given" else TOKENS,
    }
    place = tmp_path / "run"
    narrow = simulate(store=place, **what).load()
    found = lmdata.extend(place, **WIDER[wider])
    expected = simulate(**what, **WIDER[wider])
    assert same(found, expected)
    old = found.isel(seed=slice(2), alignment_sensitivity=slice(2))
    assert old.position.values.tobytes() == narrow.position.values.tobytes()
    assert (old.digest.values == narrow.digest.values).all()
    assert lmdata.verify(place, recompute=found.status.size).ok
    assert found.attrs["history"].splitlines()[0] == narrow.attrs["history"]
    assert f"extended from 4 to {found.status.size} members" in found.attrs["history"]


def test_what_is_there_is_not_computed_again(tmp_path, monkeypatch):
    simulate(store=tmp_path / "run")
    computed = []
    advance = lmdata.Localmax.advance.__func__

    def counted(cls, models, state, **options):
        if options["record"] != [0]:
            computed.extend(options["seeds"])
        return advance(cls, models, state, **options)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(counted))
    lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS)
    assert sorted(computed) == [1, 1, 2, 2, 7, 7]
    computed.clear()
    for _ in range(2):
        lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS, sweep=SWEPT)
    assert computed == []


@pytest.mark.parametrize(
    ("wider", "message"),
    [
        ({}, r"give seeds=.*seeds \[4, 0\], swept alignment_sensitivity"),
        ({"seeds": [0, 4, 7]}, r"first, then what is new: \[4, 0, 7\]"),
        ({"seeds": [4]}, "all of these are there: open the run"),
        ({"seeds": range(3)}, r"then what is new: \[4, 0, 1, 2\]"),
        ({"seeds": [4, 0, 0]}, "twice"),
        ({"seeds": 5}, "sequence"),
        ({"sweep": {"alignment_sensitivity": [0.3, 0]}}, r"sweep\['alignment_sensitivity'\] is \[0.3, 0.0\]"),
        ({"sweep": {"alignment_sensitivity": [0, 0.3, -1]}}, "must be at least 0"),
        ({"sweep": {"influence": [1]}}, "does not sweep; it sweeps alignment_sensitivity"),
        ({"sweep": [1]}, "must map parameter names"),
        ({"seeds": (4, 0, 1), "backend": "numpy:nothing"}, "no backend"),
        ({"seeds": (4, 0, *range(5, 2**20))}, "at most 1,048,576"),
    ],
)
def test_what_is_no_wider_run_is_refused_and_nothing_is_changed(tmp_path, wider, message):
    before = simulate(store=tmp_path / "run").attrs["snapshot"]
    with pytest.raises(lmdata.errors.LmdataError, match=message) as caught:
        lmdata.extend(tmp_path / "run", **wider)
    assert not isinstance(caught.value, StoreError)
    assert lmdata.open(tmp_path / "run").attrs["snapshot"] == before


def test_a_run_that_sweeps_nothing_gets_seeds_and_no_other_dimension(tmp_path):
    simulate(sweep=None, store=tmp_path / "run")
    with pytest.raises(InvalidInput, match=r"sweeps nothing.*store of its own"):
        lmdata.extend(tmp_path / "run", sweep=SWEPT)
    assert same(lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS), simulate(sweep=None, seeds=WIDE_SEEDS))


def test_starts_that_were_given_are_not_made_up(tmp_path):
    starts = np.random.default_rng(5).normal(size=(2, 5, 2))
    simulate(tokens=starts, store=tmp_path / "run")
    with pytest.raises(RecipeMismatch, match="the new seeds have none"):
        lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS)
    found = lmdata.extend(tmp_path / "run", sweep=WIDE_SWEPT)
    assert same(found, simulate(tokens=starts, sweep=WIDE_SWEPT))


def test_starts_that_were_given_for_more_seeds_are_used(tmp_path):
    tokens = lmdata.tokens.array(np.random.default_rng(5).normal(size=(5, 5, 2)), seeds=WIDE_SEEDS)
    simulate(tokens=tokens, store=tmp_path / "run")
    assert same(lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS), simulate(tokens=tokens, seeds=WIDE_SEEDS))
    with pytest.raises(RecipeMismatch, match="the new seeds have none"):
        lmdata.extend(tmp_path / "run", seeds=(*WIDE_SEEDS, 9))


def test_a_start_that_is_not_among_those_given_is_told_before_anything_is_changed(tmp_path):
    tokens = lmdata.tokens.array(np.random.default_rng(5).normal(size=(5, 5, 2)), seeds=WIDE_SEEDS)
    before = simulate(tokens=tokens, store=tmp_path / "run").attrs["snapshot"]
    with pytest.raises(InvalidInput, match="none for seed 9"):
        lmdata.extend(tmp_path / "run", seeds=(*SEEDS, 9))
    assert lmdata.open(tmp_path / "run").attrs["snapshot"] == before


def test_a_run_too_large_for_the_disk_is_refused_by_what_is_new(tmp_path, monkeypatch):
    before = simulate(store=tmp_path / "run").attrs["snapshot"]
    usage = type("usage", (), {"free": 5 * 5 * 2 * 8 * 6})  # five frames of five tokens: six members
    monkeypatch.setattr("lmdata.runs.sizes.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(InvalidInput, match="free space"):
        lmdata.extend(tmp_path / "run", seeds=(4, 0, 1, 2, 3, 5))
    assert lmdata.open(tmp_path / "run").attrs["snapshot"] == before
    assert lmdata.extend(tmp_path / "run", seeds=(4, 0, 1, 2, 3)).sizes["seed"] == 5


def test_published_versions_stay_and_writers_wait(tmp_path):
    narrow = simulate(store=tmp_path / "run").load()
    publish_version(tmp_path / "run", "v1")
    with RunStore.append_to(tmp_path / "run"), pytest.raises(StoreLocked):
        lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS)
    lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS)
    assert open_dataset(tmp_path / "run", version="v1").position.values.tobytes() == narrow.position.values.tobytes()


def test_an_interrupted_extension_is_resumed(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    simulate(store=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt, match=r"after 4 of 10 members.*lmdata.resume"):
        lmdata.extend(tmp_path / "run", seeds=WIDE_SEEDS, progress=stop)
    with pytest.raises(IncompleteDataset, match="6 are missing"):
        lmdata.open(tmp_path / "run")
    assert same(lmdata.resume(tmp_path / "run"), simulate(seeds=WIDE_SEEDS))


KILLED = """
import os, signal, sys
import lmdata
from lmdata.data.store.transaction import Transaction

def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

place, when = sys.argv[1:]
if when == "while it is widened":
    Transaction.commit = kill
lmdata.extend(place, seeds=(4, 0, 7, 1, 2), progress=kill)
"""


@pytest.mark.parametrize("when", ["while it is widened", pytest.param("while it computes", marks=pytest.mark.long)])
def test_a_killed_extension_is_all_or_nothing_and_recovers(tmp_path, when):
    place = tmp_path / "run"
    narrow = simulate(store=place).load()
    process = subprocess.run([sys.executable, "-c", KILLED, str(place), when], check=False, timeout=120)
    assert process.returncode == -signal.SIGKILL
    found = lmdata.resume(place)
    if when == "while it is widened":
        assert same(found, narrow)
        found = lmdata.extend(place, seeds=WIDE_SEEDS)
    assert same(found, simulate(seeds=WIDE_SEEDS))
    assert lmdata.verify(place).ok


def test_an_unfinished_run_is_widened_and_finished(tmp_path, monkeypatch):
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    monkeypatch.setattr("lmdata.runs.runner.GROUP_BYTES", 1)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="2 of 4"):
        simulate(store=tmp_path / "run", progress=stop)
    assert same(lmdata.extend(tmp_path / "run", sweep=WIDE_SWEPT), simulate(sweep=WIDE_SWEPT))


@pytest.mark.parametrize("act", [lmdata.resume, lambda place: lmdata.extend(place, seeds=range(9))])
def test_a_store_without_a_recipe_is_neither_resumed_nor_extended(tmp_path, act):
    Example().write(tmp_path / "run")
    with pytest.raises(RecipeMismatch, match="holds no recipe"):
        act(tmp_path / "run")
