"""Measures that stand on limits: with certificates they take the proved ones, and say so."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata


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
