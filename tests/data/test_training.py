"""The layout of training runs: a grid of starts and seeds, and the problems beside it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lmdata.data.digest import member_key
from lmdata.data.training import TrainingLayout
from lmdata.errors import InvalidInput

PROBLEMS = {"label": (("seed", "sample"), np.array([[1, -1]])), "word": (("seed", "sample", "token"), [[["a"], ["b"]]])}


def layout(**changes):
    fields = {
        "swept": {"step": (0.1, 0.2)},
        "starts": (0, 1, 2),
        "seeds": (7,),
        "iteration": np.array([0, 5, 10]),
        "trained": ("prompt", "value"),
        "features": 4,
        "problems": {name: (dims, np.asarray(values)) for name, (dims, values) in PROBLEMS.items()},
        **changes,
    }
    return TrainingLayout(**fields)


def test_members_are_keyed_by_value():
    made = layout()
    keys = [made.key(member) for member in range(made.size)]
    assert keys == made.keys(range(made.size)) == [member_key(made.coordinates(member)) for member in range(made.size)]
    assert made.coordinates(4) == {"step": 0.2, "start": 1.0, "seed": 7}
    assert len(set(keys)) == 6


def test_sizes_follow_from_what_is_trained():
    made = layout()
    assert made.member_bytes == 3 * (4 + 4) * 8
    assert layout(trained=("weight",)).member_bytes == 3 * 16 * 8
    assert made.written == ("prompt", "value", "loss")
    assert made.dimensions("status") == ("step", "start", "seed")
    assert made.dimensions("prompt") == ("step", "start", "seed", "iteration", "feature")
    assert sum(map(len, made.blocks())) == made.size
    assert set(made.coords()) == {"step", "start", "seed", "iteration", "sample", "token", "feature"}
    assert not made.extends(made)


@pytest.mark.parametrize(
    "changes",
    [
        {"swept": {"step": (0.1, 0.3)}},
        {"swept": {"epsilon": (0.1, 0.2)}},
        {"starts": (0, 1)},
        {"seeds": (8,)},
        {"iteration": np.array([0, 5, 11])},
        {"trained": ("prompt",)},
        {"features": 5},
        {"problems": {}},
        {"problems": {"label": (("seed", "sample"), np.array([[1, 1]]))}},
        {"problems": {"label": (("sample",), np.array([1, -1]))}},
        {"attrs": {"recipe_id": "r"}},
        {"chunk": (1, 1, 1, 1)},
    ],
)
def test_the_digest_covers_everything(changes):
    assert layout(**changes).digest != layout().digest == dataclasses.replace(layout()).digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trained": ("value",)}, r"trained is \('value',\)"),
        ({"features": 0}, "features is 0"),
        ({"starts": ()}, r"start has shape \(0,\)"),
        ({"seeds": (1, 1)}, "seed has values that are not finite or occur twice"),
        ({"swept": {"prompt": (0.5,)}}, "'prompt' has the name of a variable"),
        ({"swept": {"status": (0.5,)}}, "'status' has the name of a variable"),
        ({"problems": {"label": (("seed", "feature"), np.array([[1, -1]]))}}, r"label has shape \(1, 2\).*\(1, 4\)"),
        ({"trained": ("weight",), "features": 20_000, "problems": {}}, "one frame of 20000 x 20000 numbers"),
        ({"chunk": (1, 1)}, r"chunk is \(1, 1\); give a size along"),
    ],
)
def test_what_no_training_has_is_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        layout(**changes)
