"""A score that is added to the first of D: the same as D with it, in any batch, and nothing where it is zero."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.dynamics import tokens
from lmdata.dynamics.models import SphereGradientFlow
from lmdata.errors import InvalidInput

OTHERS = {"step_size": 0.05, "direction": "descent", "inverse_temperature": 1.5}


@pytest.mark.parametrize("matrix", [None, [[0.0, 0.4], [0.4, -1.0]]])
def test_an_added_score_is_that_of_the_matrix_to_the_bit(matrix):
    start = tokens.sphere(6, 2).draw_batch(range(3))
    added = [0.7, 0.0, -1.2]
    together = SphereGradientFlow.advance(
        [SphereGradientFlow(alignment=matrix, first_score=score, **OTHERS) for score in added],
        start,
        start=0,
        record=[3, 20],
        seeds=[0, 1, 2],
    ).position
    for member, score in enumerate(added):
        whole = np.eye(2) if matrix is None else np.array(matrix)
        whole[0, 0] += score
        alone = SphereGradientFlow(alignment=whole, **OTHERS)
        frames = SphereGradientFlow.advance([alone], start[[member]], start=0, record=[3, 20], seeds=[member])
        np.testing.assert_array_equal(together[member], frames.position[0])
        swept = SphereGradientFlow(alignment=matrix, first_score=score, **OTHERS)
        np.testing.assert_array_equal(swept.attention(start[:1]), alone.attention(start[:1]))
        assert swept.fastest_rate(6) == alone.fastest_rate(6)


def test_it_is_left_out_of_the_specification_where_it_is_zero_and_can_be_swept():
    assert "first_score" not in SphereGradientFlow().specification()
    assert SphereGradientFlow(first_score=0.5).specification()["first_score"] == 0.5
    ds = lmdata.simulate(SphereGradientFlow(), tokens.sphere(3, 2), steps=1, sweep={"first_score": [-1.0, 0.0, 0.5]})
    assert ds.first_score.values.tolist() == [-1.0, 0.0, 0.5]
    with pytest.raises(InvalidInput, match=r"exp\(801\)"):
        SphereGradientFlow(first_score=800.0)
