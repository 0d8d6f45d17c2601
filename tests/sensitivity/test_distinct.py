"""Different limits over the axis: families against all pairs, counts against rational limits, symmetries."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.dynamics.limits.rational import prove
from lmdata.errors import InvalidInput
from lmdata.sensitivity.distinct import families
from lmdata.sensitivity.functions import slices


def by_all_pairs(points, error):
    """Return families by joining every pair that is near, until nothing changes."""
    near = np.abs(points[:, None] - points[None]).max(axis=2) <= error[:, None] + error[None]
    labels = np.arange(len(points))
    while True:
        joined = np.where(near, labels[None], len(points)).min(axis=1)
        if (joined == labels).all():
            return np.unique(labels, return_inverse=True)[1]
        labels = joined


@pytest.mark.parametrize("seed", range(40))
def test_families_are_those_of_all_pairs(seed):
    draw = np.random.default_rng(seed)
    count, k = int(draw.integers(1, 60)), int(draw.integers(1, 6))
    points = draw.integers(0, 5, (count, k)) * 1.0 + draw.choice([0.0, 1e-9], (count, k))
    error = draw.choice([0.0, 3e-10, 6e-10, 0.3, 0.5], count, p=[0.3, 0.3, 0.3, 0.05, 0.05])
    np.testing.assert_array_equal(families(points, error), by_all_pairs(points, error))


def test_chains_are_one_family_and_what_is_beyond_the_errors_is_another():
    points = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.5, 5.0], [0.0, 6.5]])
    assert families(points, np.full(5, 0.5)).tolist() == [0, 0, 0, 1, 2]
    assert families(points, np.full(5, 0.75)).tolist() == [0, 0, 0, 0, 0]
    assert families(np.empty((0, 3)), np.empty(0)).tolist() == []


@pytest.mark.long
def test_counts_are_those_of_rational_limits():
    """Where rational arithmetic proves the limit of every interval, as many are different as fractions are."""
    tokens = np.random.default_rng(3).integers(-8, 9, (5, 4, 2)) / 8
    ds = lmdata.atlas(lmdata.Localmax(), tokens, seeds=range(5), sensitivity=(0.05, np.inf), resolution=1e-4)
    found = ds.atlas.distinct_limits()
    repeated = 0
    for number, own in enumerate(slices(ds)):
        one = ds.isel(interval=own)
        low, high = one.sensitivity_from.values, np.minimum(one.sensitivity_to.values, 1e3)
        # intervals of a few floats belong to rounding alone
        certified = np.flatnonzero(one.certified.values & (high - low > 1e-12))
        proofs = [prove(tokens[number], delta, 1.0, None) for delta in ((low + high) / 2)[certified].tolist()]
        assert all(proof.proved for proof in proofs)
        exact = {tuple(tuple(row) for row in proof.limit) for proof in proofs}
        assert len(set(found.limit_number.values[own][certified].tolist())) == len(exact)
        repeated += len(proofs) - len(exact)
    assert repeated > 0, "some limits are those of two intervals"


def test_numbers_ascend_along_the_axis_and_groupings_do_not_depend_on_names():
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), seeds=(2, 5))
    found = ds.atlas.distinct_limits()
    for seed, own in enumerate(slices(ds)):
        numbers, groups = found.limit_number.values[own], found.grouping_number.values[own]
        assert (numbers == -1).tolist() == (~ds.certified.values[own]).tolist()
        for these, count in ((numbers, found.distinct_limit_count), (groups, found.distinct_grouping_count)):
            seen = np.maximum.accumulate(these)
            assert (np.diff(seen) <= 1).all()
            assert seen[-1] + 1 == int(count[seed])
        # one limit has one grouping, and groupings are told apart by who ends together
        proved = np.flatnonzero(numbers >= 0)
        assert len(set(zip(numbers[proved], groups[proved], strict=True))) == len(set(numbers[proved]))
        partition = {}
        for k in proved:
            labels = ds.cluster.values[own][k]
            together = tuple(map(tuple, labels[:, None] == labels[None]))
            assert partition.setdefault(together, groups[k]) == groups[k]
        assert len(partition) == int(found.distinct_grouping_count[seed])
    assert (found.distinct_limit_count > 10).all()


def test_a_quarter_turn_and_another_order_of_tokens_leave_the_counts():
    tokens = lmdata.tokens.uniform(7, 2).draw(4)
    counts = []
    for turned in (tokens, tokens @ np.array([[0.0, 1.0], [-1.0, 0.0]]), tokens[::-1]):
        found = lmdata.atlas(lmdata.Localmax(), turned).atlas.distinct_limits()
        counts.append((int(found.distinct_limit_count[0]), int(found.distinct_grouping_count[0])))
    assert counts[0] == counts[1] == counts[2]


def test_what_has_no_limits_is_refused():
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), limits=False)
    with pytest.raises(InvalidInput, match="limits=True"):
        ds.atlas.distinct_limits()
    with pytest.raises(InvalidInput, match="needs an atlas"):
        ds.drop_attrs().atlas.distinct_limits()
