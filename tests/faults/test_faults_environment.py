"""Clocks, locales, umasks, folders that cannot be written, long and strange paths."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.maintenance import collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.data.versions import publish_version
from lmdata.errors import StoreError

from .conftest import WRITER


def write(place, **settings):
    """Run the writer with other settings of its environment."""
    command = [sys.executable, "-c", WRITER, str(place), "40"]
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "settings",
    [
        {"LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0, "PYTHONHASHSEED": 1, "PYTHONOPTIMIZE": 2},
        pytest.param({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, marks=LONG),
        pytest.param({"TZ": "Pacific/Kiritimati"}, marks=LONG),
    ],
    ids=["C", "Turkish", "Kiritimati"],
)
def test_settings_of_the_environment_change_nothing(tmp_path, settings, check_finished):
    place = tmp_path / "Läufe"
    done = write(place, **settings)
    assert done.returncode == 0, done.stderr
    check_finished(place, 40)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_umask(tmp_path, example, umask):
    made = example()
    before = os.umask(umask)
    try:
        if umask == 0o777 and os.geteuid() != 0:
            with pytest.raises(StoreError):
                made.write(tmp_path / "run")
            return
        made.write(tmp_path / "run")
    finally:
        os.umask(before)
    assert verify(tmp_path / "run").ok


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (clock == CLOCK_REALTIME && access(getenv("CLOCK_IS_SET"), F_OK) == 0) now->tv_sec += atol(getenv("CLOCK_STEP"));
    return code;
}
"""
"""The clock that Python and icechunk ask for the time of day, set by a step once a file is there."""


@pytest.fixture
def wrong_clock(tmp_path, monkeypatch):
    """Give the processes started from now on a clock that goes wrong once the file, which is returned, is there."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a clock with")
    (tmp_path / "clock.c").write_text(CLOCK)
    library = tmp_path / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "clock.c", "-ldl"], check=True)

    def start(step):
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("CLOCK_STEP", str(step))
        monkeypatch.setenv("CLOCK_IS_SET", str(tmp_path / "set"))
        return tmp_path / "set"

    return start


YEAR = 86400 * 365


@pytest.mark.long
@pytest.mark.parametrize("step", [-YEAR, YEAR], ids=["back", "ahead"])
def test_clock_that_is_set_while_a_run_is_written(tmp_path, writer, wrong_clock, check_finished, capfd, step):
    """icechunk refuses a commit that is older than the one before, or newer than its files: what is there stays."""
    place, is_set = tmp_path / "run", wrong_clock(step)
    stopped = writer(place, 100)
    stopped.wait_for(1)
    is_set.touch()
    stopped.finish(expected=1)
    assert stopped.process.returncode == 1
    told = capfd.readouterr().err
    assert f"StoreError: cannot write to {place}" in told
    assert "set the clock right" in told
    report = verify(place)
    assert not report.damaged
    assert len(stopped.committed) <= report.complete < report.members
    is_set.unlink()
    writer(place, 100).finish()
    check_finished(place, 100)


@pytest.mark.parametrize("step", [-YEAR, pytest.param(YEAR, marks=pytest.mark.long)], ids=["back", "ahead"])
def test_garbage_collected_by_a_wrong_clock(tmp_path, example, small_blocks, wrong_clock, step):
    made = example()
    place, is_set = made.write(tmp_path / "run"), wrong_clock(step)
    is_set.touch()
    program = "import sys; from lmdata.data.store.maintenance import collect_garbage; collect_garbage(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, place], capture_output=True, text=True)
    assert done.returncode == (step < 0)
    assert ("set the clock right" in done.stderr) == (step < 0)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


@pytest.fixture
def read_only(tmp_path):
    """Mount a folder read-only: permissions alone do not stop root."""
    mounted = []

    def mount(place):
        bound = tmp_path / "bound"
        bound.mkdir()
        for options in (["--bind", str(place), str(bound)], ["-o", "remount,ro,bind", str(bound)]):
            done = subprocess.run(["mount", *options], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
            mounted[:] = [bound]
        return bound

    yield mount
    for bound in mounted:
        subprocess.run(["umount", "--lazy", bound], check=True)


def test_what_cannot_be_written_can_be_read(tmp_path, example, read_only):
    made = example()
    (tmp_path / "there").mkdir()
    made.write(tmp_path / "there" / "run", leave=2)
    whole = made.write(tmp_path / "there" / "whole")
    export_zarr(whole, tmp_path / "there" / "plain.zarr")
    place = read_only(tmp_path / "there")
    for name in ("whole", "plain.zarr"):
        np.testing.assert_array_equal(open_dataset(place / name).position, made.grid)
        assert verify(place / name).ok
    for act, remedy in (
        (lambda: RunStore.append_to(place / "run"), "then resume"),
        (lambda: RunStore.create(place / "new", made.layout), "choose another place"),
        (lambda: export_zarr(place / "whole", place / "copy.zarr"), "choose another place"),
        (lambda: collect_garbage(place / "run"), "try again"),
        (lambda: publish_version(place / "whole", "v1"), "try again"),
    ):
        with pytest.raises(StoreError, match=rf"cannot write to .*Read-only file system.*{remedy}"):
            act()


@pytest.mark.parametrize(
    "name",
    ["a b\tc\nd", "Zustände-数据-🜁", "%41#?&;'\"$(id)`id`", "-rf *", "..hidden..", "s3:", "n" * 200,
     "/".join(["deep" * 10] * 20), "e\u0301 and \u00e9"],
)  # fmt: skip
def test_paths(tmp_path, example, name):
    made = example()
    place = made.write(tmp_path / name, leave=1)
    with RunStore.append_to(place) as store:
        made.finish(store)
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)
    assert verify(place).ok


@pytest.mark.parametrize("name", ["n" * 250, "/".join(["deep" * 10] * 100)])
def test_path_that_is_too_long(tmp_path, example, name):
    with pytest.raises(StoreError, match="File name too long"):
        example().write(tmp_path / name)


def test_name_that_is_no_text(tmp_path, example):
    made = example()
    place = made.write(tmp_path / os.fsdecode(b"\xff\xfe"))
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


def test_relative_path_survives_a_change_of_folder(tmp_path, example, monkeypatch):
    made = example()
    monkeypatch.chdir(tmp_path)
    with RunStore.create("run", made.layout) as store:
        monkeypatch.chdir("/")
        made.finish(store)
    ds = open_dataset(tmp_path / "run")
    np.testing.assert_array_equal(ds.position, made.grid)
