import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore


def keep(store, made, members, frames, first=0):
    rows = list(members)
    marks = {name: values[rows, first:frames] for name, values in made.marks.items()}
    store.checkpoint(
        members,
        step=frames - 1,
        state=made.position[rows, frames - 1],
        position=made.position[rows, first:frames],
        first_frame=first,
        diagnostics=marks,
    )


def finish(store, made, members, first):
    rows = list(members)
    marks = {name: values[rows, first:] for name, values in made.marks.items()}
    store.put(members, made.position[rows, first:], steps_done=5, first_frame=first, diagnostics=marks)


@pytest.fixture(params=["blocks", "long_members"])
def chunking(request):
    request.getfixturevalue({"blocks": "small_blocks", "long_members": "long_members"}[request.param])


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.long)])
def test_run_goes_on_from_its_checkpoints_to_the_same_bits(tmp_path, example, chunking, dtype):
    made = example(dtype=dtype, diagnostics=("ambiguous_ties",))
    whole = open_dataset(made.write(tmp_path / "whole"))
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for block in store.pending():
            assert store.last_checkpoint(block) is None
            keep(store, made, block, 3)
    with RunStore.append_to(tmp_path / "run") as store:
        for block in store.pending():
            found = store.last_checkpoint(block)
            assert (found.step, found.frames) == (2, 3)
            assert found.state.dtype == np.float64
            np.testing.assert_array_equal(found.state, made.position[list(block), 2])
            keep(store, made, block, 4, first=3)
            assert store.last_checkpoint(block).frames == 4
    with RunStore.append_to(tmp_path / "run") as store:
        for block in store.pending():
            finish(store, made, block, 4)
            assert store.last_checkpoint(block) is None
    ds = open_dataset(tmp_path / "run")
    assert ds.attrs["digest"] == whole.attrs["digest"]
    np.testing.assert_array_equal(ds.position, whole.position)
    np.testing.assert_array_equal(ds.ambiguous_ties, whole.ambiguous_ties)


def test_unfinished_members_are_absent_with_the_steps_done(tmp_path, example, chunking):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        keep(store, made, store.pending()[0], 3)
    ds = open_dataset(tmp_path / "run", allow_partial=True)
    first = next(made.layout.blocks())
    assert ds.steps_done.values.ravel()[list(first)].tolist() == [2] * len(first)
    assert (ds.status == 0).all()
    assert np.isnan(ds.position).all()


def test_checkpoint_may_hold_no_frame(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        store.checkpoint([0], step=7, state=np.ones((1, 4, 2)), position=np.zeros((1, 0, 4, 2)), first_frame=0)
        assert store.last_checkpoint([0]).step == 7
        assert store.last_checkpoint([0]).frames == 0
        finish(store, made, [0], 0)


def test_members_at_different_steps_do_not_go_on_together(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        keep(store, made, [0, 1], 3)
        keep(store, made, [2], 4)
        assert store.last_checkpoint([0, 1]).frames == 3
        assert store.last_checkpoint([0, 1, 2]) is None
        assert store.last_checkpoint([0, 3]) is None
        assert store.last_checkpoint([]) is None


def test_failure_drops_the_checkpoint(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        keep(store, made, [0], 3)
        store.fail([0], "overflow")
        assert store.last_checkpoint([0]) is None


def test_damaged_checkpoint_is_passed_over(tmp_path, example, long_members, damage, caplog):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        keep(store, made, [0], 6)
    damage(tmp_path / "run", "position/c/0/0/1/0/0")
    with RunStore.append_to(tmp_path / "run") as store:
        assert store.last_checkpoint([0]) is None
        assert "start again" in caplog.text
        finish(store, made, [0], 0)
        made.finish(store)
    np.testing.assert_array_equal(open_dataset(tmp_path / "run").position, made.grid)
