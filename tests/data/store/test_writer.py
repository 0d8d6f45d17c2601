import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest

from lmdata.data.digest import dataset_digest
from lmdata.data.opening import open_dataset
from lmdata.data.store import writer as module
from lmdata.data.store.writer import RunStore
from lmdata.errors import IncompleteDataset, InvalidInput, RecipeMismatch, StoreError, StoreExists, StoreLocked


def test_what_is_put_is_what_is_opened(tmp_path, example, small_blocks):
    made = example(labels=("a", "b", "c", "é"), diagnostics=("ambiguous_ties",))
    ds = open_dataset(made.write(tmp_path / "run"))
    np.testing.assert_array_equal(ds.position, made.grid)
    np.testing.assert_array_equal(ds.ambiguous_ties, made.marks["ambiguous_ties"].reshape(3, 4, 6))
    assert (ds.status == 1).all()
    assert (ds.steps_done == 5).all()
    assert ds.token.values.tolist() == ["a", "b", "c", "é"]
    assert ds.influence.dtype == np.float64
    assert ds.attrs["created"] == made.layout.attrs["created"]


def test_digests_are_those_of_the_contract(tmp_path, example):
    made = example()
    ds = open_dataset(made.write(tmp_path / "run"))
    for member in range(12):
        key = made.layout.key(member).encode()
        expected = hashlib.sha256(key + b"\0" + made.position[member].tobytes()).hexdigest()
        assert ds.digest.values.ravel()[member] == expected
    assert ds.attrs["digest"] == dataset_digest("r" * 64, ds.digest.values.ravel().tolist())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("swept", [{}, {"a": (1.0,), "b": (0.1, -0.0, 3e-300)}])
def test_layout_survives_exactly(tmp_path, example, dtype, swept):
    made = example(dtype=dtype, swept=swept, time=np.array([0.0, 0.1, 1e-17, 4, 5, 6]), time_unit="1")
    with RunStore.create(tmp_path / "run", made.layout, initial=np.ones((4, 4, 2))) as store:
        assert store.layout.swept == swept
        assert store.layout.seeds == (0, 1, 5, 7)
        assert store.layout.time.tobytes() == made.layout.time.tobytes()
        assert store.layout.time_unit == "1"
        assert store.layout.attrs == made.layout.attrs
        made.finish(store)
    ds = open_dataset(tmp_path / "run")
    assert ds.position.dtype == dtype
    np.testing.assert_array_equal(ds.position, made.grid)
    with RunStore.append_to(tmp_path / "run") as store:
        assert store.initial.tolist() == np.ones((4, 4, 2)).tolist()
        assert store.pending() == []


def test_resumed_run_equals_an_uninterrupted_one(tmp_path, example, small_blocks):
    made = example()
    whole = open_dataset(made.write(tmp_path / "whole"))
    made.write(tmp_path / "run", leave=7)
    with RunStore.append_to(tmp_path / "run") as store:
        assert sum(map(len, store.pending())) == 7
        made.finish(store)
    resumed = open_dataset(tmp_path / "run")
    assert resumed.attrs["digest"] == whole.attrs["digest"]
    assert resumed.drop_attrs().identical(whole.drop_attrs())


def test_members_of_a_chunk_may_come_one_by_one_and_in_any_order(tmp_path, example):
    made = example(diagnostics=("ambiguous_ties",))
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for member in np.random.default_rng(0).permutation(12).tolist():
            made.put(store, [member])
    np.testing.assert_array_equal(open_dataset(tmp_path / "run").position, made.grid)
    with RunStore.create(tmp_path / "reversed", made.layout) as store:
        made.put(store, list(range(12))[::-1])
    np.testing.assert_array_equal(open_dataset(tmp_path / "reversed").position, made.grid)


def test_finished_members_are_never_written_again(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, [3])
        with pytest.raises(InvalidInput, match=r"\(3,\) are finished"):
            made.put(store, [2, 3])
        assert store.status.sum() == 1


@pytest.mark.parametrize(
    ("members", "shape", "message"),
    [
        ([0], (1, 6, 4, 3), "position has shape"),
        ([0], (6, 4, 2), "position has shape"),
        ([0], (1, 5, 4, 2), "ends before the last of 6 frames"),
        ([0, 0], (2, 6, 4, 2), "none of them twice"),
        ([], (0, 6, 4, 2), "at least one"),
        ([12], (1, 6, 4, 2), "go from 0 to 11"),
        ([-1], (1, 6, 4, 2), "go from 0 to 11"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, example, members, shape, message):
    with RunStore.create(tmp_path / "run", example().layout) as store:
        with pytest.raises(InvalidInput, match=message):
            store.put(members, np.zeros(shape), steps_done=5)
        assert store.status.sum() == 0


def test_positions_that_are_not_finite_and_unknown_diagnostics_are_refused(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.position[4, 3, 2, 1] = np.inf
        with pytest.raises(InvalidInput, match="not finite"):
            made.put(store, [4])
        with pytest.raises(InvalidInput, match="declared are"):
            store.put([0], made.position[:1], steps_done=5, diagnostics={"ambiguous_ties": np.zeros((1, 6))})


def test_failed_members_have_a_reason_and_are_tried_again(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, range(10))
        store.fail([10, 11], "overflow", steps_done=3)
    with pytest.raises(IncompleteDataset, match=r"of 12 members 0 are missing and 2 failed.*lmdata\.resume"):
        open_dataset(tmp_path / "run")
    partial = open_dataset(tmp_path / "run", allow_partial=True)
    assert partial.status.values.ravel().tolist() == [1] * 10 + [2, 2]
    assert partial.steps_done.values.ravel().tolist() == [5] * 10 + [3, 3]
    assert '"overflow"' in partial.attrs["failures"]
    assert "digest" not in partial.attrs
    with RunStore.append_to(tmp_path / "run") as store:
        assert store.pending() == [(10, 11)]
        made.finish(store)
    ds = open_dataset(tmp_path / "run")
    np.testing.assert_array_equal(ds.position, made.grid)
    assert "failures" not in ds.attrs


def test_an_existing_place_is_left_as_it_is(tmp_path, example):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "link"):
        with pytest.raises(StoreExists, match="already something"):
            RunStore.create(tmp_path / name, example().layout)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]


def test_no_store_is_made_inside_another_dataset(tmp_path, example):
    made = example()
    made.write(tmp_path / "run")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "zarr.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for folder, name in (("run", "run/sub"), ("run", "run/sub/deeper"), ("run", "link/sub"), ("plain", "plain/sub")):
        with pytest.raises(StoreError, match=f"{name} is inside the dataset at .*/{folder}; choose a place"):
            RunStore.create(tmp_path / name, made.layout)
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["zarr.json"]
    assert not list((tmp_path / "run").glob("*sub*"))
    (tmp_path / "repo").write_text("of something else")
    made.write(tmp_path / "beside")


def test_what_is_no_store_is_not_resumed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no dataset at"):
        RunStore.append_to(tmp_path / "absent")
    with pytest.raises(StoreError, match="no run store of lmdata"):
        RunStore.append_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_second_writer_is_refused_and_names_the_first(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
            RunStore.append_to(tmp_path / "run")
        made.finish(store)
    RunStore.append_to(tmp_path / "run").close()


def test_interrupted_creation_leaves_nothing(tmp_path, example, monkeypatch):
    made = example()
    with monkeypatch.context() as patch:
        patch.setattr("lmdata.data.store.creation.move", lambda whole, target: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            RunStore.create(tmp_path / "run", made.layout)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        open_dataset(tmp_path / "run")
    made.write(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["a b", "Zustände-数据", "x" * 200, "%41#?&;'\"", "-rf"])
def test_names_of_folders(tmp_path, example, name):
    made = example()
    np.testing.assert_array_equal(open_dataset(made.write(tmp_path / name)).position, made.grid)


def test_exception_keeps_finished_members_and_is_let_through(tmp_path, example, small_blocks):
    made = example()

    def interrupted():
        with RunStore.create(tmp_path / "run", made.layout) as store:
            made.put(store, store.pending()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    ds = open_dataset(tmp_path / "run", allow_partial=True)
    assert ds.status.values.sum() == len(next(made.layout.blocks()))


def test_commits_come_about_once_a_second_and_with_each_long_block(tmp_path, example, small_blocks, monkeypatch):
    made, now = example(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def visible():
        return int(open_dataset(tmp_path / "run", allow_partial=True).status.values.sum())

    with RunStore.create(tmp_path / "run", made.layout) as store:
        blocks = store.pending()
        assert len(blocks) > 3
        for i, block in enumerate(blocks[:3]):
            now[0] += 0.4
            made.put(store, block)
            assert visible() == (0 if i < 2 else sum(map(len, blocks[:3])))
        now[0] += 5.0
        made.put(store, blocks[3])
        assert visible() == sum(map(len, blocks[:4]))


def test_commits_take_at_most_a_twentieth_of_the_time(tmp_path, example, small_blocks, monkeypatch):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        store._commit_seconds = 10.0
        store._last_commit -= 199.0
        made.put(store, store.pending()[0])
        assert open_dataset(tmp_path / "run", allow_partial=True).status.values.sum() == 0
        store._last_commit -= 2.0
        made.put(store, store.pending()[0])
        assert open_dataset(tmp_path / "run", allow_partial=True).status.values.sum() > 0


def test_durable_syncs_every_file_before_a_commit_counts(tmp_path, example, small_blocks, monkeypatch):
    made, synced = example(), set()
    fsync = os.fsync

    def note(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    with RunStore.create(tmp_path / "run", made.layout, durable=True) as store:
        for block in store.pending():
            made.put(store, block)
            store.commit()
            for path in (tmp_path, *(tmp_path / "run").rglob("*")):
                assert path.stat().st_ino in synced, path


@pytest.mark.parametrize("chunking", ["small_blocks", "long_members", None])
def test_extended_store_equals_one_made_wide(tmp_path, example, request, chunking):
    if chunking:
        request.getfixturevalue(chunking)
    narrow = example()
    wide = example(swept={"influence": (0.5, 1.0, 2.0, 0.1)}, seeds=(0, 1, 5, 7, 9, 11), attrs={"recipe_id": "w" * 64})
    wide.grid[:3, :4] = narrow.grid
    narrow.write(tmp_path / "run", leave=2)
    with RunStore.append_to(tmp_path / "run") as store:
        store.checkpoint([11], step=0, state=narrow.position[11:, 0], position=narrow.position[11:, :1], first_frame=0)
        store.extend(wide.layout)
        assert sum(map(len, store.pending())) == 24 - 10
        assert store.last_checkpoint([15]).frames == 1
        wide.finish(store)
    found, expected = open_dataset(tmp_path / "run"), open_dataset(wide.write(tmp_path / "wide"))
    assert found.attrs["digest"] == expected.attrs["digest"]
    assert found.drop_attrs().identical(expected.drop_attrs())


def test_complete_store_that_is_extended_is_incomplete(tmp_path, example):
    made = example()
    made.write(tmp_path / "run")
    with RunStore.append_to(tmp_path / "run") as store:
        store.extend(replace(made.layout, seeds=(0, 1, 5, 7, 8)))
        with pytest.raises(RecipeMismatch, match="nothing else"):
            store.extend(made.layout)
        with pytest.raises(InvalidInput, match="occur twice"):
            store.extend(replace(made.layout, seeds=(0, 1, 5, 7, 8, 8)))
    with pytest.raises(IncompleteDataset, match="3 are missing"):
        open_dataset(tmp_path / "run")
    assert "digest" not in open_dataset(tmp_path / "run", allow_partial=True).attrs


def test_seeds_with_tokens_of_their_own_are_not_extended(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout, initial=np.ones((4, 4, 2))) as store:
        store.extend(replace(made.layout, swept={"influence": (0.5, 1.0, 2.0, 3.0)}))
        with pytest.raises(RecipeMismatch, match="the new seeds have none"):
            store.extend(replace(store.layout, seeds=(0, 1, 5, 7, 8)))


def test_failed_commit_can_be_tried_again(tmp_path, example, small_blocks, monkeypatch):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for block in store.pending():
            made.put(store, block)

        def full(*args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("lmdata.data.store.transaction.dataset_digest", full)
            with pytest.raises(StoreError, match=r"No space left .* make room or get access, then resume"):
                store.commit()
    np.testing.assert_array_equal(open_dataset(tmp_path / "run").position, made.grid)
