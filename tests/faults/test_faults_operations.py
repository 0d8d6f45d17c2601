"""The N-th operation on the store fails, for every N, once or from then on; a disk fills up, and has room again."""

import itertools
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace

import icechunk
import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import LmdataError, MachineFailed, StoreError


class Faults:
    """Counts the operations that write, and fails the N-th, or every one from the N-th on."""

    def __init__(self, monkeypatch):
        self.count, self.at, self.persistent = 0, 0, False
        for owner, name in [
            (icechunk.IcechunkStore, "set"),
            (icechunk.IcechunkStore, "delete"),
            (icechunk.IcechunkStore, "delete_dir"),
            (icechunk.Session, "commit"),
            (icechunk.Repository, "writable_session"),
        ]:
            monkeypatch.setattr(owner, name, self.failing(getattr(owner, name)))

    def failing(self, operation):
        def run(*args, **kwargs):
            self.count += 1
            if self.count == self.at or (self.persistent and self.at and self.count > self.at):
                raise OSError(5, "Input/output error")
            return operation(*args, **kwargs)

        return run

    def arm(self, at, *, persistent):
        self.count, self.at, self.persistent = 0, at, persistent


def attempt(made, place):
    """Write or resume a store, as a run does: with a checkpoint in the first block and a failure in the last."""
    with RunStore.append_to(place) if place.exists() else RunStore.create(place, made.layout) as store:
        blocks = store.pending()
        for block in blocks[:1]:
            if store.last_checkpoint(block) is None:
                rows = list(block)
                store.checkpoint(
                    block, step=2, state=made.position[rows, 2], position=made.position[rows, :3], first_frame=0
                )
                store.commit()
        for block in blocks:
            begun = store.last_checkpoint(block)
            first = begun.frames if begun else 0
            store.put(block, made.position[list(block), first:], steps_done=5, first_frame=first)
            store.commit()


@pytest.mark.parametrize("persistent", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize("stride", [31, pytest.param(1, marks=pytest.mark.long)])
def test_every_operation_fails_once(tmp_path, example, small_blocks, monkeypatch, persistent, stride):
    made = example()
    faults = Faults(monkeypatch)
    attempt(made, tmp_path / "whole")
    digest, operations = open_dataset(tmp_path / "whole").attrs["digest"], faults.count
    assert operations > 50
    for at in range(1, operations + 1, stride):
        place = tmp_path / f"{at}"
        faults.arm(at, persistent=persistent)
        with pytest.raises((StoreError, OSError)):
            attempt(made, place)
        faults.arm(0, persistent=False)
        if place.exists():
            assert {problem.kind for problem in verify(place).problems} <= {"missing"}
        attempt(made, place)
        assert verify(place).ok
        assert open_dataset(place).attrs["digest"] == digest


@pytest.mark.parametrize("persistent", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize("stride", [13, pytest.param(1, marks=pytest.mark.long)])
def test_a_store_that_could_not_be_extended_is_as_it_was(
    tmp_path, example, small_blocks, monkeypatch, persistent, stride
):
    made = example()
    wide = example(seeds=(0, 1, 5, 7, 9, 11), attrs={"recipe_id": "w" * 64})
    wide.grid[:, :4] = made.grid
    digest = open_dataset(made.write(tmp_path / "whole")).attrs["digest"]
    wider = open_dataset(wide.write(tmp_path / "wide")).attrs["digest"]
    faults = Faults(monkeypatch)
    begun, late = made.write(tmp_path / "begun", leave=3), 0
    for at in itertools.count(1, stride):
        place = tmp_path / f"{at}"
        shutil.copytree(begun, place)
        faults.arm(0, persistent=False)
        with suppress(StoreError, OSError), RunStore.append_to(place) as store:
            made.put(store, store.pending()[0][:1])
            store.commit()
            faults.arm(at, persistent=persistent)
            store.extend(wide.layout)
        done = faults.count < at
        faults.arm(0, persistent=False)
        found = open_dataset(place, allow_partial=True)
        assert (found.sizes["seed"], int((found.status == 1).sum())) in ((4, 10), (6, 10))
        wide_now = found.sizes["seed"] == 6
        late += wide_now and not done  # what failed came after the commit
        if not wide_now:
            assert not done
            with RunStore.append_to(place) as store:
                assert store.layout.digest == made.layout.digest
                made.finish(store)
            assert open_dataset(place).attrs["digest"] == digest
        with RunStore.append_to(place) as store:
            if not wide_now:
                store.extend(wide.layout)
            wide.finish(store)
        assert open_dataset(place).attrs["digest"] == wider
        assert verify(place).ok
        shutil.rmtree(place)
        if done:
            break
    assert at > 15
    assert late <= 2


def test_a_writer_that_could_not_extend_its_store_goes_on(tmp_path, example, small_blocks, monkeypatch):
    made = example()
    wide = replace(made.layout, seeds=(*made.layout.seeds, 9))
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, store.pending()[0])
        with monkeypatch.context() as patch:
            Faults(patch).arm(12, persistent=False)
            with pytest.raises(StoreError, match="cannot write"):
                store.extend(wide)
        assert store.layout.digest == made.layout.digest
        made.finish(store)
        store.commit()
        assert verify(tmp_path / "run").ok
        store.extend(wide)
        assert len(store.pending()) > 0
    assert open_dataset(tmp_path / "run", allow_partial=True).sizes["seed"] == 5


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk, leave):
    """Fill a disk up but for a few kilobytes."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb", buffering=0) as file:
        for _ in range(free.f_bavail * free.f_bsize // 1024 - leave):
            file.write(b"x" * 1024)
    return ballast


def write_until_full(made, place):
    """Write the members of a store again and again: each time leaves something behind."""
    for _ in range(20):
        attempt(made, place)
        with RunStore.append_to(place) as store:
            store.reset(range(made.layout.size))


def test_repair_on_a_full_disk_loses_nothing(small_disk, example, small_blocks):
    made = example()
    place = made.write(small_disk / "run")
    (place / "repo").write_bytes((place / "repo").read_bytes()[:60])
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file() and file.name != "writer.lock"}
    ballast = fill(small_disk, 0)
    with pytest.raises(MachineFailed, match="No space left"):
        repair_store(place)
    for file, data in before.items():
        assert file.read_bytes() == data
    ballast.unlink()
    repair_store(place)
    with RunStore.append_to(place) as store:
        made.finish(store)
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


@pytest.mark.parametrize("leave", [8, 64, *(pytest.param(pages, marks=pytest.mark.long) for pages in (0, 24, 128))])
def test_disk_fills_up_and_has_room_again(small_disk, example, small_blocks, leave):
    made = example(seeds=tuple(range(10)))
    place = small_disk / "run"
    with RunStore.create(place, made.layout) as store:
        made.put(store, store.pending()[0])
    acknowledged = open_dataset(place, allow_partial=True).status.values.sum()
    ballast = fill(small_disk, leave)
    with pytest.raises(LmdataError, match="cannot write"):
        write_until_full(made, place)
    ballast.unlink()
    ds = open_dataset(place, allow_partial=True)
    assert ds.status.values.sum() >= (acknowledged if leave == 0 else 0)
    assert {problem.kind for problem in verify(place).problems} <= {"missing"}
    attempt(made, place)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)
