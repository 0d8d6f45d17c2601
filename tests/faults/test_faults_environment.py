"""Clocks, locales, umasks, folders that cannot be written, long and strange paths."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from lmdata.data.export import export_zarr
from lmdata.data.maintenance import collect_garbage
from lmdata.data.opening import open_dataset
from lmdata.data.store import RunStore
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


@pytest.mark.parametrize("step", [-86400 * 400, 86400 * 400])
def test_clock_that_is_set_while_a_run_is_written(tmp_path, example, small_blocks, monkeypatch, step):
    made = example()
    now = time.time
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, store.pending()[0])
        store.commit()
        monkeypatch.setattr(time, "time", lambda: now() + step)
        made.finish(store)
    collect_garbage(tmp_path / "run")
    assert verify(tmp_path / "run").ok
    np.testing.assert_array_equal(open_dataset(tmp_path / "run").position, made.grid)


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
