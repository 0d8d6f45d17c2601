"""Kill -9 at random instants, again during the resumption, and two writers at once."""

import subprocess

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.verify import verify
from lmdata.errors import IncompleteDataset


def kill_once(writer, place, delay, said):
    """Kill a writer after a while; check that the store has all it said, and visibly lacks the rest."""
    running = writer(place)
    try:
        running.process.wait(delay)
    except subprocess.TimeoutExpired:
        said |= running.kill()
    else:
        said |= running.finish()
    if not place.exists():
        assert not said
        return
    ds = open_dataset(place, allow_partial=True)
    status = ds.status.values.ravel()
    assert set(np.flatnonzero(status == 1)) >= said
    assert set(np.unique(status)) <= {0, 1}
    position = ds.position.values.reshape(400, -1)
    assert np.isfinite(position[status == 1]).all()
    assert np.isnan(position[status != 1]).all()
    assert {problem.kind for problem in verify(place).problems} <= {"missing"}
    if (status != 1).any():
        with pytest.raises(IncompleteDataset, match=f"{(status != 1).sum()} are missing"):
            open_dataset(place)


def run_until_finished(writer, place, delays, check_finished):
    said = set()
    for delay in delays:
        kill_once(writer, place, delay, said)
    writer(place).finish()
    check_finished(place)
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_killed_while_it_starts_and_while_it_writes(tmp_path, writer, check_finished):
    run_until_finished(writer, tmp_path / "run", [1.3], check_finished)


@pytest.mark.long
def test_killed_at_twenty_random_instants(tmp_path, writer, check_finished):
    random = np.random.default_rng(5)
    for attempt in range(10):  # each is killed at the first instant and again during the resumption
        run_until_finished(writer, tmp_path / f"{attempt}" / "run", random.uniform(0.3, 2.5, size=2), check_finished)


@pytest.mark.long
def test_killed_again_and_again(tmp_path, writer, check_finished):
    run_until_finished(writer, tmp_path / "run", np.random.default_rng(6).uniform(0.6, 1.6, size=12), check_finished)


def test_second_writer_is_told_who_the_first_is(tmp_path, writer):
    first = writer(tmp_path / "run")
    first.wait_for(2)
    second = subprocess.run(first.process.args, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"StoreLocked: {tmp_path / 'run'} is being written by process {first.process.pid} on" in second.stderr


@pytest.mark.long
def test_four_committers_take_turns(tmp_path, writer, check_finished):
    first = writer(tmp_path / "run")
    first.wait_for(1)
    running = [first, *(writer(tmp_path / "run") for _ in range(3))]
    codes = [one.process.wait(60) for one in running]
    assert codes.count(0) >= 1
    writer(tmp_path / "run").finish()
    check_finished(tmp_path / "run")


def test_reader_during_a_writer_sees_whole_members_and_its_own_snapshot(tmp_path, writer):
    running = writer(tmp_path / "run")
    running.wait_for(3)
    expected = {}
    for _ in range(3):
        ds = open_dataset(tmp_path / "run", allow_partial=True)
        status = ds.status.values.ravel() == 1
        position = ds.position.values.reshape(400, 6, 20, 2)
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
