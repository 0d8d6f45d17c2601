"""Hull volumes and widths: exact sets, nesting, symmetries, degenerate sets, decay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis import hull_decay
from lmdata.analysis.hull_kernels import HullStatus
from lmdata.errors import InvalidInput

SQUARE = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
CONSENSUS = 99.0
"""A sensitivity at which every token hears all: Z contracts to its mean by 1 / (1 + alpha) a step."""


@st.composite
def runs(draw):
    d, n = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    tokens = random.normal(size=(n, d)) if draw(st.booleans()) else random.integers(-2, 3, size=(n, d)) / 2.0
    sensitivity = draw(st.sampled_from([0.0, 0.3, 2.0, lmdata.schedules.Periodic((0.0, 1.0))]))
    return lmdata.simulate(lmdata.Localmax(sensitivity, influence=draw(st.sampled_from([0.5, 2.0]))), tokens, steps=12)


@given(runs())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_hull_never_grows(ds):
    """F1: conv Z(t+1) is inside conv Z(t), whatever the schedule; up to rounding."""
    volume = lmdata.hull_volume(ds)
    assert np.isfinite(volume).all()
    assert volume[0, 0] == 1.0
    assert (np.diff(volume.values) <= 1e-9).all()
    assert (np.diff(volume.hull_rank.values) <= 0).all()
    width = lmdata.mean_width(ds, directions=16)
    assert (np.diff(width.values) <= 1e-12 * width.values[:, :1]).all()


@pytest.mark.parametrize("d", [1, 2, 3, 4, 6])
def test_consensus_contracts_the_volume_at_a_known_rate(d):
    """All tokens at their common mean: the volume falls by (1 + alpha)^-d a step, and the width by (1 + alpha)^-1."""
    tokens = lmdata.tokens.uniform(d + 6, d).draw(1)
    ds = lmdata.simulate(lmdata.Localmax(CONSENSUS, influence=0.25), tokens, steps=20)
    step = np.arange(21.0)
    np.testing.assert_allclose(lmdata.hull_volume(ds)[0], 1.25 ** (-d * step), rtol=1e-9)
    width = lmdata.mean_width(ds, directions=32)[0]
    np.testing.assert_allclose(width / width[0], 1.25**-step, rtol=1e-9)
    assert hull_decay(ds).item() == pytest.approx(1.25**-d, rel=0.05)


def test_the_square_by_hand():
    ds = lmdata.simulate(lmdata.Localmax(), [*SQUARE, [0.5, 0.0]], steps=2)
    volume = lmdata.hull_volume(ds, relative=False)
    assert volume.values.tolist() == [[4.0] * 3]
    assert volume.hull_rank.values.tolist() == [[2] * 3]
    assert volume.hull_status.values.tolist() == [[HullStatus.COMPILED] * 3]


@pytest.mark.parametrize(
    ("tokens", "rank", "absolute"),
    [
        ([[0.5, -0.5]], 0, 0.0),
        ([[0.5, -0.5]] * 3, 0, 0.0),
        ([[3.0], [-1.0]], 1, 4.0),
        ([[0.0, 0.0], [3.0, 4.0], [1.5, 2.0]], 1, 5.0),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], 2, math.sqrt(3) / 2),
        (np.vstack([np.eye(4), -np.eye(4)]), 4, 16 / 24),
    ],
    ids=["one token", "one point", "a line", "a segment", "a triangle in space", "a cross-polytope"],
)
def test_a_set_is_measured_in_its_own_dimension(tokens, rank, absolute):
    ds = lmdata.simulate(lmdata.Localmax(CONSENSUS), tokens, steps=3)
    volume = lmdata.hull_volume(ds, relative=False)[0]
    assert volume.hull_rank.values.tolist() == [rank] * 4
    assert volume.values[0] == pytest.approx(absolute)
    np.testing.assert_allclose(lmdata.hull_volume(ds)[0], 0.5 ** (rank * np.arange(4)), rtol=1e-9)


def test_the_relative_volume_is_zero_once_the_dimension_drops():
    """Two tokens that coincide from the first frame on leave a segment; a triangle that flattens has no area."""
    position = np.array([[[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [2.0, 0.0], [0.0, 0.0]]])
    ds = lmdata.simulate(lmdata.Localmax(), position[0], steps=1)
    ds["position"] = ds["position"].copy(data=position[None])
    volume = lmdata.hull_volume(ds)
    assert volume.values.tolist() == [[1.0, 0.0]]
    assert volume.hull_rank.values.tolist() == [[2, 1]]
    assert lmdata.hull_volume(ds, relative=False).values.tolist() == [[1.0, 2.0]]


def test_a_dimension_that_appears_does_not_count():
    """Tokens of another model may leave the first frame's dimension: measured is their size in that dimension."""
    first = np.array([[0.0, 0.0], [2.0, 0.0]])
    ds = lmdata.simulate(lmdata.Localmax(), first, steps=1)
    ds["position"] = ds["position"].copy(data=np.stack([first, np.array([[0.0, 0.0], [3.0, 4.0]])])[None])
    assert lmdata.hull_volume(ds).values.tolist() == [[1.0, 2.5]]
    moved = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    still = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    ds = lmdata.simulate(lmdata.Localmax(), still, steps=1)
    ds["position"] = ds["position"].copy(data=np.stack([still, moved])[None])
    volume = lmdata.hull_volume(ds)
    assert volume.hull_rank.values.tolist() == [[1, 2]]
    assert volume.values[0, 1] == 2.0


def test_beyond_seven_dimensions_the_width_remains():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.normal(12, 9), steps=1)
    volume = lmdata.hull_volume(ds)
    assert np.isnan(volume).all()
    assert (volume.hull_rank == 9).all()
    assert (volume.hull_status == HullStatus.MEAN_WIDTH_ONLY).all()
    assert (lmdata.mean_width(ds) > 0).all()


def test_the_mean_width_of_a_disc_and_of_a_ball_is_its_diameter():
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.sphere(2000, 2), steps=0)
    width = lmdata.mean_width(ds)
    assert abs(width.item() - 2.0) < 1e-3
    segment = lmdata.mean_width(lmdata.simulate(lmdata.Localmax(), [[0.0, 0.0], [1.0, 0.0]], steps=0))
    assert abs(segment.item() - 2 / math.pi) < 4 * segment.mean_width_error.item()


@pytest.mark.parametrize("directions", [1, 0, 2.5, "many"])
def test_directions_that_cannot_be_are_refused(directions):
    ds = lmdata.simulate(lmdata.Localmax(), SQUARE, steps=0)
    with pytest.raises(InvalidInput, match="directions"):
        lmdata.mean_width(ds, directions=directions)


def test_a_rank_tolerance_that_cannot_be_is_refused():
    ds = lmdata.simulate(lmdata.Localmax(), SQUARE, steps=0)
    with pytest.raises(InvalidInput, match="rank_tolerance is"):
        lmdata.hull_volume(ds, rank_tolerance=-1.0)


def test_a_hull_that_stays_has_no_decay():
    assert np.isnan(hull_decay(lmdata.simulate(lmdata.Localmax(), SQUARE, steps=20))).all()
