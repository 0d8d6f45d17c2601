"""Compiled code is read from where nobody else can write alone, and a cache that fails stops nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from lmdata.numerics.cache import Kept, private
from lmdata.numerics.compiled import compiled

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX here")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A private folder for the cache, and none of the user's own."""
    place = tmp_path / "cache"
    place.mkdir(mode=0o755)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    private.cache_clear()
    yield place
    private.cache_clear()


def keep():
    """Compile a function and keep it, or take what is kept; return how often it was taken."""

    @compiled()
    def twice(x):
        return 2 * x

    assert twice(3) == 6
    return sum(twice.stats.cache_hits.values())


def kept(folder):
    return [file for file in folder.rglob("*") if file.suffix in (".nbi", ".nbc")]


@pytest.mark.parametrize(
    ("mode", "above", "expected"),
    [(0o755, 0o755, True), (0o700, 0o1777, True), (0o757, 0o755, False), (0o755, 0o777, False), (0o1777, 0o755, False)],
)
def test_what_is_private(tmp_path, mode, above, expected):
    parent = tmp_path / "above"
    (parent / "here").mkdir(parents=True)
    (parent / "here").chmod(mode)
    parent.chmod(above)
    private.cache_clear()
    assert private(parent / "here") is expected
    if above != 0o1777:  # a folder that is not there yet is as its parent is
        assert private(parent / "here" / "not" / "there") is expected


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files to others")
def test_what_belongs_to_others_is_not_private(tmp_path):
    for owner, group, mode in ((12345, 0, 0o755), (0, 12345, 0o775)):
        os.chown(tmp_path, owner, group)
        tmp_path.chmod(mode)
        private.cache_clear()
        assert not private(tmp_path)


def test_it_is_kept_and_taken(folder):
    assert keep() == 0
    assert len(kept(folder)) == 2
    assert keep() == 1


def test_a_folder_that_others_can_write_to_is_left_for_the_user_s_own(folder, tmp_path, caplog):
    folder.chmod(0o777)
    assert keep() == 0
    assert not kept(folder)
    assert len(kept(tmp_path / "home")) == 2
    assert keep() == 1
    assert f"others can write to {folder}" in caplog.text
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_without_a_private_folder_nothing_is_kept(folder, tmp_path):
    folder.chmod(0o777)
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o777)
    assert keep() == keep() == 0
    assert not kept(folder)
    assert not kept(tmp_path / "home")


class Evil:
    """A pickle that makes a file when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_that_others_can_write_to_is_not_read(folder, tmp_path, suffix):
    keep()
    [file] = [file for file in kept(folder) if file.suffix == suffix]
    file.write_bytes(pickle.dumps(Evil(tmp_path / "mark")))
    file.chmod(0o666)
    assert keep() == 0
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("fault", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"x" * 99])
def test_what_is_damaged_is_compiled_anew(folder, suffix, fault):
    keep()
    for file in kept(folder):
        if file.suffix == suffix:
            file.write_bytes(fault(file.read_bytes()))
    assert keep() == 0


def test_a_full_disk_stops_nothing(folder, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert keep() == 0
    assert not kept(folder)


def test_without_a_folder_of_the_user_there_is_an_error_of_one_kind(folder, monkeypatch):
    folder.chmod(0o777)
    monkeypatch.setattr("numba.core.caching.UserWideCacheLocator.from_function", lambda *arguments: None)
    with pytest.raises(RuntimeError, match="others can write"):
        Kept(keep, "stamp")


SWITCHED_OFF = """
import lmdata
from lmdata.errors import BackendUnavailable
run = {"steps": 3, "backend": "numpy:canonical"}
ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), **run)
print(ds.attrs["digest"])
for act in (
    lambda: lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), steps=3, backend="numpy:fused"),
    lambda: lmdata.hull_volume(ds),
):
    try:
        act()
    except BackendUnavailable as error:
        print("NUMBA_DISABLE_JIT" in str(error) and "unset it" in str(error))
"""


@pytest.mark.long
def test_where_numba_is_switched_off_it_works_or_says_what_it_needs():
    import lmdata

    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", SWITCHED_OFF], env=environment, capture_output=True, text=True)
    expected = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), steps=3)
    assert done.stdout.split() == [expected.attrs["digest"], "True", "True"], done.stderr
