"""Memory takes what a store takes, and becomes the same dataset."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.runs.memory import Memory, in_memory

from ..data.conftest import Example


@pytest.fixture(params=["float64", "float32"])
def made(request):
    return Example(dtype=request.param, diagnostics=("ambiguous_ties",))


def fill(made, sink):
    """Members 0 and 1 finish, 2 fails after a checkpoint, 3 stands at one; the others are absent."""
    some = {"ambiguous_ties": made.marks["ambiguous_ties"][[2, 3], :4]}
    state = made.position[[2, 3], 3].astype(np.float64)
    sink.checkpoint([2, 3], step=3, state=state, position=made.position[[2, 3], :4], first_frame=0, diagnostics=some)
    made.put(sink, [0, 1])
    sink.fail([2], "it overflows", steps_done=3)


def test_what_memory_takes_is_what_a_store_shows(tmp_path, made):
    memory = Memory(made.layout)
    fill(made, memory)
    with RunStore.create(tmp_path / "run", made.layout) as store:
        fill(made, store)
    kept, ds = open_dataset(tmp_path / "run", allow_partial=True).compute(), memory.dataset()
    assert ds.status.values.ravel()[:4].tolist() == [1, 1, 2, 0]
    finished_or_failed = {"influence": 0, "seed": slice(0, 3)}  # of a member that goes on, memory has the frames so far
    xr.testing.assert_identical(
        ds.isel(finished_or_failed).drop_attrs(deep=False), kept.isel(finished_or_failed).drop_attrs(deep=False)
    )
    assert np.isnan(ds.position[0, 2]).all()
    assert (ds.ambiguous_ties[0, 2] == -1).all()


def test_a_whole_run_has_the_digest_of_a_store(tmp_path, made):
    def compute(blocks, sink):
        for block in blocks:
            made.put(sink, block)

    ds = in_memory(made.layout, compute)
    kept = open_dataset(made.write(tmp_path / "run"))
    assert ds.attrs["digest"] == kept.attrs["digest"]
    xr.testing.assert_identical(ds.drop_attrs(deep=False), kept.compute().drop_attrs(deep=False))
