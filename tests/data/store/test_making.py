"""What is made is whole or not there, also where several processes make it at once, on a slow disk, or are killed."""

import multiprocessing
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.making import clear, making, move
from lmdata.errors import StoreExists, StoreLocked

SLOW = 0.01
"""Seconds that a slow disk takes to flush a file."""


def create_again_and_again(folder, rounds, delays, barrier, said):
    """Make a durable store in each round, a while after the other process; say how each ended."""
    from lmdata.data.layout import Layout
    from lmdata.data.store.writer import RunStore
    from lmdata.errors import StoreError

    fsync = os.fsync
    os.fsync = lambda descriptor: [time.sleep(SLOW), fsync(descriptor)]
    grid = Layout(swept={}, seeds=(0,), time=np.arange(3), time_unit="step", labels=None, tokens=4, components=2)
    for number in range(rounds):
        barrier.wait(60)
        time.sleep(delays[number])
        try:
            with RunStore.create(Path(folder, str(number)), grid, durable=True) as store:
                store.put((0,), np.ones((1, 3, 4, 2)), steps_done=2)
            said.put((number, "made"))
        except StoreError as error:
            said.put((number, type(error).__name__))


@pytest.mark.parametrize("pairs", [3, pytest.param(60, marks=pytest.mark.long)])
def test_two_durable_creators_on_a_slow_disk_leave_one_good_store(tmp_path, pairs):
    spawn = multiprocessing.get_context("spawn")
    barrier, said = spawn.Barrier(2), spawn.Queue()
    late = np.random.default_rng(pairs).uniform(0, 40 * SLOW, pairs).tolist()
    both = [
        spawn.Process(target=create_again_and_again, args=(str(tmp_path), pairs, delays, barrier, said))
        for delays in ([0.0] * pairs, late)
    ]
    for one in both:
        one.start()
    answers = [said.get(timeout=120) for _ in range(2 * pairs)]
    for one in both:
        one.join(60)
    for number in range(pairs):
        first, second = sorted(answer for n, answer in answers if n == number)
        assert second == "made"
        assert first in ("StoreExists", "StoreLocked")
        assert (open_dataset(tmp_path / str(number)).position == 1).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(map(str, range(pairs)))


def test_one_at_a_time_and_nothing_left_behind(tmp_path):
    target = tmp_path / "new"
    with making(target) as folder:
        (folder / "whole").mkdir()
        with pytest.raises(StoreLocked, match=f"process {os.getpid()}"), making(target):
            pass
        move(folder / "whole", target)
    with pytest.raises(StoreExists, match="choose another place"), making(target):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_what_appears_meanwhile_is_not_overwritten(tmp_path):
    target = tmp_path / "new"
    with making(target) as folder:
        (folder / "whole").mkdir()
        (target / "sub").mkdir(parents=True)
        with pytest.raises(StoreExists, match="something appeared"):
            move(folder / "whole", target)
    assert [path.name for path in target.iterdir()] == ["sub"]


def test_what_a_killed_process_left_is_cleared_unless_somebody_works_in_it(tmp_path):
    left = tmp_path / ".new.building"
    (left / "store" / "deep").mkdir(parents=True)
    (left / "archive").write_text("half")
    with making(tmp_path / "new") as folder:
        assert [path.name for path in folder.iterdir()] == ["writer.lock"]
        clear(tmp_path / "new")
        assert folder.exists()
    (left / "store").mkdir(parents=True)
    clear(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_removed_is_not_taken_for_the_present_one(tmp_path):
    """Two processes may wait for one lock; its holder removes the file: they must agree on the next."""
    path = tmp_path / "a.lock"
    lock = WriterLock(path)
    other = os.open(path, os.O_RDWR)
    lock.remove()
    assert not path.exists()
    with WriterLock(path), pytest.raises(StoreLocked):
        WriterLock(path)
    os.close(other)


def test_a_process_that_waited_for_a_lock_that_was_removed_gets_the_next(tmp_path):
    path = tmp_path / "a.lock"
    lock = WriterLock(path)
    got = []
    waiting = threading.Thread(target=lambda: got.append(WriterLock(path, wait=True)))
    waiting.start()
    time.sleep(0.1)
    lock.remove()
    waiting.join(10)
    assert os.path.samestat(os.fstat(got[0]._descriptor), path.stat())
    got[0].release()
