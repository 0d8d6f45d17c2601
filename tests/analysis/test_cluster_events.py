"""What becomes of clusters: counts balance, and are the shortest way that brute force finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lmdata
from lmdata.analysis.cluster_events import events_between
from lmdata.errors import InvalidInput


def partition(labels):
    return frozenset(frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist()))


def partings(state):
    """Return every partition in which one cluster has parted in two."""
    for cluster in state:
        first, *rest = sorted(cluster)
        for size in range(len(rest)):
            for chosen in itertools.combinations(rest, size):
                part = frozenset([first, *chosen])
                yield (state - {cluster}) | {part, cluster - part}


def fewest_partings(before, after):
    """Return how many partings lead from one to another, which is finer; None if it is not."""
    reached, count = {before}, 0
    while reached:
        if after in reached:
            return count
        reached, count = {finer for one in reached for finer in partings(one)}, count + 1
    return None


def test_events_are_the_shortest_way_that_parts_before_it_merges():
    """Every pair of partitions of four tokens: over all common refinements, by breadth-first search."""
    labels = [np.unique(one, return_inverse=True)[1] for one in itertools.product(range(4), repeat=4)]
    columns = {partition(one): one for one in labels}
    ways = {(a, b): fewest_partings(a, b) for a in columns for b in columns}
    assert len(columns) == 15
    for before, after in itertools.product(columns, repeat=2):
        through = [
            (ways[before, finer] + ways[after, finer], ways[before, finer], ways[after, finer])
            for finer in columns
            if ways[before, finer] is not None and ways[after, finer] is not None
        ]
        _, births, merges = min(through)
        found = events_between(columns[before], columns[after])
        assert found == (merges, births, len(before & after))
        assert len(after) == len(before) - found.merges + found.births


def moving(seed=0, runs=3):
    """Tokens on a line that wander: clusters merge and part all the time."""
    walk = np.random.default_rng(seed).normal(size=(runs, 30, 9, 1)).cumsum(axis=1)
    return lmdata.from_trajectory(walk, dims=("run", "time", "token", "component"))


def test_counts_balance_at_every_step():
    ds = moving()
    found, count = lmdata.cluster_events(ds, reach=0.7), lmdata.cluster_counts(ds, reach=0.7).cluster_count
    assert (found.cluster_births - found.cluster_merges).isel(time=slice(1, None)).equals(count.diff("time"))
    np.testing.assert_array_equal(
        count, count.isel(time=0) + (found.cluster_births - found.cluster_merges).cumsum("time")
    )
    assert (found.isel(time=0).to_array() == 0).all()
    assert found.cluster_births.sum() > 50
    assert found.cluster_merges.sum() > 50
    assert (found.clusters_kept <= count).all()


def test_localmax_that_agrees_merges_all_and_bears_none():
    """Under a sensitivity without bound all tokens go to the mean, and distances never grow."""
    ds = lmdata.simulate(lmdata.Localmax(1e3), lmdata.tokens.uniform(8, 2), steps=20, seeds=range(3))
    found = lmdata.cluster_events(ds)
    np.testing.assert_array_equal(found.cluster_merges.sum("time"), 7)
    assert found.cluster_births.sum() == 0


def test_padding_and_the_order_of_tokens_and_runs_change_nothing():
    states = [np.random.default_rng(run).normal(size=(6, n, 2)) for run, n in enumerate((7, 2, 5))]
    whole = lmdata.cluster_events(lmdata.from_trajectory(states), reach=1.0)
    for run, own in enumerate(states):
        for order in (slice(None), slice(None, None, -1)):
            alone = lmdata.cluster_events(lmdata.from_trajectory(own[:, order]), reach=1.0)
            for name, expected in alone.data_vars.items():
                np.testing.assert_array_equal(whole[name].isel(seed=[run]), expected, err_msg=name)


def test_frames_in_another_order_are_refused():
    with pytest.raises(InvalidInput, match="sort them"):
        lmdata.cluster_events(moving().isel(time=[1, 0, 2]))
    with pytest.raises(InvalidInput, match="reach"):
        lmdata.cluster_events(moving(), reach=0.0)
