"""Forks that are forgotten, overlap, come twice or do more than they may: none of it gets into the store."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from lmdata.data.opening import open_dataset
from lmdata.data.registry import COMPLETE
from lmdata.data.store.forks import ForkWriter
from lmdata.data.store.storage import Place
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, InvalidInput, StoreError

pytestmark = pytest.mark.usefixtures("small_blocks")


@pytest.fixture
def made(example):
    return example()


@pytest.fixture
def digest(made, tmp_path):
    """The digest of the dataset that one writer makes."""
    return open_dataset(made.write(tmp_path / "whole")).attrs["digest"]


def sent(value):
    """Send something to another process, and back."""
    return pickle.loads(pickle.dumps(value))


def computed(made, fork):
    """Do what a worker does, and return what comes back of it."""
    writer = ForkWriter(sent(fork), made.layout)
    for block in fork.blocks:
        begun = writer.last_checkpoint(block)
        first = begun.frames if begun else 0
        writer.put(block, made.position[list(block), first:], steps_done=5, first_frame=first)
    return sent(writer.changes())


def refused(store, changes, match):
    """Check that a fork is refused and leaves nothing behind."""
    before = store.status
    with pytest.raises(StoreError, match=match):
        store.merge(changes)
    store.commit()
    np.testing.assert_array_equal(store.status, before)
    ds = open_dataset(store.location, allow_partial=True)
    assert np.isnan(ds.position.values[ds.status.values != COMPLETE]).all()


def test_forks_in_any_order_make_the_dataset_of_one_writer(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        forks = [store.fork(store.pending()[i : i + 2]) for i in range(0, len(store.pending()), 2)]
        for fork in reversed(forks):
            store.merge(computed(made, fork))
            store.commit()
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_a_fork_that_is_forgotten_is_named_and_its_members_are_absent(tmp_path, made, digest):
    store = RunStore.create(tmp_path / "run", made.layout)
    first, *others = [store.fork([block]) for block in store.pending()]
    computed(made, first)
    for fork in others:
        store.merge(computed(made, fork))
    with pytest.raises(StoreError, match=r"1 fork of .* never merged"):
        store.close()
    absent = open_dataset(tmp_path / "run", allow_partial=True).status.values.ravel() != COMPLETE
    assert tuple(np.flatnonzero(absent)) == first.blocks[0]
    with RunStore.append_to(tmp_path / "run") as store:
        made.finish(store)
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_a_fork_that_is_withdrawn_is_given_out_again(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        lost = store.fork(store.pending())
        store.withdraw(lost)
        late = computed(made, lost)
        store.merge(computed(made, store.fork(store.pending())))
        refused(store, late, "is not out")
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_a_report_without_its_chunks_is_refused(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fork, empty = (store.fork([block]) for block in store.pending()[:2])
        changes = computed(made, fork)
        refused(store, replace(changes, session=sent(empty.session)), "has not written")
        store.withdraw(empty)


def test_a_report_without_its_earlier_chunks_is_refused(tmp_path, example):
    made = example(chunk=(1, 1, 2))
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fork = store.fork(store.pending()[:1])
        [block] = fork.blocks
        writer = ForkWriter(sent(fork), made.layout)
        with pytest.raises(CorruptDataset, match="missing"):
            writer.put(block, made.position[list(block), 4:], steps_done=5, first_frame=4)
        changes = computed(made, fork)
        [(member, outcome)] = changes.outcomes.items()
        session = sent(fork.session)
        group = zarr.open_group(session.store, mode="r+")
        group["position"][(*made.layout.index(member), slice(4, 6))] = made.position[member, 4:]
        late = replace(changes, session=session, outcomes={member: replace(outcome, first=4)})
        refused(store, late, "has not written")


def test_a_report_that_ends_too_early_is_refused(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        changes = computed(made, store.fork(store.pending()[:1]))
        short = {member: replace(outcome, frames=3) for member, outcome in changes.outcomes.items()}
        refused(store, replace(changes, outcomes=short), "before its last frame")


def test_a_report_of_members_of_another_fork_is_refused(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        changes = computed(made, store.fork(store.pending()[:1]))
        moved = {member + 6: outcome for member, outcome in changes.outcomes.items()}
        refused(store, replace(changes, outcomes=moved), "which is not its own")


def test_blocks_that_are_out_are_not_given_out_again(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        block = store.pending()[0]
        with pytest.raises(StoreError, match="twice in this one"):
            store.fork([block, block])
        fork = store.fork([block[:1]])
        with pytest.raises(StoreError, match="in another fork"):
            store.fork([block[1:]])  # other members, but the same chunk
        store.merge(computed(made, fork))
        with pytest.raises(InvalidInput, match="are finished"):
            store.fork([block])


def test_a_fork_that_overlaps_another_is_refused(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        mine, other = (store.fork([block]) for block in store.pending()[:2])
        changes = computed(made, mine)
        zarr.open_group(changes.session.store, mode="r+")["position"][made.layout.window(other.blocks[0])] = 0.0
        refused(store, changes, "has written .* which is not its own")
        store.merge(computed(made, other))
    done = open_dataset(tmp_path / "run", allow_partial=True)
    rows = list(other.blocks[0])
    np.testing.assert_array_equal(done.position.values.reshape(made.position.shape)[rows], made.position[rows])


@pytest.mark.parametrize("what", ["status", "array", "attribute", "deletion"])
def test_a_fork_that_writes_more_than_frames_is_refused(tmp_path, made, what):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        changes = computed(made, store.fork(store.pending()[:1]))
        group = zarr.open_group(changes.session.store, mode="r+")
        if what == "status":
            group["status"][...] = COMPLETE
        elif what == "array":
            group.create_array("more", shape=(1,), dtype="f8")
        elif what == "attribute":
            group.attrs["recipe_id"] = "another"
        else:
            del group["digest"]
        refused(store, changes, "not its own|more than frames")


def test_a_fork_is_merged_once(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        changes = computed(made, store.fork(store.pending()[:1]))
        store.merge(changes)
        with pytest.raises(StoreError, match="was merged before"):
            store.merge(changes)


def test_a_task_that_runs_twice_does_no_harm(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fork = store.fork(store.pending())
        lost, kept = computed(made, fork), computed(made, fork)
        store.merge(kept)
        with pytest.raises(StoreError, match="was merged before"):
            store.merge(lost)
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_checkpoints_pass_from_fork_to_fork_by_the_coordinator(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for block in store.pending():
            fork = store.fork([block])
            writer = ForkWriter(sent(fork), made.layout)
            rows = list(block)
            writer.checkpoint(
                block, step=2, state=made.position[rows, 2], position=made.position[rows, :3], first_frame=0
            )
            store.merge(sent(writer.changes()))
            begun = store.last_checkpoint(block)
            assert (begun.step, begun.frames) == (2, 3)
            np.testing.assert_array_equal(begun.state, made.position[rows, 2])
            again = store.fork([block])
            assert ForkWriter(sent(again), made.layout).last_checkpoint(block).frames == 3
            store.merge(computed(made, again))
            assert store.last_checkpoint(block) is None
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_members_that_fail_are_marked_with_the_reason(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fork = store.fork(store.pending()[:1])
        writer = ForkWriter(sent(fork), made.layout)
        *well, bad = fork.blocks[0]
        writer.put(well, made.position[well], steps_done=5)
        writer.fail([bad], "too large" + "!" * 1000, steps_done=3)
        store.merge(sent(writer.changes()))
    report = verify(tmp_path / "run")
    assert [problem.message for problem in report.problems if problem.kind == "failed"] == ["too large" + "!" * 491]
    assert report.complete == len(well)


def test_members_beside_finished_ones_leave_them_as_they_are(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for block in store.pending():
            made.put(store, block[:1])
        store.commit()
        fork = store.fork(store.pending())
        assert fork.complete == tuple(block[0] for block in made.layout.blocks())
        store.merge(computed(made, fork))
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_members_beside_ones_that_are_not_committed_yet_leave_them_as_they_are(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        for block in store.pending():
            made.put(store, block[:1])
            store.merge(computed(made, store.fork([block[1:]])))
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_members_whose_chunk_is_out_in_a_fork_are_not_changed_until_it_is_back(tmp_path, made, digest):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        first, *others = store.pending()
        beside, rows = first[:1], list(first[:1])
        frames = {"position": made.position[rows, :3], "first_frame": 0}
        fork = store.fork([first[1:]])
        for change in (
            lambda: made.put(store, beside),
            lambda: store.checkpoint(beside, step=2, state=made.position[rows, 2], **frames),
            lambda: store.fail([*others[0], *beside], "too large"),
            lambda: store.reset(beside),
        ):
            with pytest.raises(StoreError, match=r"member 0 of .* shares its chunk with a fork that is out"):
                change()
        assert not store.status.any()
        store.merge(computed(made, fork))
        made.finish(store)
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def snapshots(store):
    """Return how many commits are left."""
    return len(list(Path(store.location, "snapshots").iterdir()))


@pytest.mark.parametrize("early", [1, 3])
def test_what_forks_read_and_write_outlives_a_tidying_writer(tmp_path, made, monkeypatch, digest, early):
    monkeypatch.setattr("lmdata.data.store.maintenance.KEPT_COMMITS", 1)
    monkeypatch.setattr("lmdata.data.store.maintenance.KEPT_BYTES", 0)
    with RunStore.create(tmp_path / "run", made.layout) as store:
        first, *others = store.pending()
        state, position = made.position[list(first), 2], made.position[list(first), :3]
        store.checkpoint(first, step=2, state=state, position=position, first_frame=0)
        forks = [store.fork([block]) for block in (first, *others[:early])]
        written = [computed(made, fork) for fork in forks[1:]]
        before = snapshots(store)
        for block in others[early:]:
            made.put(store, block)
            store.commit()
        assert snapshots(store) > before
        written.append(computed(made, forks[0]))  # reads what stood there when it was given
        for changes in written:
            store.merge(changes)
            store.commit()
    assert snapshots(store) <= 3
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def two_writers(made, place):
    """Open two writers without a lock, as in a bucket."""
    made.write(place, leave=made.layout.size)
    return (RunStore(Place.of(place), None, durable=False) for _ in range(2))


def test_forks_are_merged_again_where_somebody_else_commits_first(tmp_path, made, digest):
    mine, theirs = two_writers(made, tmp_path / "run")
    half = len(mine.pending()) // 2
    mine.merge(computed(made, mine.fork(mine.pending()[:half])))
    for block in theirs.pending()[half:]:
        made.put(theirs, block)
    theirs.close()
    mine.close()
    assert verify(tmp_path / "run").ok
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_a_fork_is_dropped_where_somebody_else_has_finished_a_member_beside_its_own(tmp_path, made, digest):
    mine, theirs = two_writers(made, tmp_path / "run")
    first, second = mine.pending()[:2]
    forks = [mine.fork([block[1:]]) for block in (first, second)]
    for fork in forks:
        mine.merge(computed(made, fork))
    made.put(theirs, first[:1])
    theirs.close()
    mine.close()
    assert {problem.kind for problem in verify(tmp_path / "run").problems} == {"missing"}
    with RunStore.append_to(tmp_path / "run") as store:
        assert store.pending()[:2] == [first[1:], second[:1]]
        made.finish(store)
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest


def test_a_store_is_not_extended_while_forks_are_out(tmp_path, made):
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fork = store.fork(store.pending()[:1])
        with pytest.raises(StoreError, match=r"1 fork of .*run still out"):
            store.extend(replace(made.layout, seeds=(*made.layout.seeds, 99)))
        store.withdraw(fork)


def test_a_fork_is_dropped_where_somebody_else_has_finished_one_of_its_members(tmp_path, made, digest):
    mine, theirs = two_writers(made, tmp_path / "run")
    block = mine.pending()[0]
    fork = mine.fork([block])
    writer = ForkWriter(sent(fork), made.layout)
    rows = list(block)
    writer.checkpoint(block, step=2, state=made.position[rows, 2], position=made.position[rows, :3], first_frame=0)
    mine.merge(sent(writer.changes()))
    made.put(theirs, block[:1])
    theirs.close()
    mine.close()
    assert {problem.kind for problem in verify(tmp_path / "run").problems} == {"missing"}
    with RunStore.append_to(tmp_path / "run") as store:
        assert store.pending()[0] == block[1:]
        made.finish(store)
    assert open_dataset(tmp_path / "run").attrs["digest"] == digest
