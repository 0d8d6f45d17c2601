"""Step functions of an atlas: values, means and breakpoints against single simulations and sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import InvalidInput, UnknownName


@pytest.fixture(scope="module")
def atlas():
    return lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), seeds=(2, 5))


def test_values_are_those_of_simulations(atlas):
    sensitivities = [0.03, 0.2, 0.7, 2.5]
    found = atlas.atlas.at(sensitivities)
    ds = lmdata.simulate(
        lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=300, seeds=(2, 5), record=[0, 300],
        sweep={"alignment_sensitivity": sensitivities},
    )  # fmt: skip
    limit = lmdata.limit_polytope(ds, tolerance=1e-9)
    known = found.certified.values
    assert known.sum() >= 7
    np.testing.assert_array_equal(found.vertex_count.values[known], limit.vertex_count.values.T[known])
    assert (found.sensitivity_from <= found.sensitivity).all()
    assert (found.sensitivity < found.sensitivity_to).all()
    one = atlas.atlas.at(0.2)
    assert one.vertex_count.equals(found.vertex_count.isel(sensitivity=1))


def test_breakpoints_are_where_the_number_changes(atlas):
    pieces = lmdata.breakpoints(atlas, "vertex_count")
    assert int(pieces.piece_count.sum()) == pieces.sizes["piece"]
    for seed in (2, 5):
        own = pieces.isel(piece=pieces.piece_seed.values == seed)
        intervals = atlas.isel(interval=atlas.interval_seed.values == seed)
        low, high = own.sensitivity_from.values, own.sensitivity_to.values
        np.testing.assert_array_equal(low[1:], high[:-1])
        same = (own.value.values[1:] == own.value.values[:-1]) & (own.known.values[1:] == own.known.values[:-1])
        assert not same.any()
        for delta in [*low, *np.nextafter(high, 0.0)]:
            place = np.searchsorted(low, delta, side="right") - 1
            there = np.searchsorted(intervals.sensitivity_from.values, delta, side="right") - 1
            assert own.value.values[place] == intervals.vertex_count.values[there]


def test_the_number_of_vertices_at_a_breakpoint_by_simulation(atlas):
    pieces = lmdata.breakpoints(atlas, "vertex_count")
    own = pieces.isel(piece=(pieces.piece_seed.values == 2))
    both = own.known.values[1:] & own.known.values[:-1]
    place = int(np.flatnonzero(both)[-1]) + 1
    edge = float(own.sensitivity_from[place])
    for delta, value in ((np.nextafter(edge, 0.0), own.value[place - 1]), (edge, own.value[place])):
        ds = lmdata.simulate(lmdata.Localmax(float(delta)), lmdata.tokens.uniform(8, 2), steps=2000, seeds=(2,))
        assert lmdata.limit_polytope(ds, tolerance=1e-9).vertex_count.item() == int(value)


def test_means_are_sums_over_intervals(atlas):
    found = atlas.atlas.mean("vertex_count", sensitivity=(0.1, 0.9))
    for k, seed in enumerate((2, 5)):
        own = atlas.isel(interval=atlas.interval_seed.values == seed)
        total = known = 0.0
        for low, high, count, proved in zip(
            own.sensitivity_from.values,
            own.sensitivity_to.values,
            own.vertex_count.values,
            own.certified.values,
            strict=True,
        ):
            width = max(0.0, min(high, 0.9) - max(low, 0.1)) / 0.8
            total += width * count * proved
            known += width * proved
        assert float(found["mean"][k]) == pytest.approx(total / known)
        assert float(found.known_share[k]) == pytest.approx(known)
        assert float(found.least[k]) == pytest.approx(total)
        assert float(found.most[k]) == pytest.approx(total + 8 * (1 - known))
    log = atlas.atlas.mean("vertex_count", sensitivity=(0.01, 1.0), weight="log")
    assert (log["mean"] > found["mean"]).all(), "small sensitivities have more vertices"
    np.testing.assert_allclose(found["mean"], sampled_mean(atlas, 0.1, 0.9), atol=0.02)


def sampled_mean(atlas, low, high):
    sample = atlas.atlas.at(np.linspace(low, high, 4001)[:-1] + (high - low) / 8000)
    return sample.vertex_count.where(sample.certified).mean("sensitivity")


def test_any_number_of_trajectories_has_breakpoints(atlas):
    largest = xr.DataArray(atlas.cluster.values.max(axis=1), dims="interval", name="largest_label")
    pieces = lmdata.breakpoints(atlas, largest)
    counts = lmdata.breakpoints(atlas, "limit_count")
    assert pieces.sensitivity_from.equals(counts.sensitivity_from.drop_attrs()) or np.array_equal(
        pieces.sensitivity_from.values, counts.sensitivity_from.values
    )
    np.testing.assert_array_equal(pieces.value.values[pieces.known] + 1, counts.value.values[counts.known])


def test_the_trajectory_of_an_interval(atlas):
    place = int(np.flatnonzero(atlas.certified.values & (atlas.interval_seed.values == 5))[7])
    ds = atlas.atlas.trajectory(place, steps=2000, record=[0, 2000])
    away = np.abs(ds.position.values[0, -1] - atlas.limit_position.values[place]).max()
    assert away <= float(atlas.limit_error[place])


def test_refusals(atlas):
    with pytest.raises(InvalidInput, match="no whole number of a trajectory alone"):
        lmdata.breakpoints(atlas, "margin")
    with pytest.raises(UnknownName, match="vertex_count"):
        lmdata.breakpoints(atlas, "vertex_counts")
    with pytest.raises(InvalidInput, match="needs an atlas"):
        lmdata.breakpoints(xr.Dataset(), "vertex_count")
    with pytest.raises(InvalidInput, match="all intervals"):
        lmdata.breakpoints(atlas.isel(interval=slice(3)), "vertex_count")
    with pytest.raises(InvalidInput, match="numbers in"):
        atlas.atlas.at(-1.0)
    with pytest.raises(InvalidInput, match="begins above 0"):
        atlas.atlas.mean("vertex_count", weight="log")
    with pytest.raises(AttributeError, match="breakpoints"):
        atlas.atlas.breakpoint  # noqa: B018
