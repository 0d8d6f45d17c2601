"""The commands under signals: killed, terminated and interrupted while they simulate and while they resume."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import xarray as xr

import lmdata
from lmdata.errors import IncompleteDataset

SPEC = """
model: {kind: localmax, influence: 0.5}
tokens: {kind: uniform, n: 96, d: 2}
steps: 150
seeds: {first: 0, count: 30}
sweep: {alignment_sensitivity: [0.0, 0.02, 0.05, 0.1]}
"""
MEMBERS = 120

COMMAND = """
import json, os, sys, time
from lmdata import cli
from lmdata.runs import runner
from lmdata.data import layout
from lmdata.data.store import writer as store
from lmdata.dynamics.models import localmax
layout.BLOCK_BYTES, runner.GROUP_BYTES = 2**19, 2**20  # a few members at a time
store.COMMIT_INTERVAL, store.COMMIT_SHARE = 0.05, 1  # and many commits
advance = localmax.Localmax.advance.__func__
def noted(cls, models, state, *, record, seeds, **rest):
    if len(record) > 1 or record[0]:
        with open(os.environ["COMPUTED"], "a") as file:
            for model, seed in zip(models, seeds):
                file.write(json.dumps([model.alignment_sensitivity, int(seed)]) + "\\n")
        time.sleep(0.03)
    return advance(cls, models, state, record=record, seeds=seeds, **rest)
localmax.Localmax.advance = classmethod(noted)
sys.exit(cli.main(sys.argv[1:]))
"""
"""``lmdata``, which writes down every member that it begins to compute, and takes two seconds for all of them."""


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    file = tmp_path_factory.mktemp("spec") / "sweep.yaml"
    file.write_text(SPEC)
    return file


@pytest.fixture
def start(tmp_path):
    """Start a command; what still runs when the test ends is killed."""
    started = []

    def start(*words):
        environment = {**os.environ, "COMPUTED": str(tmp_path / "computed")}
        command = [sys.executable, "-c", COMMAND, *map(str, words)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def whole(spec, tmp_path_factory):
    """The dataset of a command that nobody stops."""
    store = tmp_path_factory.mktemp("whole") / "run"
    command = [sys.executable, "-m", "lmdata", "simulate", str(spec), "--store", str(store)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return lmdata.open(store)


def members_in(store):
    """Return the members that a store has, as the command notes them."""
    if not store.exists():
        return set()
    status = lmdata.open(store, allow_partial=True).status
    there = status.stack(member=status.dims).where(lambda s: s == 1, drop=True)
    return {json.dumps([float(delta), int(seed)]) for delta, seed in there.member.values}


def stop(process, store, number, computed, begun):
    """Send a signal when the command has begun so many members; return the members that are then there."""
    before, deadline = len(computed.read_text().splitlines()), time.monotonic() + 60
    while process.poll() is None and len(computed.read_text().splitlines()) < before + begun:
        assert time.monotonic() < deadline, "the command computes nothing"
        time.sleep(0.005)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    there = members_in(store)
    if number != signal.SIGKILL and process.returncode:
        assert process.returncode == 130
        if len(there) == MEMBERS:
            assert f"all {MEMBERS} members were complete" in told
        else:
            assert f"{len(there)} of {MEMBERS} members" in told
            assert f"lmdata resume {store}" in told
    if len(there) < MEMBERS:
        with pytest.raises(IncompleteDataset, match=f"{MEMBERS - len(there)} are missing"):
            lmdata.open(store)
    return there


def stop_twice_and_finish(start, spec, store, computed, number, begun, expected):
    """Stop the simulation, then its resumption; resume to the end. Return how many signals hit a run in progress."""
    computed.write_text("")
    hit, there = 0, set()
    for words, some in zip((["simulate", spec, "--store", store], ["resume", store]), begun, strict=True):
        before, done = computed.read_text().splitlines(), there
        there = stop(start(*words), store, number, computed, some)
        assert there >= done
        assert not done & set(computed.read_text().splitlines()[len(before) :]), "a committed member was computed again"
        hit += 0 < len(there) < MEMBERS
    before = computed.read_text().splitlines()
    last = start("resume", store)
    assert last.wait(60) == 0, last.stderr.read()
    again = Counter(computed.read_text().splitlines()[len(before) :])
    assert set(again) == {json.dumps(member) for member in every_member()} - there
    assert not again or max(again.values()) == 1
    resumed = lmdata.open(store)
    xr.testing.assert_equal(resumed.digest, expected.digest)
    assert resumed.attrs["digest"] == expected.attrs["digest"]
    assert lmdata.verify(store).ok
    return hit


def every_member():
    return [[delta, seed] for delta in (0.0, 0.02, 0.05, 0.1) for seed in range(30)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "times"),
    [
        (signal.SIGKILL, 3),
        (signal.SIGTERM, 3),
        (signal.SIGINT, 3),
    ],
)
def test_stopped_command_and_resumption_end_at_the_same_digests(start, spec, whole, tmp_path, number, times):
    draw, hit = random.Random(int(number)), 0
    for attempt in range(times):
        store, begun = tmp_path / f"run{attempt}", (draw.randint(20, 80), draw.randint(5, 30))
        hit += stop_twice_and_finish(start, spec, store, tmp_path / "computed", number, begun, whole)
    assert hit > times, "too few signals hit a run in progress"
