"""Members of a sweep, and the refusal of sweeps, seeds, steps and records that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.data.identity import recorded_steps
from lmdata.errors import InvalidInput
from lmdata.runs.sweep import check_record, check_seeds, check_steps, check_sweep, members, recorded_count

NAMES = ("alignment_sensitivity", "influence")


def test_members_come_in_grid_order_keyed_by_value():
    found = members({"b": (3.0, 1.0), "a": (0.0,)}, (5, 2))
    assert [(m.index, m.parameters["b"], m.seed) for m in found] == [
        ((0, 0, 0), 3.0, 5),
        ((0, 0, 1), 3.0, 2),
        ((1, 0, 0), 1.0, 5),
        ((1, 0, 1), 1.0, 2),
    ]
    assert all(list(m.parameters) == ["b", "a"] for m in found)


def test_sweep_keeps_order_and_makes_floats():
    checked = check_sweep({"influence": np.array([1, 2]), "alignment_sensitivity": [0]}, NAMES, "Localmax")
    assert checked == {"influence": (1.0, 2.0), "alignment_sensitivity": (0.0,)}
    assert list(checked) == ["influence", "alignment_sensitivity"]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"delta": [1]}, "names 'delta'.*it sweeps alignment_sensitivity, influence"),
        ({"influence": [1, 2, 1.0]}, r"holds 1\.0 twice, at positions 0 and 2"),
        ({"influence": [0.0, -0.0]}, "twice"),
        ({"influence": [1, float("nan")]}, r"\[1\] is nan.*finite"),
        ({"influence": []}, "empty"),
        ({"influence": 3}, "sequence of numbers; got 3"),
        ({"influence": ["1"]}, "must be a number; got '1'"),
        ({"influence": [True]}, "must be a number; got True"),
        ([("influence", [1])], "must map parameter names"),
    ],
)
def test_bad_sweeps(sweep, message):
    with pytest.raises(InvalidInput, match=message):
        check_sweep(sweep, NAMES, "Localmax")


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([0, 1, 0], "holds 0 twice, at positions 0 and 2"),
        ([-1], "must not be negative"),
        ([1.0], r"seeds\[0\] must be an integer; got 1\.0"),
        ([True], "integer; got True"),
        ([], "empty"),
        (3, "sequence of non-negative integers.*got 3"),
        ([2**63], "below 2"),
    ],
)
def test_bad_seeds(seeds, message):
    with pytest.raises(InvalidInput, match=message):
        check_seeds(seeds)


@pytest.mark.parametrize(
    ("steps", "message"), [(-1, "negative"), (1.5, "integer; got 1.5"), ("3", "integer"), (None, "integer")]
)
def test_bad_steps(steps, message):
    with pytest.raises(InvalidInput, match=message):
        check_steps(steps)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (0, "at least 1"),
        ([], "empty"),
        ([0, 11], r"record\[1\] is 11.*between 0 and steps=10"),
        ([3, 3], "ascend"),
        ([0.5], "integer"),
        ("all", "got 'all'"),
    ],
)
def test_bad_records(record, message):
    with pytest.raises(InvalidInput, match=message):
        check_record(record, 10)


@pytest.mark.parametrize(
    ("record", "steps", "kept"),
    [
        (None, 3, (0, 1, 2, 3)),
        (2, 5, (0, 2, 4, 5)),
        (2, 4, (0, 2, 4)),
        (100, 5, (0, 5)),
        ((1, 3), 5, (1, 3)),
        (None, 0, (0,)),
        (7, 0, (0,)),
    ],
)
def test_recorded_steps(record, steps, kept):
    assert recorded_steps(record, steps) == kept
    assert recorded_count(record, steps) == len(kept)
