"""Workers that are killed, poisoned or raise, a scheduler that is lost, and who may reach a cluster."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import dask
import distributed
import numpy as np
import psutil
import pytest

import lmdata
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import AccuracyWarning, BackendUnavailable, ClusterLost, IncompleteDataset, StoreError
from lmdata.runs import cluster, scaling, worker
from lmdata.runs.code import Code

FAULTS = """
import json, os, pathlib, signal, time, warnings
import lmdata
from lmdata.errors import AccuracyWarning
from lmdata.runs import runner

runner.FIRST_SEGMENT, runner.SEGMENT_SECONDS = 1, 0
folder = pathlib.Path(os.environ["LMDATA_FAULTS"])
if not hasattr(runner, "advance"):  # this may be loaded twice
    runner.advance = lmdata.Localmax.advance.__func__

def once(name):
    try:
        (folder / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def faulty(cls, models, state, *, start, record, seeds, backend):
    plan = json.loads((folder / "plan").read_text())
    if record[-1] > start:
        with open(folder / "computed", "a") as file:
            file.writelines(f"{seed} {start} {os.getpid()}\\n" for seed in seeds)
    for seed in seeds:
        what, at = plan.get(str(seed), ("", 0))
        if start < at or record[-1] == start:
            continue
        if what == "die" or (what == "die once" and once(f"died {seed}")):
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "slow":
            time.sleep(0.05)
        if what == "wait":
            time.sleep(600)
        if what == "hog":
            kept = []
            while True:
                kept.append(bytearray(b"x" * 2**24))
                time.sleep(0.02)
        if what == "overflow":
            raise OverflowError(f"seed {seed} overflows")
        if what == "warn":
            warnings.warn(f"seed {seed} is inaccurate", AccuracyWarning)
        if what == "raise":
            raise ValueError(f"seed {seed} is not liked")
    return runner.advance(cls, models, state, start=start, record=record, seeds=seeds, backend=backend)

lmdata.Localmax.advance = classmethod(faulty)
"""
"""What the workers of these tests load: they take one step a segment, and fail as they are told."""

MODEL, TOKENS, STEPS = lmdata.Localmax(alignment_sensitivity=0.1), lmdata.tokens.uniform(6, 2), 4
RUN = {"steps": STEPS, "seeds": range(6)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def address(folder):
    """The address of a cluster of two workers that fail as they are told."""
    settings = {"distributed.worker.preload": [FAULTS], "distributed.scheduler.allowed-failures": 1}
    with pytest.MonkeyPatch.context() as patch, dask.config.set(settings):
        patch.setenv("LMDATA_FAULTS", str(folder))
        (folder / "plan").write_text("{}")
        with cluster.connected(2) as client:
            yield client.scheduler.address


@pytest.fixture
def plan(folder, monkeypatch):
    """Say which seeds fail how, and from which step on: ``plan({3: ("die", 0)})``."""
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1000)  # three members a chunk
    monkeypatch.setattr("lmdata.runs.runner.FIRST_SEGMENT", 1000)  # one chunk a task
    monkeypatch.setattr(scaling, "LOOK_SECONDS", 0.2)

    def write(faults):
        for left in folder.iterdir():
            left.unlink()
        (folder / "computed").touch()
        (folder / "plan").write_text(json.dumps(faults))

    yield write
    write({})


@pytest.fixture
def one_step_a_task(monkeypatch):
    monkeypatch.setattr(scaling, "STRETCH_SECONDS", 0)


@pytest.fixture
def all_blocks_in_a_task(monkeypatch):
    monkeypatch.setattr("lmdata.runs.runner.FIRST_SEGMENT", 10000)


@pytest.fixture(scope="module")
def serial():
    return lmdata.simulate(MODEL, TOKENS, **RUN)


def computed(folder):
    """Return how often each (seed, step) was computed."""
    return Counter(tuple(map(int, line.split()[:2])) for line in (folder / "computed").read_text().splitlines())


def check_finished(place, expected):
    assert verify(place).ok
    assert lmdata.open(place).attrs["digest"] == expected.attrs["digest"]


def test_workers_make_the_dataset_of_one_process_and_compute_every_step_once(address, plan, serial, tmp_path, folder):
    plan({})
    told = []
    ds = lmdata.simulate(
        MODEL, TOKENS, store=tmp_path / "run", scheduler=address, progress=lambda *now: told.append(now), **RUN
    )
    assert ds.attrs["digest"] == serial.attrs["digest"]
    assert verify(tmp_path / "run").ok
    assert computed(folder) == {(seed, step): 1 for seed in RUN["seeds"] for step in range(STEPS)}
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)


@pytest.mark.usefixtures("one_step_a_task")
def test_a_worker_that_is_killed_is_replaced_and_long_members_go_on_from_their_checkpoint(
    address, plan, serial, tmp_path, folder
):
    plan({4: ("die once", 2)})
    lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    check_finished(tmp_path / "run", serial)
    counts = computed(folder)
    assert {key for key, count in counts.items() if count > 1} >= {(3, 2), (4, 2), (5, 2)}
    assert {seed: sum(counts[seed, step] for step in range(STEPS)) for seed in (3, 4, 5)} == dict.fromkeys((3, 4, 5), 5)


@pytest.mark.long
def test_a_run_is_extended_by_workers_beside_finished_members_of_the_same_chunk(address, plan, tmp_path, folder):
    plan({})
    lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", steps=STEPS, seeds=range(5))
    plan({6: ("die once", 2)})
    lmdata.extend(tmp_path / "run", seeds=range(8), scheduler=address)
    check_finished(tmp_path / "run", lmdata.simulate(MODEL, TOKENS, steps=STEPS, seeds=range(8)))
    assert {seed for seed, _ in computed(folder)} == {5, 6, 7}


@pytest.mark.usefixtures("one_step_a_task", "all_blocks_in_a_task")
def test_blocks_that_a_task_had_no_time_for_are_computed_by_others(address, plan, serial, tmp_path, folder):
    plan({})
    lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    check_finished(tmp_path / "run", serial)
    assert computed(folder) == {(seed, step): 1 for seed in RUN["seeds"] for step in range(STEPS)}


@pytest.mark.usefixtures("one_step_a_task")
def test_members_that_record_nothing_on_the_way_are_finished_and_resumed_by_workers(address, plan, tmp_path):
    run = RUN | {"record": [0, STEPS]}
    plan({5: ("raise", 2)})
    with pytest.raises(ClusterLost):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **run)
    plan({})
    lmdata.resume(tmp_path / "run", scheduler=address)
    check_finished(tmp_path / "run", lmdata.simulate(MODEL, TOKENS, **run))


@pytest.mark.long
@pytest.mark.usefixtures("all_blocks_in_a_task")
def test_a_block_that_kills_its_workers_is_marked_failed_while_the_others_go_on(
    address, plan, serial, tmp_path, folder
):
    plan({4: ("die", 1)})
    with pytest.raises(IncompleteDataset, match="3 failed"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    report = verify(tmp_path / "run")
    assert {problem.subject for problem in report.problems} == {f'{{"seed":{seed}}}' for seed in (3, 4, 5)}
    assert all("every worker that computed it was lost" in problem.message for problem in report.problems)
    plan({})
    lmdata.resume(tmp_path / "run", scheduler=address)
    check_finished(tmp_path / "run", serial)
    assert {seed for seed, _ in computed(folder)} == {3, 4, 5}


@pytest.mark.long
def test_a_member_that_takes_more_memory_than_a_worker_has_says_so_after_two_restarts(
    plan, serial, tmp_path, folder, monkeypatch
):
    plan({4: ("hog", 1)})
    monkeypatch.setenv("LMDATA_FAULTS", str(folder))
    local = {"host": "127.0.0.1", "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}, "dashboard_address": None}
    with (
        dask.config.set({"distributed.worker.preload": [FAULTS]}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="700MiB", **local) as hosts,
        pytest.raises(IncompleteDataset, match="3 failed"),
    ):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=hosts.scheduler_address, **RUN)
    report = verify(tmp_path / "run")
    assert {problem.subject for problem in report.problems} == {f'{{"seed":{seed}}}' for seed in (3, 4, 5)}
    assert all("more memory than a worker has" in problem.message for problem in report.problems)
    tried = {line.split()[2] for line in (folder / "computed").read_text().splitlines() if line.startswith("4 1 ")}
    assert len(tried) == 2
    plan({})
    lmdata.resume(tmp_path / "run")
    check_finished(tmp_path / "run", serial)


def kill_workers_now_and_then(count):
    """Kill one of the workers of this process after the other, at random instants; return how many there were."""
    random, killed = np.random.default_rng(8), 0
    for _ in range(count):
        time.sleep(random.uniform(0.3, 1.2))
        if workers := [child for child in psutil.Process().children() if "spawn_main" in str(child.cmdline())]:
            random.choice(workers).kill()
            killed += 1
    return killed


@pytest.mark.long
def test_workers_that_are_killed_at_random_instants(address, plan, tmp_path, folder):
    run = RUN | {"seeds": range(60)}
    expected = lmdata.simulate(MODEL, TOKENS, **run)
    plan(dict.fromkeys(run["seeds"], ("slow", 0)))
    with ThreadPoolExecutor(1) as pool, suppress(IncompleteDataset):
        killing = pool.submit(kill_workers_now_and_then, 8)
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **run)
    assert killing.result() > 0
    assert {problem.kind for problem in verify(tmp_path / "run").problems} <= {"failed"}
    left = set(np.flatnonzero(lmdata.open(tmp_path / "run", allow_partial=True).status.values != 1))
    plan({})
    lmdata.resume(tmp_path / "run", scheduler=address)
    check_finished(tmp_path / "run", expected)
    assert {seed for seed, _ in computed(folder)} == left


def test_a_member_whose_arithmetic_fails_is_marked_as_one_process_does(address, plan, tmp_path):
    plan({1: ("overflow", 2)})
    with pytest.raises(IncompleteDataset, match="1 failed"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    [problem] = verify(tmp_path / "run").problems
    assert (problem.kind, problem.subject, problem.message) == ("failed", '{"seed":1}', "seed 1 overflows")


def test_warnings_of_the_workers_are_given_to_the_caller(address, plan, tmp_path):
    plan({1: ("warn", 3)})
    with pytest.warns(AccuracyWarning, match="seed 1 is inaccurate"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)


def test_a_warning_that_is_an_error_does_not_throw_away_what_is_finished(address, plan, tmp_path):
    plan({1: ("warn", 3)})
    with pytest.raises(AccuracyWarning, match="seed 1 is inaccurate"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    assert lmdata.open(tmp_path / "run", allow_partial=True).status.values[:3].tolist() == [1, 1, 1]


def test_a_task_that_raises_stops_the_run_and_what_is_finished_is_kept(
    address, plan, serial, tmp_path, folder, monkeypatch
):
    monkeypatch.setattr(scaling, "TASKS_PER_THREAD", 0.5)  # one after the other
    plan({5: ("raise", 3)})
    with pytest.raises(ClusterLost, match=r"ValueError: seed 5 is not liked; stopped after 3 of 6 members.*resume"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    plan({})
    lmdata.resume(tmp_path / "run", scheduler=address)
    check_finished(tmp_path / "run", serial)
    assert computed(folder) == {(seed, step): 1 for seed in (3, 4, 5) for step in range(STEPS)}


@pytest.mark.usefixtures("one_step_a_task")
def test_what_one_process_began_workers_finish_and_the_other_way_round(address, plan, serial, tmp_path, folder):
    plan({5: ("raise", 2)})
    with pytest.raises(ClusterLost):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    assert lmdata.open(tmp_path / "run", allow_partial=True).steps_done.values.tolist()[3:] == [2, 2, 2]
    lmdata.resume(tmp_path / "run")
    check_finished(tmp_path / "run", serial)


def test_given_tokens_and_diagnostics_reach_the_workers(address, plan, tmp_path):
    plan({})
    model, tokens = lmdata.Noisy(model=lmdata.Softmax(), scale=0.1), np.random.default_rng(2).normal(size=(5, 3))
    expected = lmdata.simulate(model, tokens, steps=3, seeds=range(4))
    lmdata.simulate(model, tokens, steps=3, seeds=range(4), store=tmp_path / "run", scheduler=address)
    check_finished(tmp_path / "run", expected)


def fork_of(tmp_path):
    """Return a fork of a store, and the store."""
    place = tmp_path / "run"
    lmdata.simulate(MODEL, TOKENS, store=place, **RUN)
    store = RunStore.append_to(place)
    store.reset(range(6))
    return store, store.fork(store.pending())


def test_a_worker_that_does_not_reach_the_store_says_so(tmp_path):
    store, fork = fork_of(tmp_path)
    store.withdraw(fork)
    store.close()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    said = worker.compute(pickle.loads(pickle.dumps(fork)), task())
    assert re.match(r"StoreError: .*run cannot be read on .*under the same path", said)
    assert not (tmp_path / "run").exists()


def task(**changes):
    """Return what the tasks of these runs have in common."""
    return replace(worker.Task("tests", "numpy", Code.here(MODEL, TOKENS), 1.0), **changes)


def test_a_worker_that_comes_later_and_has_other_code_refuses(tmp_path):
    store, fork = fork_of(tmp_path)
    code = Code.here(MODEL, TOKENS)
    other = replace(code, versions=code.versions | {"numpy": "2.0.0"})
    with store:
        said = worker.compute(fork, task(code=other))
        store.withdraw(fork)
    assert re.match(r"BackendUnavailable: a worker on .* gives other bits: it has numpy .* instead of 2\.0\.0", said)


COORDINATOR = """
import sys
from lmdata import cli
from lmdata.runs import runner
from lmdata.runs import scaling
from lmdata.data import layout
runner.FIRST_SEGMENT, layout.BLOCK_BYTES, scaling.PATIENCE_SECONDS, scaling.SILENCE_SECONDS = 1000, 1000, 2, 4
sys.exit(cli.main(sys.argv[1:]))
"""
SPEC = {
    "model": MODEL.specification(),
    "tokens": TOKENS.specification(),
    "steps": STEPS,
    "seeds": list(RUN["seeds"]),
}


@pytest.fixture
def processes(folder, plan):
    """Start processes by their arguments, whose workers fail as they are told; what still runs at the end is killed."""
    plan({})
    (folder / "faults.py").write_text(FAULTS)
    environment = {
        **os.environ,
        "LMDATA_FAULTS": str(folder),
        "DASK_DISTRIBUTED__WORKER__PRELOAD": json.dumps([str(folder / "faults.py")]),
    }
    with ExitStack() as stack:

        def start(*arguments, **settings):
            command, env = [sys.executable, *map(str, arguments)], environment | settings
            process = stack.enter_context(
                subprocess.Popen(
                    command, env=env, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
                )
            )
            stack.callback(kill_group, process)
            return process

        yield start


def kill_group(process):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def start_run(start, tmp_path, scheduler):
    """Start a run that gets no further than its first block, and return it when this is committed."""
    (tmp_path / "spec.yaml").write_text(json.dumps(SPEC))
    run = start(
        *("-c", COORDINATOR, "simulate", tmp_path / "spec.yaml", "--store", tmp_path / "run", "--scheduler", scheduler)
    )
    for _ in range(300):
        with suppress(StoreError):
            if (lmdata.open(tmp_path / "run", allow_partial=True).status.values == 1).sum() == 3:
                return run
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.1)
    raise AssertionError("no block was committed")


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_coordinator_that_is_stopped_takes_its_workers_along_and_keeps_what_is_finished(
    processes, plan, serial, tmp_path, folder, how
):
    (folder / "plan").write_text(json.dumps({5: ("wait", 2)}))
    run = start_run(processes, tmp_path, 2)
    workers = psutil.Process(run.pid).children(recursive=True)
    if how == signal.SIGINT:
        os.killpg(run.pid, how)  # as a terminal does
    else:
        run.send_signal(how)
    said = run.communicate(timeout=30)[1]
    assert run.returncode == (-9 if how == signal.SIGKILL else 130)
    if how != signal.SIGKILL:
        assert "stopped after 3 of 6 members, which are kept; go on with lmdata.resume(" in said
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    plan({})
    lmdata.resume(tmp_path / "run")
    check_finished(tmp_path / "run", serial)


def start_cluster(start, file, **settings):
    """Start a scheduler and a worker, each in a process of its own, and return them with their address."""
    common = ("--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file)
    scheduler = start("-m", "distributed.cli.dask_scheduler", "--port", 0, *common)
    computing = start("-m", "distributed.cli.dask_worker", "--nthreads", 1, "--no-nanny", *common, **settings)
    return scheduler, computing, json.loads(wait_for(file))["address"]


@pytest.mark.long
def test_a_worker_with_one_changed_line_of_a_kernel_is_refused_before_the_store_is_made(processes, tmp_path):
    package = Path(lmdata.__file__).parent
    shutil.copytree(package, tmp_path / "other" / "lmdata", ignore=shutil.ignore_patterns("*.nb?", "__pycache__"))
    kernel = tmp_path / "other" / "lmdata" / "dynamics" / "kernels" / "canonical.py"
    kernel.write_text(kernel.read_text() + "\nCHANGED = True\n")
    other = {"PYTHONPATH": str(tmp_path / "other"), "DASK_DISTRIBUTED__WORKER__PRELOAD": "[]"}
    *_, address = start_cluster(processes, tmp_path / "scheduler.json", **other)
    with pytest.raises(BackendUnavailable, match=r"worker at tcp.*dynamics/kernels/canonical\.py.*install.*start"):
        lmdata.simulate(MODEL, TOKENS, store=tmp_path / "run", scheduler=address, **RUN)
    assert not (tmp_path / "run").exists()
    lmdata.simulate(MODEL, TOKENS, steps=1, store=tmp_path / "begun")
    with RunStore.append_to(tmp_path / "begun") as store:
        store.reset([0])
    with pytest.raises(BackendUnavailable, match=r"canonical\.py"):
        lmdata.resume(tmp_path / "begun", scheduler=address)
    assert verify(tmp_path / "begun").complete == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("lost", "how", "said"),
    [
        ("scheduler", signal.SIGKILL, "the dask scheduler was lost"),
        ("scheduler", signal.SIGSTOP, "the dask scheduler was lost"),
        ("worker", signal.SIGKILL, "all dask workers were lost"),
    ],
)
def test_a_cluster_that_is_lost_ends_the_run_and_what_is_finished_is_kept(
    processes, plan, serial, tmp_path, folder, lost, how, said
):
    (folder / "plan").write_text(json.dumps({5: ("wait", 2)}))
    scheduler, computing, address = start_cluster(processes, tmp_path / "scheduler.json")
    run = start_run(processes, tmp_path, address)
    os.killpg({"scheduler": scheduler, "worker": computing}[lost].pid, how)
    told = run.communicate(timeout=60)[1]
    assert run.returncode == 1
    assert re.search(f"{said}.*; stopped after 3 of 6 members, which are kept; go on with", told)
    plan({})
    lmdata.resume(tmp_path / "run")
    check_finished(tmp_path / "run", serial)


def wait_for(file):
    """Return the contents of a file that is about to be written."""
    for _ in range(300):
        if file.exists() and (text := file.read_text()):
            return text
        time.sleep(0.1)
    raise AssertionError(f"{file} was not written")


@pytest.mark.long
@pytest.mark.usefixtures("server")
def test_workers_write_into_a_bucket_with_the_credentials_of_their_own_environment(plan, serial):
    plan({})
    lmdata.simulate(MODEL, TOKENS, store="s3://runs/workers/one", scheduler=1, **RUN)
    check_finished("s3://runs/workers/one", serial)
    with RunStore.append_to("s3://runs/workers/one") as store:
        store.reset([0])
        fork = store.fork(store.pending())
        assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in pickle.dumps(fork)
        store.withdraw(fork)
