"""The examples of the data room's tests, and writers in processes of their own that can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ..data.conftest import damage, example, flip, raw, server, small_blocks

__all__ = ["damage", "example", "flip", "raw", "server", "small_blocks"]

MEMBERS = 240
"""Members of the store that a `Writer` writes."""
WRITER = """
import pathlib, sys
import numpy as np
from lmdata.data import layout
from lmdata.data.store import writer as store
layout.BLOCK_BYTES = 8000
store.COMMIT_INTERVAL = 0.01
place, members = pathlib.Path(sys.argv[1]), int(sys.argv[2])
grid = layout.Layout(swept={"a": (1.0, 2.0)}, seeds=tuple(range(members // 2)), time=np.arange(6), time_unit="step",
                     labels=None, tokens=20, components=2)
def frames(member):
    return np.random.default_rng(member).normal(size=(6, 20, 2))
with store.RunStore.append_to(place) if place.exists() else store.RunStore.create(place, grid) as run:
    print("begun", flush=True)
    for block in run.pending():
        print("computing", *block, flush=True)
        begun = run.last_checkpoint(block)
        if begun is None and block[0] % 3 == 0:
            position = np.stack([frames(member) for member in block])
            run.checkpoint(block, step=2, state=position[:, 2], position=position[:, :3], first_frame=0)
            run.commit()
            begun = run.last_checkpoint(block)
        first = begun.frames if begun else 0
        run.put(block, np.stack([frames(member)[first:] for member in block]), steps_done=5, first_frame=first)
        run.commit()
        print("committed", *block, flush=True)
"""
"""Writes members that are known beforehand, some by way of a checkpoint, and says which it computes and commits."""


class Writer:
    """A process that writes the store of `WRITER`, and what it has said so far."""

    def __init__(self, place: Path, members: int = MEMBERS) -> None:
        self.place, self.members = place, members
        self.computing: set[int] = set()
        self.committed: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(place), str(members)], stdout=subprocess.PIPE, text=True
        )

    def wait_for(self, commits: int) -> None:
        """Wait until it holds the lock (0 commits), or until it has said so many times that it has committed."""
        said = 0
        while (word := self._hear(self.process.stdout.readline())) and (commits or word != "begun"):
            said += word == "committed"
            if said == commits:
                return

    def kill(self) -> None:
        """Kill it, and hear what it had said."""
        self.process.send_signal(signal.SIGKILL)
        self.finish(expected=-signal.SIGKILL)

    def finish(self, expected: int = 0) -> None:
        """Wait for its end, and hear what it had said."""
        for line in self.process.communicate()[0].splitlines(keepends=True):
            self._hear(line)
        assert self.process.returncode in (expected, 0)

    def _hear(self, line: str) -> str:
        word, *members = line.split() or [""]
        if line.endswith("\n") and members:  # a line may be cut by the kill
            getattr(self, word).update(map(int, members))
        return word


@pytest.fixture
def writer():
    """Start a `Writer`; what is still running at the end of the test is killed."""
    started = []

    def start(place: Path, members: int = MEMBERS) -> Writer:
        started.append(Writer(place, members))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()
        one.process.stdout.close()  # of one that ended by itself


def expected_positions(members: int) -> np.ndarray:
    return np.stack([np.random.default_rng(member).normal(size=(6, 20, 2)) for member in range(members)])


@pytest.fixture
def check_finished():
    """Compare a finished store of `WRITER` with what it had to write."""

    def check(place: Path, members: int = MEMBERS) -> None:
        from lmdata.data.opening import open_dataset
        from lmdata.data.verify import verify

        assert verify(place).ok
        position = open_dataset(place).position.values
        np.testing.assert_array_equal(position.reshape(members, 6, 20, 2), expected_positions(members))

    return check
