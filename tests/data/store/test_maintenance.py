from datetime import timedelta

import icechunk
import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store import maintenance as module
from lmdata.data.store.maintenance import KEPT_COPIES, collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.data.versions import migrate_store, publish_version
from lmdata.errors import CorruptDataset, InvalidInput, StoreError, StoreLocked

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


@pytest.fixture
def little_history(monkeypatch):
    """Keep three commits, however small they are."""
    monkeypatch.setattr(module, "KEPT_COMMITS", 3)


@pytest.fixture
def tidied(monkeypatch):
    """How often stores were tidied up."""
    calls = []
    monkeypatch.setattr(module, "remove", lambda *given, do=module.remove: calls.append(do(*given)) or calls[-1])
    return calls


@pytest.mark.usefixtures("little_history")
def test_reader_of_a_while_ago_has_its_commit_or_is_told_that_it_is_gone(tmp_path, example):
    made, opened = example(), []
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for member in range(12):
            made.put(store, [member])
            store.commit()
            opened.append(open_dataset(tmp_path / "run", allow_partial=True))
    gone = 0
    for count, early in enumerate(opened, 1):
        try:
            position = early.position.values.reshape(made.position.shape)
        except StoreError as error:
            told = str(error)
            gone += not isinstance(error, CorruptDataset) and "the writer has tidied up; open it again" in told
        else:
            np.testing.assert_array_equal(position[:count], made.position[:count])
            assert np.isnan(position[count:]).all()
            continue
        assert gone == count  # the earliest, and no others
    assert 3 <= gone <= 9


@pytest.mark.parametrize("lives", [4, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 40))])
def test_disk_grows_with_the_data_whoever_commits(tmp_path, example, monkeypatch, tidied, lives):
    monkeypatch.setattr(module, "KEPT_BYTES", 2**18)
    monkeypatch.setattr(module, "COMMIT_BYTES", 2**12)
    made = example(seeds=tuple(range(40)), swept={}, tokens=64)  # one chunk, which each commit writes again
    place, most, limit = tmp_path / "run", 0, 4 * made.position.nbytes + 5 * 2**18
    with RunStore.create(place, made.layout):
        pass
    for members in np.array_split(np.arange(40), lives):
        with RunStore.append_to(place) as store:
            for member in members.tolist():
                made.put(store, [member])
                store.commit()
                most = max(most, size(place))
                assert len(list((place / "overwritten").iterdir())) <= 3 * KEPT_COPIES
    assert 2 <= len(tidied) <= 10
    assert most < limit < sum(tidied)
    assert verify(place).ok
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


@pytest.mark.long
@pytest.mark.usefixtures("little_history")
def test_versions_outlive_a_tidying_writer(tmp_path, example, tidied):
    made = example()
    place = made.write(tmp_path / "run")
    for version in range(1, 6):
        publish_version(place, f"v{version}")
        with RunStore.append_to(place) as store:
            store.reset([3])
            made.put(store, [3])
    snapshots = {open_dataset(place, version=f"v{version}").attrs["snapshot"] for version in range(1, 6)}
    assert len(snapshots) == 5
    tidied.clear()
    with RunStore.append_to(place) as store:
        for _ in range(12):
            store.reset([3])
            made.put(store, [3])
            store.commit()
    assert 0 < len(tidied) <= 9  # versions that stay are no reason to tidy up after each commit
    for version in range(1, 6):
        assert verify(place, version=f"v{version}").ok
    assert verify(place).ok


def test_what_a_killed_writer_left_uncommitted_is_removed_by_the_next(tmp_path, example):
    made = example()
    place = made.write(tmp_path / "run", leave=1)
    before, opened = size(place / "chunks"), open_dataset(place, allow_partial=True)
    left = []
    for _ in range(5):  # as if it were killed: nothing is committed, and the lock not given back
        store = RunStore.append_to(place)
        made.put(store, [11])
        store._lock._close()
        left.append(size(place / "chunks"))
    assert before < left[0] == left[-1]
    staged = [place / "repo#1", place / "chunks" / "ABC#23"]  # as icechunk writes what it then renames
    for file in staged:
        file.write_bytes(b"half")
    assert "foreign" not in {problem.kind for problem in verify(place).problems}
    migrate_store(place)  # has the lock in between, and does not tidy up
    assert all(file.exists() for file in staged)
    with RunStore.append_to(place):
        assert not any(file.exists() for file in staged)
        assert size(place / "chunks") == before
    assert np.isfinite(opened.position).values.sum() == made.position[:11].size
    with RunStore.append_to(place) as store:
        made.finish(store)
    assert verify(place).ok


def test_a_store_that_cannot_be_tidied_up_is_written_on(tmp_path, example, monkeypatch, little_history, caplog):
    made, tried = example(), []

    def fail(*given, **options):
        tried.append(1)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(icechunk.Repository, "garbage_collect", fail)
    place = write_one_by_one(made, tmp_path / "run")
    assert 1 <= len(tried) < 5
    assert "could not be tidied up; nothing is lost" in caplog.text
    assert verify(place).ok


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


@pytest.mark.parametrize(
    "fault", ["half", *(pytest.param(fault, marks=pytest.mark.long) for fault in ("delete", "empty"))]
)
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
