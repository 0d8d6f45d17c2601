"""A child made by fork lacks the threads of the store: it refuses at once; what needs none of them works in it."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, os, pathlib, signal, sys, warnings
import numpy as np
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word about forks beside threads
from lmdata.data import derived, export, opening, repair, verify, versions
from lmdata.data.layout import Layout
from lmdata.data.store import maintenance, writer

folder = pathlib.Path(sys.argv[1])
place, plain = folder / "run", folder / "plain"
grid = Layout(swept={}, seeds=(0, 1), time=np.arange(3), time_unit="step", labels=None, tokens=4, components=2)
rows = np.ones((2, 3, 4, 2))
with writer.RunStore.create(place, grid) as store:
    store.put((0, 1), rows, steps_done=2)
export.export_zarr(place, plain)
chunked, numbers = opening.open_dataset(place), opening.open_dataset(plain)
plainly = opening.open_dataset(place, chunked=False)
assert chunked.position.sum() == numbers.position.sum() == 48
half = writer.RunStore.create(folder / "half", grid)
half.put((0,), rows[:1], steps_done=2)

REFUSED = {
    "open": lambda: opening.open_dataset(place),
    "read": lambda: chunked.position.sum().compute(),
    "read unchunked": lambda: plainly.position.values,
    "put": lambda: half.put((1,), rows[1:], steps_done=2),
    "commit": lambda: half.commit(),
    "fork": lambda: half.fork([(1,)]),
    "last checkpoint": lambda: half.last_checkpoint((1,)),
    "extend": lambda: half.extend(grid),
    "close": lambda: half.close(),
    "append": lambda: writer.RunStore.append_to(place),
    "create": lambda: writer.RunStore.create(folder / "another", grid),
    "verify": lambda: verify.verify(place),
    "repair": lambda: repair.repair_store(place),
    "publish": lambda: versions.publish_version(place, "v1"),
    "migrate": lambda: versions.migrate_store(place),
    "tidy": lambda: maintenance.collect_garbage(place),
    "export": lambda: export.export_zarr(place, folder / "out"),
    "import": lambda: export.import_zarr(plain, folder / "in"),
    "derive": lambda: derived.save_derived(chunked[["position"]], folder / "bad", source=chunked, made_by="test"),
}
WORKS = {
    "read an export": lambda: float(numbers.position.sum()),
    "open an export": lambda: float(opening.open_dataset(plain).position.sum()),
    "verify an export": lambda: 48 * verify.verify(plain).ok,
    "derive from an export": lambda: derived.save_derived(
        numbers[["position"]], folder / "good", source=numbers, made_by="test") or 48,
}

def told(act):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that waits for the threads of its parent ends by this
        try:
            answer = act()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(into, json.dumps(answer if isinstance(answer, str | float | int) else repr(answer)).encode())
        os._exit(0)
    os.close(into)
    with open(out) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else "it waits for ever"

print(json.dumps([{name: told(act) for name, act in acts.items()} for acts in (REFUSED, WORKS)]))
half.close()
assert opening.open_dataset(folder / "half", allow_partial=True).status.values.tolist() == [1, 0]
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What forked children say, after their parent has used stores."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path_factory.mktemp("forked")], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_forked_child_refuses_every_use_of_a_run_store(answers):
    refused, _ = answers
    wrong = {name: said for name, said in refused.items() if not str(said).startswith("StoreError: forked: process")}
    assert not wrong
    assert "spawn or forkserver" in refused["open"]


LOADED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import lmdata
lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2)
from lmdata.data.store import writer
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=sys.argv[1])
    except lmdata.errors.StoreError as error:
        os._exit(7 if str(error).startswith("forked: process") else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.long
def test_forked_child_of_a_process_that_has_loaded_stores_and_used_none_does_not_hang(tmp_path):
    """icechunk starts its threads when it is imported."""
    run = [sys.executable, "-c", LOADED, tmp_path / "run"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["7"], done.stderr


def test_forked_child_can_use_plain_zarr(answers):
    _, works = answers
    assert works == dict.fromkeys(works, 48)
