"""Whatever is recorded, however long stretches and chunks are, forks make the dataset of one process."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.data.opening import open_dataset
from lmdata.data.store.forks import ForkWriter
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.runs import runner as running
from lmdata.runs.recipe import Recipe
from lmdata.runs.simulation import _layout


def sent(value):
    """Send something to another process, and back."""
    return pickle.loads(pickle.dumps(value))


STEPS = 7


@st.composite
def records(draw):
    """Any frames that may be recorded: none but the ends, every one, every k-th, or some."""
    some = st.sets(st.integers(0, STEPS), min_size=1).map(sorted)
    return draw(st.one_of(st.just([0, STEPS]), st.just([STEPS]), st.none(), st.integers(1, STEPS), some))


ANY = given(
    record=records(),
    segment=st.integers(1, STEPS),
    chunk=st.tuples(st.integers(1, 3), st.integers(1, STEPS + 1)),
    together=st.integers(1, 3),
)
"""Frames that are recorded, steps of a stretch, members and frames of a chunk, blocks of a fork."""


@settings(max_examples=5, deadline=None, derandomize=True)
@ANY
def test_sparse_records_over_many_stretches_have_the_digests_of_one_process(record, segment, chunk, together):
    check(record, segment, chunk, together)


@pytest.mark.long
@settings(max_examples=80, deadline=None, derandomize=True)
@ANY
def test_more_sparse_records_over_many_stretches(record, segment, chunk, together):
    check(record, segment, chunk, together)


def check(record, segment, chunk, together):
    """Run a recipe through forks, a stretch at a time, and compare it with one process."""
    model, tokens = lmdata.Localmax(alignment_sensitivity=0.1), lmdata.tokens.uniform(4, 2)
    recipe = Recipe.of(model, tokens, steps=STEPS, seeds=range(3), record=record)
    runner = running.Runner.of(recipe, "numpy", None)
    expected = lmdata.simulate(model, tokens, steps=STEPS, seeds=range(3), record=record)
    layout = replace(_layout(runner), chunk=(chunk[0], min(chunk[1], len(recipe.recorded))))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        place = Path(folder) / "run"
        patch.setattr(running, "SEGMENT_SECONDS", 0)
        stretches = 0
        with RunStore.create(place, layout) as store:
            while blocks := store.pending():
                patch.setattr(running, "FIRST_SEGMENT", segment * len(blocks[0]) * 4 * 4 * 2)
                forks = [store.fork(blocks[at : at + together]) for at in range(0, len(blocks), together)]
                for fork in forks:
                    writer = ForkWriter(sent(fork), layout)
                    runner.stretch(fork.blocks, writer, seconds=0)
                    store.merge(sent(writer.changes()))
                    stretches += 1
                assert stretches <= 3 * (STEPS + 1)
        assert verify(place).ok
        assert open_dataset(place).attrs["digest"] == expected.attrs["digest"]
