"""Kill -9 at random instants, again during the resumption, and two writers at once."""

import signal
import subprocess
import time

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.verify import verify
from lmdata.errors import IncompleteDataset

from .conftest import MEMBERS, Writer


def committed(place):
    """Return the members that a store has; what it lacks is visibly absent, and what it has is whole."""
    if not place.exists():
        return set()
    ds = open_dataset(place, allow_partial=True)
    status = ds.status.values.ravel()
    assert set(np.unique(status)) <= {0, 1}
    position = ds.position.values.reshape(MEMBERS, -1)
    assert np.isfinite(position[status == 1]).all()
    assert np.isnan(position[status != 1]).all()
    assert {problem.kind for problem in verify(place).problems} <= {"missing"}
    if (status != 1).any():
        with pytest.raises(IncompleteDataset, match=f"{(status != 1).sum()} are missing"):
            open_dataset(place)
    return set(np.flatnonzero(status == 1).tolist())


def kill_once(writer, place, delay, commits=0):
    """Kill a writer a while after so many commits, or after it holds the lock; check what it leaves.

    If the delay is negative, before it holds the lock.

    Return whether the kill hit a run in progress.
    """
    before = committed(place)
    running = writer(place)
    if delay >= 0:
        running.wait_for(commits)
    try:
        running.process.wait(abs(delay))
    except subprocess.TimeoutExpired:
        running.kill()
    else:
        running.finish()
    after = committed(place)
    assert after >= before | running.committed, "a member that was acknowledged is lost"
    assert not running.computing & before, "a member that was committed is computed again"
    return running.process.returncode != 0 and 0 < len(after) < MEMBERS


def finish(writer, place, check_finished):
    """Let a writer finish what others have begun, and compare everything with what was to be written."""
    before = committed(place)
    last = writer(place)
    last.finish()
    assert last.computing == set(range(MEMBERS)) - before
    check_finished(place)
    assert [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.fixture(scope="module")
def seconds(tmp_path_factory):
    """How long the writer takes when nobody kills it, from when it holds the lock."""
    running = Writer(tmp_path_factory.mktemp("whole") / "run")
    running.wait_for(0)
    begun = time.monotonic()
    running.finish()
    return time.monotonic() - begun


@pytest.mark.long
def test_killed_while_it_writes_and_while_it_resumes(tmp_path, writer, check_finished):
    for delay in (0.3, 0.2):
        kill_once(writer, tmp_path / "run", delay)
    finish(writer, tmp_path / "run", check_finished)


@pytest.mark.long
def test_killed_at_twenty_random_instants(tmp_path, writer, check_finished):
    """Ten writers are killed, and then, at another instant, what resumes their run."""
    random, hit = np.random.default_rng(5), 0
    for attempt in range(10):
        place = tmp_path / f"{attempt}" / "run"
        for _ in range(2):
            hit += kill_once(writer, place, random.uniform(0, 0.05), commits=1)
        finish(writer, place, check_finished)
    assert hit >= 15, "too few kills hit a run in progress"


@pytest.mark.long
def test_killed_while_it_starts(tmp_path, writer, check_finished):
    for delay in np.random.default_rng(6).uniform(0.1, 1.2, size=8):
        kill_once(writer, tmp_path / "run", -delay)
    finish(writer, tmp_path / "run", check_finished)


@pytest.mark.long
def test_killed_again_and_again(tmp_path, writer, seconds, check_finished):
    for delay in np.random.default_rng(7).uniform(0, seconds / 6, size=12):
        kill_once(writer, tmp_path / "run", delay)
    finish(writer, tmp_path / "run", check_finished)


def test_second_writer_is_told_who_the_first_is(tmp_path, writer):
    first = writer(tmp_path / "run")
    first.wait_for(1)
    first.process.send_signal(signal.SIGSTOP)  # it holds the lock for as long as this takes
    second = subprocess.run(first.process.args, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"StoreLocked: {tmp_path / 'run'} is being written by process {first.process.pid} on" in second.stderr
    with pytest.raises(IncompleteDataset, match=f"being written by process {first.process.pid} on .* wait until"):
        open_dataset(tmp_path / "run")
    first.process.kill()
    first.process.wait(20)
    with pytest.raises(IncompleteDataset, match=r"Finish it with lmdata\.resume"):
        open_dataset(tmp_path / "run")


@pytest.mark.long
def test_four_committers_take_turns(tmp_path, writer, check_finished):
    first = writer(tmp_path / "run")
    first.wait_for(0)
    running = [first, *(writer(tmp_path / "run") for _ in range(3))]
    codes = [one.process.wait(60) for one in running]
    assert codes.count(0) >= 1
    writer(tmp_path / "run").finish()
    check_finished(tmp_path / "run")


@pytest.mark.long
def test_reader_during_a_writer_sees_whole_members_and_its_own_snapshot(tmp_path, writer):
    running = writer(tmp_path / "run")
    running.wait_for(2)
    expected = {}
    for _ in range(3):
        ds = open_dataset(tmp_path / "run", allow_partial=True)
        status = ds.status.values.ravel() == 1
        position = ds.position.values.reshape(MEMBERS, 6, 20, 2)
        assert np.isnan(position[~status]).all()
        for member in np.flatnonzero(status)[-10:]:
            frames = np.random.default_rng(member).normal(size=(6, 20, 2))
            np.testing.assert_array_equal(position[member], frames)
        expected[ds.attrs["snapshot"]] = (ds, status.sum())
        running.wait_for(1)
    running.finish()
    for ds, count in expected.values():
        assert (ds.status == 1).sum() == count
        assert np.isfinite(ds.position.values).all(axis=(-3, -2, -1)).sum() == count
