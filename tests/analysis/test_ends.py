"""Measures that stand on limits: with certificates they take the proved ones, and say so."""

from __future__ import annotations

import warnings

import dask
import dask.array
import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.analysis.ends import warn_if_moving
from lmdata.errors import UnsettledWarning

ON_LIMITS = (lmdata.limit_polytope, lmdata.vertex_occupancy, lmdata.quiescent_sets, lmdata.limit_weights)


@pytest.fixture(scope="module")
def short():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), steps=4, seeds=range(4),
                           sweep={"alignment_sensitivity": [0.05, 0.3]})  # fmt: skip


@pytest.fixture(scope="module")
def proved(short):
    return short.merge(lmdata.certify(short))


@pytest.fixture(scope="module")
def long():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), steps=400, seeds=range(4),
                           sweep={"alignment_sensitivity": [0.05, 0.3]}, record=[0, 400])  # fmt: skip


def test_a_short_record_has_the_limits_of_a_long_one(short, proved, long):
    before, now, then = (lmdata.limit_polytope(ds) for ds in (short, proved, long))
    assert bool(now.limits_certified.all())
    assert not before.vertex_count.equals(then.vertex_count), "four steps are too few"
    for name in ("cluster", "token_vertex", "vertex_count", "vertex_size"):
        np.testing.assert_array_equal(now[name].values, then[name].values)
    np.testing.assert_allclose(now.vertex_position.values, then.vertex_position.values, atol=1e-12)
    assert bool(now.settled.all())
    assert "certified limits" in now.cluster.attrs["comment"]
    assert "limits_certified" not in before.coords


def test_what_stands_on_the_limits_says_which_it_used(proved, long):
    quiet, occupied = lmdata.quiescent_sets(proved), lmdata.vertex_occupancy(proved)
    for found in (quiet, occupied, lmdata.convergence(proved), lmdata.limit_polytope(proved)):
        assert bool(found.limits_certified.all())
        assert found.attrs["limits"] == "certified where limits_certified, else of the last stored frame"
    assert "certified limits" in quiet.closed.attrs["comment"]
    np.testing.assert_array_equal(lmdata.convergence(proved).certified_rate, proved.certified_rate)
    assert occupied.sizes["vertex"] == 12


def test_without_proofs_they_say_that_the_last_frame_stands_in(short):
    for measure in (lmdata.quiescent_sets, lmdata.vertex_occupancy, lmdata.convergence, lmdata.limit_polytope):
        found = measure(short)
        assert found.attrs["limits"] == "of the last stored frame"
        assert "limits_certified" not in found.coords


def test_proofs_of_members_that_are_not_complete_do_not_count(proved):
    status = proved.status.copy(deep=True)
    status[1, 2] = 2
    found = lmdata.limit_polytope(proved.assign_coords(status=status))
    assert not bool(found.limits_certified[1, 2])
    assert int(found.limits_certified.sum()) == 7
    assert found.limit_position[1, 2].isnull().all()
    assert np.isnan(lmdata.convergence(proved.assign_coords(status=status)).certified_rate[1, 2])


def test_members_without_a_proof_keep_their_last_frame(proved, short):
    certified = proved.certified.copy(deep=True)
    certified[0, 1] = False
    mixed = lmdata.limit_polytope(proved.assign(certified=certified))
    assert int(mixed.limits_certified.sum()) == 7
    frame = lmdata.limit_polytope(short).limit_position
    np.testing.assert_array_equal(mixed.limit_position.values[0, 1], frame.values[0, 1])


def test_it_stays_lazy(proved):
    lazy = lmdata.limit_polytope(proved.chunk(seed=2))
    assert lazy.vertex_count.chunks is not None
    np.testing.assert_array_equal(lazy.vertex_count.values, lmdata.limit_polytope(proved).vertex_count.values)


def square(steps):
    """Return a run of 32 tokens in the square at sensitivity .05, eight starts; the second settles after step 20."""
    return lmdata.simulate(lmdata.Localmax(0.05), lmdata.tokens.uniform(32, 2), steps=steps, seeds=range(8))


@pytest.fixture(scope="module")
def stopped():
    return square(20)


def farther(ds, tolerance=1e-4):
    """Return how many tokens of each member are farther from their neighbour mean than the tolerance, one by one."""
    found = []
    for member in ds.position.values:
        state, scale = member[-1], np.sqrt((member[0] ** 2).sum(-1)).max()
        count = 0
        for token in state:
            score = state @ token
            count += np.linalg.norm(state[score >= score.max() - 0.05].mean(0) - token) > tolerance * scale
        found.append(count)
    return found


@pytest.mark.parametrize("measure", ON_LIMITS, ids=lambda measure: measure.__name__)
def test_a_run_that_was_stopped_says_what_still_moves_and_one_that_settled_does_not(measure, stopped):
    with pytest.warns(UnsettledWarning, match=f"^{measure.__name__}: 1 of 8 members .* 1 token still moved") as told:
        found = measure(stopped)
    assert [warning.filename for warning in told] == [__file__], "it points at who asked"
    assert found.tokens_moving.values.tolist() == farther(stopped) == [0, 1, 0, 0, 0, 0, 0, 0]
    assert all("tokens_moving" in variable.coords for variable in found.values())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure(square(40)).tokens_moving.values.tolist() == [0] * 8
        measure(stopped.isel(seed=[0, 2]))


def test_few_steps_leave_many_tokens_moving(stopped):
    early = stopped.isel(time=slice(0, 4))
    with pytest.warns(UnsettledWarning, match="8 of 8 members"):
        found = lmdata.limit_polytope(early, tolerance=1e-3)
    assert found.tokens_moving.values.tolist() == farther(early, 1e-3)
    assert not found.settled.any()
    assert 100 < found.tokens_moving.sum() < 256


class Counting:
    """Positions on a disk, which tell how often each of their chunks was read."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.ndim = values, values.shape, values.dtype, values.ndim
        self.read = []

    def __getitem__(self, key):
        self.read.append(key)
        return self.values[key]


def raising(*args, **kwargs):
    raise AssertionError("something was computed")


@pytest.mark.parametrize("measure", ON_LIMITS, ids=lambda measure: measure.__name__)
def test_a_lazy_dataset_says_it_lazily_and_is_read_once(measure, stopped):
    disk = Counting(stopped.position.values)
    lazy = dask.array.from_array(disk, chunks=(2, *disk.shape[1:]), name="on disk", lock=True)
    ds = stopped.assign(position=(stopped.position.dims, lazy))
    disk.read.clear()
    with warnings.catch_warnings(), dask.config.set(scheduler=raising):
        warnings.simplefilter("error")
        found = measure(ds)
        both = xr.merge([found, lmdata.limit_polytope(ds)], combine_attrs="drop_conflicts")
    assert found.tokens_moving.chunks is not None
    assert disk.read == []
    with dask.config.set(scheduler="synchronous"):
        computed = both.compute()
    assert len(disk.read) == len(set(map(str, disk.read))) == 4, "each chunk once"
    assert computed.tokens_moving.values.tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    with pytest.warns(UnsettledWarning, match="^both: 1 of 8 members"):
        warn_if_moving(computed, "both")


def test_absent_members_do_not_count_and_proved_limits_have_come_to_rest(short, proved, stopped):
    status = stopped.status.copy(deep=True)
    status[1] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lmdata.limit_polytope(stopped.assign_coords(status=status))
        assert not lmdata.quiescent_sets(proved).tokens_moving.any()
    assert found.tokens_moving.values.tolist() == [0, -1, 0, 0, 0, 0, 0, 0]
    with pytest.warns(UnsettledWarning, match="8 of 8 members"):
        lmdata.quiescent_sets(short)


def test_what_has_no_limits_warns_of_nothing(stopped):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_moving(stopped, "the run")
