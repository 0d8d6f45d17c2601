from datetime import timedelta

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store import writer as module
from lmdata.data.store.maintenance import KEPT_COPIES, collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, InvalidInput, StoreLocked

NOTHING = timedelta(0)


def write_one_by_one(made, place):
    with RunStore.create(place, made.layout) as store:
        for member in range(made.layout.size):
            made.put(store, [member])
            store.commit()
    return place


def size(place):
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def test_garbage_is_removed_and_nothing_else(tmp_path, example):
    made = example()
    place = write_one_by_one(made, tmp_path / "run")
    before = size(place)
    collect_garbage(place)
    assert len(list((place / "snapshots").iterdir())) == 14  # all are younger than a day
    removed = collect_garbage(place, keep=NOTHING)
    assert removed > 0
    assert size(place) < 0.7 * before
    assert len(list((place / "snapshots").iterdir())) == 2
    assert len(list((place / "overwritten").iterdir())) <= KEPT_COPIES + 2
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


def test_garbage_is_left_while_somebody_writes(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        with pytest.raises(StoreLocked):
            collect_garbage(tmp_path / "run")
        made.finish(store)


def test_reader_of_a_while_ago_is_not_disturbed_by_a_tidying_writer(tmp_path, example, monkeypatch):
    monkeypatch.setattr(module, "TIDY_COMMITS", 2)
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, [0])
        store.commit()
        early = open_dataset(tmp_path / "run", allow_partial=True)
        for member in range(1, 12):
            made.put(store, [member])
            store.commit()
    np.testing.assert_array_equal(early.position[0, 0], made.grid[0, 0])
    assert np.isnan(early.position[0, 1]).all()


def test_repair_recomputes_damaged_members_alone(tmp_path, example, small_blocks, damage):
    made = example()
    place = made.write(tmp_path / "run", leave=3)
    damage(place, "position/c/1/0/0/0/0")
    report = repair_store(place)
    assert report.damaged == list(made.layout.blocks())[2]
    with RunStore.append_to(place) as store:
        assert sorted(sum(store.pending(), ())) == sorted([*report.damaged, 9, 10, 11])
        made.finish(store)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


def test_repair_of_what_is_whole_changes_nothing(tmp_path, example):
    place = example().write(tmp_path / "run")
    before = open_dataset(place).attrs["snapshot"]
    assert repair_store(place).ok
    assert open_dataset(place).attrs["snapshot"] == before


def test_damaged_bookkeeping_goes_back_to_the_commit_before(tmp_path, example, damage):
    made = example()
    place = write_one_by_one(made, tmp_path / "run")
    damage(place, "status/c/0/0")
    with pytest.raises(CorruptDataset):
        open_dataset(place)
    repair_store(place)
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


@pytest.mark.parametrize("fault", ["delete", "empty", "half"])
@pytest.mark.parametrize("what", ["repo", "snapshots", "manifests"])
def test_lost_metadata_of_the_last_commit_costs_its_members(tmp_path, example, small_blocks, what, fault):
    made = example()
    place = write_one_by_one(made, tmp_path / "run")
    file = place / "repo" if what == "repo" else max((place / what).iterdir(), key=lambda path: path.stat().st_mtime_ns)
    data = file.read_bytes()
    file.unlink() if fault == "delete" else file.write_bytes(data[: len(data) // 2] if fault == "half" else b"")
    repair_store(place)
    with RunStore.append_to(place) as store:
        made.finish(store)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


def test_what_cannot_be_repaired_says_so(tmp_path, example, raw):
    place = example().write(tmp_path / "run")
    for path in (place / "snapshots").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CorruptDataset, match="make it again from its recipe"):
        repair_store(place)
    with pytest.raises(FileNotFoundError):
        repair_store(tmp_path / "absent")
    with pytest.raises(InvalidInput, match="bucket"):
        repair_store("s3://bucket/prefix")
