"""Four processes commit to one store at once: in turn, against conditional commits, and with nothing to guard them."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lmdata.data.layout import Layout
from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify

COMMITTER = """
import json, logging, sys
import numpy as np
from lmdata.data.store.storage import Place
from lmdata.data.store.writer import RunStore
conflicts = []
logger = logging.getLogger("lmdata.data.store.writer")
logger.setLevel("INFO")
logger.addHandler(type("Count", (logging.Handler,), {"emit": conflicts.append})())
place, number = sys.argv[1], int(sys.argv[2])
run = RunStore(Place.of(place), None, durable=False)
said = []
print("begun", flush=True)
sys.stdin.readline()
for block in list(run.layout.blocks())[number::4]:
    run.put(block, np.stack([np.random.default_rng(m).normal(size=(6, 20, 2)) for m in block]), steps_done=5)
    run.commit()
    said += block
print(json.dumps({"said": said, "conflicts": len(conflicts)}))
"""
"""Writes every fourth block without taking a lock, and says what it has committed and how often it tried again."""


def commit_at_once(place):
    """Let four committers write a store; return what they said, and how often they tried again."""
    command = [sys.executable, "-c", COMMITTER, str(place)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*command, str(number)], **pipes) for number in range(4)]
    try:
        for one in running:
            assert one.stdout.readline() == "begun\n"
        for one in running:
            one.stdin.write("go\n")
            one.stdin.flush()
        said = [json.loads(one.communicate(timeout=120)[0]) for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
            one.stdin.close()
            one.stdout.close()
    assert [one.returncode for one in running] == [0] * 4
    return {member for one in said for member in one["said"]}, sum(one["conflicts"] for one in said)


@pytest.fixture
def layout(monkeypatch):
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 8000)
    return Layout(
        swept={"a": (1.0, 2.0)}, seeds=tuple(range(40)), time=np.arange(6), time_unit="step", labels=None, tokens=20,
        components=2,
    )  # fmt: skip


def expected(layout):
    frames = [np.random.default_rng(member).normal(size=(6, 20, 2)) for member in range(layout.size)]
    return np.reshape(frames, (*layout.shape, 6, 20, 2))


@pytest.mark.long
def test_in_a_bucket_nothing_is_lost_and_conflicts_are_tried_again(server, layout):
    place = "s3://runs/four/run"
    RunStore.create(place, layout).close()
    said, conflicts = commit_at_once(place)
    assert said == set(range(layout.size))
    assert conflicts > 0, "the committers did not meet: make the layout larger"
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, expected(layout))


@pytest.mark.long
def test_in_a_folder_without_the_lock_what_is_lost_is_absent_and_never_wrong(tmp_path, layout):
    """Why there is a lock: of local committers at once, icechunk may drop a commit that it has acknowledged."""
    place = tmp_path / "run"
    RunStore.create(place, layout).close()
    said, _ = commit_at_once(place)
    ds = open_dataset(place, allow_partial=True)
    there = ds.status.values == 1
    assert said >= set(np.flatnonzero(there).tolist())
    np.testing.assert_array_equal(ds.position.values[there], expected(layout)[there])
    assert np.isnan(ds.position.values[~there]).all()
    assert {problem.kind for problem in verify(place).problems} <= {"missing"}
    repair_store(place)
    with RunStore.append_to(place) as store:
        for block in store.pending():
            store.put(block, expected(layout).reshape(-1, 6, 20, 2)[list(block)], steps_done=5)
    np.testing.assert_array_equal(open_dataset(place).position, expected(layout))
