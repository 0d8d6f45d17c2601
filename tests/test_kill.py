"""kill -9 of the command, resume, and the digests of an uninterrupted run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import xarray as xr

import lmdata
from lmdata.errors import IncompleteDataset

SPEC = """
model: {kind: localmax, influence: 0.5}
tokens: {kind: uniform, n: 96, d: 2}
steps: 150
seeds: {first: 0, count: 40}
sweep: {alignment_sensitivity: [0.0, 0.02, 0.05, 0.1]}
"""


def command(*arguments):
    return [sys.executable, "-m", "lmdata.cli", *map(str, arguments)]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    file = tmp_path_factory.mktemp("spec") / "sweep.yaml"
    file.write_text(SPEC)
    return file


@pytest.fixture(scope="module")
def uninterrupted(spec, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(command("simulate", spec, "--store", store), check=True, capture_output=True, timeout=120)
    return lmdata.open(store)


def test_killed_at_random_instants_and_resumed_ends_at_the_same_digests(spec, uninterrupted, tmp_path):
    """Five kills: at each the store is absent, refuses with its count, or is whole; then resume finishes it."""
    draw = random.Random(20250915)
    partial = 0
    for attempt in range(5):
        store = tmp_path / f"run{attempt}"
        process = subprocess.Popen(
            command("simulate", spec, "--store", store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(store, process)
            time.sleep(draw.uniform(0.0, 1.5))
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=30)
        status = lmdata.open(store, allow_partial=True).status
        missing = int((status == 0).sum())
        if missing:
            partial += 1
            with pytest.raises(IncompleteDataset, match=f"{missing} are missing"):
                lmdata.open(store)
        subprocess.run(command("resume", store), check=True, capture_output=True, timeout=120)
        resumed = lmdata.open(store)
        xr.testing.assert_equal(resumed.digest, uninterrupted.digest)
        assert resumed.attrs["digest"] == uninterrupted.attrs["digest"]
        assert lmdata.verify(store).ok
    assert partial, "no kill hit a run in progress: make SPEC larger"


def test_terminated_command_keeps_what_is_finished_and_says_how_to_resume(spec, tmp_path):
    store = tmp_path / "run"
    process = subprocess.Popen(
        command("simulate", spec, "--store", store), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(store, process)
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"lmdata resume {store}" in told
    assert lmdata.open(store, allow_partial=True).status.size == 160


def wait_for(store, process):
    """Wait, at most a minute, until the store is there and the run goes on."""
    deadline = time.monotonic() + 60
    while not store.exists():
        assert process.poll() is None, "the command ended before it made the store"
        assert time.monotonic() < deadline, "no store after a minute"
        time.sleep(0.01)
