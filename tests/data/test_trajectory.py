"""The layout of trajectories from elsewhere: all of it is covered by its digest, and shapes agree."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.data.trajectory import TrajectoryLayout
from lmdata.errors import InvalidInput


def layout(**fields):
    given = {"swept": {}, "seeds": (0, 1), "time": np.arange(3), "time_unit": "layer", "labels": None, "tokens": 2}
    return TrajectoryLayout(**(given | {"components": 2} | fields))


def test_heads_words_and_absent_tokens_are_covered_by_the_digest():
    mask = np.array([[True, True], [True, False]])
    words = np.array([["a", "b"], ["c", ""]])
    several = [
        *(layout(), layout(heads=1), layout(present=mask), layout(present=mask[::-1])),
        *(layout(words=words), layout(words=words[::-1])),
    ]
    assert len({each.digest for each in several}) == len(several)
    assert layout(present=mask.copy()).digest == layout(present=mask).digest


def test_shapes_agree_and_every_run_has_a_token():
    with pytest.raises(InvalidInput, match=r"present has shape \(2,\)"):
        layout(present=np.array([True, False]))
    with pytest.raises(InvalidInput, match=r"present\[1\] is False throughout"):
        layout(present=np.array([[True, True], [False, False]]))
