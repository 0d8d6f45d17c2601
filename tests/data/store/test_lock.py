import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.store import lock as lock_module
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import InvalidInput, StoreError, StoreLocked

HOLD = """
import pathlib, sys, time
from lmdata.data.store.lock import WriterLock
lock = WriterLock(pathlib.Path(sys.argv[1]))
{more}
print("held", flush=True)
time.sleep(60)
"""


def hold(path, more=""):
    child = subprocess.Popen([sys.executable, "-c", HOLD.format(more=more), path], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


def test_second_holder_in_the_same_process_is_refused_until_release(tmp_path):
    path = tmp_path / "a.lock"
    lock = WriterLock(path)
    with pytest.raises(StoreLocked, match=f"process {os.getpid()} on .* since 20"):
        WriterLock(path)
    lock.release()
    lock.release()
    WriterLock(path).release()


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path):
    child = hold(tmp_path / "a.lock")
    try:
        with pytest.raises(StoreLocked, match=f"process {child.pid} on"):
            WriterLock(tmp_path / "a.lock")
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    WriterLock(tmp_path / "a.lock").release()


def test_a_forked_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path):
    child = hold(tmp_path / "a.lock", "import os\nif os.fork() == 0: time.sleep(40); os._exit(0)")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    began = time.monotonic()
    WriterLock(tmp_path / "a.lock", wait=True).release()  # the child may take a moment to close its copy
    assert time.monotonic() - began < 20, "the lock was freed by the end of the child"


def test_waiting_for_the_lock(tmp_path):
    lock = WriterLock(tmp_path / "a.lock")
    threading.Timer(0.2, lock.release).start()
    with WriterLock(tmp_path / "a.lock", wait=True), pytest.raises(StoreLocked):
        WriterLock(tmp_path / "a.lock")


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"[]", b'{"pid": 3}'])
def test_a_spoilt_note_does_not_hide_that_it_is_locked(tmp_path, note):
    lock = WriterLock(tmp_path / "a.lock")
    (tmp_path / "a.lock").write_bytes(note)
    with pytest.raises(StoreLocked, match="another process"):
        WriterLock(tmp_path / "a.lock")
    lock.release()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"a\.lock"):
        WriterLock(tmp_path / "a.lock")
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks."""

    def flock(descriptor, operation):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(lock_module.fcntl, "flock", flock)


def test_without_locks_it_says_what_to_do(tmp_path, no_locks):
    with pytest.raises(StoreError, match=r"file system of .* no locks .*LMDATA_CACHE.*LMDATA_LOCKS=file"):
        WriterLock(tmp_path / "a.lock")


def test_a_lock_that_is_a_file(tmp_path, no_locks, monkeypatch):
    monkeypatch.setenv("LMDATA_LOCKS", "file")
    lock = WriterLock(tmp_path / "a.lock")
    with pytest.raises(StoreLocked, match=rf"process {os.getpid()} .* remove .*a\.lock\.held"):
        WriterLock(tmp_path / "a.lock")
    threading.Timer(0.2, lock.release).start()
    WriterLock(tmp_path / "a.lock", wait=True).release()
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_a_file_system_without_locks(tmp_path, no_locks, monkeypatch, example):
    monkeypatch.setenv("LMDATA_LOCKS", "file")
    place = example().write(tmp_path / "run")
    assert verify(place).ok
    with RunStore.append_to(place), pytest.raises(StoreLocked):
        RunStore.append_to(place)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not list(place.glob("*.held"))


def test_other_kinds_of_locks_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_LOCKS", "none")
    with pytest.raises(InvalidInput, match="LMDATA_LOCKS is 'none'; it is kernel"):
        WriterLock(tmp_path / "a.lock")


WITHOUT_FCNTL = """
import os, sys
import dask.array, icechunk, numba, pydantic, xarray, zarr  # which know systems without these themselves
sys.modules["fcntl"] = None
del os.register_at_fork
import lmdata
ds = lmdata.open(sys.argv[1])
print(float(ds.position.sum()), lmdata.verify(sys.argv[1]).ok)
start = lmdata.tokens.uniform(4, 2)
print(lmdata.simulate(lmdata.Localmax(), start, steps=1).position.shape)
try:
    lmdata.simulate(lmdata.Localmax(), start, steps=1, store=sys.argv[1] + "2")
except lmdata.errors.StoreError as error:
    print(error)
"""


@pytest.mark.long
def test_where_python_has_no_locks_stores_are_read(tmp_path, example):
    made = example()
    place = made.write(tmp_path / "run")
    done = subprocess.run([sys.executable, "-c", WITHOUT_FCNTL, place], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read, shape, refused = done.stdout.splitlines()
    assert read == f"{float(open_dataset(place).position.sum())} True"
    assert shape == "(1, 2, 4, 2)"
    assert "Linux, macOS and other POSIX systems" in refused
