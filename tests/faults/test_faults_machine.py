"""A run store against a plain dictionary, under random sequences of everything that happens to one."""

import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lmdata.data import layout as layout_module
from lmdata.data.layout import Layout
from lmdata.data.opening import open_dataset
from lmdata.data.store.maintenance import collect_garbage
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import IncompleteDataset, RecipeMismatch, StoreLocked


class StoreMachine(RuleBasedStateMachine):
    """The model: which members are committed, failed, begun; and what a reader of a while ago still sees."""

    @initialize(block=st.sampled_from([100, 300, 10_000]), chunk=st.sampled_from([100, 10_000]))
    def create(self, block, chunk):
        self.folder = Path(tempfile.mkdtemp())
        self.place = self.folder / "run"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(layout_module, "BLOCK_BYTES", block)
            patch.setattr(layout_module, "CHUNK_BYTES", chunk)
            layout = Layout(
                swept={"a": (1.0, 2.0)}, seeds=(0, 1), time=np.arange(4), time_unit="step", labels=None,
                tokens=2, components=2,
            )  # fmt: skip
        self.store = RunStore.create(self.place, layout)
        self.committed, self.pending, self.readers = {}, {}, []

    @property
    def layout(self):
        return self.store.layout

    def frames(self, member):
        """What a member has to be: it depends on its own coordinates alone."""
        at = self.layout.coordinates(member)
        return np.random.default_rng([int(at["a"] * 10), at["seed"]]).normal(size=(4, 2, 2))

    def free(self):
        """Members that are not complete, by block."""
        return self.store.pending()

    @precondition(lambda self: self.store.pending())
    @rule(data=st.data())
    def put(self, data):
        block = data.draw(st.sampled_from(self.free()))
        members = data.draw(st.lists(st.sampled_from(block), min_size=1, unique=True))
        begun = self.store.last_checkpoint(members)
        first = begun.frames if begun else 0
        if begun:
            for row, member in enumerate(members):
                np.testing.assert_array_equal(begun.state[row], self.frames(member)[begun.step])
        position = np.stack([self.frames(member)[first:] for member in members])
        self.store.put(members, position, steps_done=3, first_frame=first)
        self.pending.update(dict.fromkeys((self.layout.key(member) for member in members), "complete"))

    @precondition(lambda self: self.store.pending())
    @rule(data=st.data(), frames=st.integers(1, 3))
    def checkpoint(self, data, frames):
        block = data.draw(st.sampled_from(self.free()))
        position = np.stack([self.frames(member)[:frames] for member in block])
        self.store.checkpoint(block, step=frames - 1, state=position[:, -1], position=position, first_frame=0)
        self.pending.update(dict.fromkeys((self.layout.key(member) for member in block), "absent"))

    @precondition(lambda self: self.store.pending())
    @rule(data=st.data())
    def fail(self, data):
        member = data.draw(st.sampled_from(data.draw(st.sampled_from(self.free()))))
        self.store.fail([member], "overflow")
        self.pending[self.layout.key(member)] = "failed"

    @rule()
    def commit(self):
        self.store.commit()
        self.committed.update(self.pending)
        self.pending.clear()

    @rule()
    def close_and_resume(self):
        self.store.close()
        self.committed.update(self.pending)
        self.pending.clear()
        self.store = RunStore.append_to(self.place)

    @rule()
    def kill_and_resume(self):
        """Lose what is not committed, as a kill does, but for what `put` has committed by itself."""
        self.store._lock.release()
        self.pending.clear()
        self.store = RunStore.append_to(self.place)
        ds = open_dataset(self.place, allow_partial=True)
        names = {0: "absent", 1: "complete", 2: "failed"}
        for member, status in enumerate(ds.status.values.ravel()):
            known = self.committed.get(self.layout.key(member), "absent")
            assert names[int(status)] == known or known != "complete"
            self.committed[self.layout.key(member)] = names[int(status)]

    @rule()
    def second_writer(self):
        with pytest.raises(StoreLocked):
            RunStore.append_to(self.place)

    @precondition(lambda self: self.layout.size < 12)
    @rule(seed=st.booleans())
    def extend(self, seed):
        seeds, swept = self.layout.seeds, self.layout.swept
        wider = {"seeds": (*seeds, max(seeds) + 1)} if seed else {"swept": {"a": (*swept["a"], swept["a"][-1] + 1)}}
        self.store.extend(replace(self.layout, **wider))
        self.committed.update(self.pending)
        self.pending.clear()
        with pytest.raises(RecipeMismatch):
            self.store.extend(replace(self.layout, seeds=seeds[:1]))

    @rule()
    def collect(self):
        self.store.close()
        self.committed.update(self.pending)
        self.pending.clear()
        self.readers.clear()  # they are older than what is kept
        collect_garbage(self.place, keep=timedelta(0))
        self.store = RunStore.append_to(self.place)

    @precondition(lambda self: len(self.readers) < 3)
    @rule()
    def read(self):
        ds = open_dataset(self.place, allow_partial=True)
        self.readers.append((ds, ds.position.values))

    @rule()
    def check_numbers(self):
        report = verify(self.place)
        assert {problem.kind for problem in report.problems} <= {"missing", "failed"}

    @invariant()
    def every_number_is_as_it_has_to_be(self):
        if not hasattr(self, "store"):
            return
        ds = open_dataset(self.place, allow_partial=True)
        status, position = ds.status.values.ravel(), ds.position.values.reshape(-1, 4, 2, 2)
        for member in range(self.layout.size):
            known = self.committed.get(self.layout.key(member), "absent")
            if known == "complete":
                assert status[member] == 1
            if status[member] == 1:
                np.testing.assert_array_equal(position[member], self.frames(member))
            else:
                assert np.isnan(position[member]).all()
        if (status == 1).all():
            assert len(open_dataset(self.place).attrs["digest"]) == 64
        else:
            with pytest.raises(IncompleteDataset):
                open_dataset(self.place)

    @invariant()
    def readers_see_what_they_saw(self):
        for ds, seen in getattr(self, "readers", []):
            np.testing.assert_array_equal(ds.position.values, seen)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


class TestShort(StoreMachine.TestCase):
    settings = settings(max_examples=2, stateful_step_count=10, deadline=None, derandomize=True)


@pytest.mark.long
class TestLong(StoreMachine.TestCase):
    settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)
