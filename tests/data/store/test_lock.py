import os
import signal
import subprocess
import sys
import threading

import pytest

from lmdata.data.store.lock import WriterLock
from lmdata.errors import StoreLocked

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
    child = hold(tmp_path / "a.lock", "import os\nif os.fork() == 0: time.sleep(3); os._exit(0)")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    WriterLock(tmp_path / "a.lock").release()


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
