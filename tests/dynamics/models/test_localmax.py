"""The model: its parameters, its specification, and how it advances a batch."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics import Localmax, Model, model_from_specification
from lmdata.dynamics.model import MODELS, register
from lmdata.dynamics.schedules import Constant, Explicit, Geometric, Periodic, Piecewise, Power
from lmdata.errors import InvalidInput, UnknownName

numbers = st.floats(0, 1e6)
schedules = st.one_of(
    st.builds(Geometric, numbers, st.floats(0, 1)),
    st.builds(Power, numbers, st.floats(0, 5)),
    st.builds(Piecewise, st.tuples(numbers, numbers), st.tuples(st.integers(1, 9))),
    st.builds(Periodic, st.lists(numbers, min_size=1, max_size=4)),
    st.builds(Explicit, st.lists(numbers, min_size=1, max_size=4)),
)
models = st.builds(
    Localmax,
    st.one_of(numbers, schedules),
    st.floats(1e-3, 1e3),
    st.sampled_from([None, [[1]], [[2.0, 0.1], [0.1, 1 / 3]]]),
)


def advance(model, state, record, **options):
    options = {"start": 0, "seeds": [0] * len(state), **options}
    return Localmax.advance([model] * len(state), state, record=record, **options).position


@given(models)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_specification_survives_json_exactly(model):
    again = model_from_specification(json.loads(json.dumps(model.specification())))
    assert again == model
    assert hash(again) == hash(model)
    assert again.specification() == model.specification()


def test_it_is_a_model():
    assert isinstance(Localmax(), Model)
    assert "localmax" in MODELS
    assert (Localmax.kind, Localmax.time_unit) == ("localmax", "step")
    assert Localmax().times([0, 5]).dtype == np.int64


def test_specification_holds_defaults_too():
    expected = {"kind": "localmax", "alignment_sensitivity": 0.0, "influence": 1.0, "alignment": None}
    assert Localmax().specification() == expected


def test_equal_ways_to_say_the_same():
    assert Localmax(Constant(0.5)) == Localmax(0.5) == Localmax(np.float32(0.5))
    assert Localmax([0.5, 0.25]) == Localmax(np.array([0.5, 0.25])) == Localmax(Explicit((0.5, 0.25)))
    assert Localmax(-0.0).specification() == Localmax(0).specification()
    assert Localmax(alignment=np.eye(2, dtype=int)) == Localmax(alignment=[[1.0, 0.0], [0.0, 1.0]])


def test_swept_parameters():
    model = Localmax(Geometric(1.0, 0.5), 2.0, np.eye(2))
    assert model.with_parameter("alignment_sensitivity", 0.25) == Localmax(0.25, 2.0, np.eye(2))
    assert model.with_parameter("influence", 0.5) == Localmax(Geometric(1.0, 0.5), 0.5, np.eye(2))
    with pytest.raises(
        UnknownName, match="sweepable parameter of localmax named 'influenze'; did you mean 'influence'"
    ):
        model.with_parameter("influenze", 1.0)
    with pytest.raises(InvalidInput, match="influence is -1"):
        model.with_parameter("influence", -1.0)
    with pytest.raises(InvalidInput, match="alignment_sensitivity must be one real number"):
        model.with_parameter("alignment_sensitivity", [0.1, 0.2])


@pytest.mark.parametrize(
    ("specification", "error", "message"),
    [
        ({"kind": "locallmax"}, UnknownName, "no model named 'locallmax'; did you mean 'localmax'"),
        ({"kind": "localmax", "delta": 1}, UnknownName, "no parameter of localmax named 'delta'"),
        ({"influence": 1}, InvalidInput, "has no 'kind'"),
        ("localmax", InvalidInput, "has no 'kind'"),
        ({"kind": "localmax", "alignment_sensitivity": {"kind": "geo"}}, UnknownName, "did you mean 'geometric'"),
        (
            {"kind": "localmax", "alignment_sensitivity": {"kind": "geometric", "initial": 1}},
            InvalidInput,
            "lacks 'ratio'; it needs initial, ratio",
        ),
    ],
)
def test_specifications_that_are_none(specification, error, message):
    with pytest.raises(error, match=message):
        model_from_specification(specification)


def test_a_kind_belongs_to_one_class():
    assert register(Localmax) is Localmax
    with pytest.raises(
        InvalidInput, match=r"model kind 'localmax' of .*:Other is taken by lmdata\.dynamics\.models\.localmax:Localmax"
    ):
        register(type("Other", (), {"kind": "localmax"}))


START = np.random.default_rng(0).uniform(-1, 1, size=(3, 6, 2))


def test_frames_are_those_asked_for():
    every = advance(Localmax(0.1), START, range(8))
    assert every.shape == (3, 8, 6, 2)
    assert np.array_equal(every[:, 0], START)
    assert np.array_equal(advance(Localmax(0.1), START, [0, 3, 7]), every[:, [0, 3, 7]])
    assert np.array_equal(advance(Localmax(0.1), START, [7]), every[:, 7:])


@pytest.mark.parametrize(
    "sensitivity", [0.0, 0.2, Geometric(0.5, 0.8), Periodic((0.0, 0.3)), Piecewise((0.5, 0.0), (4,))], ids=str
)
def test_two_legs_equal_one_run(sensitivity):
    model = Localmax(sensitivity, 0.7, [[2.0, 0.5], [0.5, 1.0]])
    whole = advance(model, START, range(11))
    first = advance(model, START, range(7))
    second = advance(model, first[:, -1], range(7, 11), start=6)
    assert np.array_equal(np.concatenate([first, second], axis=1), whole)


def test_members_with_different_parameters():
    batch = [Localmax(0.0, 0.5), Localmax(Geometric(0.5, 0.9), 1.0), Localmax(0.3, 2.0)]
    together = Localmax.advance(batch, START, start=0, record=range(6), seeds=[0, 1, 2]).position
    for i, model in enumerate(batch):
        assert np.array_equal(together[i], advance(model, START[i : i + 1], range(6))[0])
    with pytest.raises(InvalidInput, match="different alignment matrices"):
        Localmax.advance([Localmax(), Localmax(alignment=np.eye(2))], START[:2], start=0, record=[1], seeds=[0, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": [3, 3]}, r"record is \[3, 3\]; it must be step numbers that ascend from start=0"),
        ({"record": [1, 4], "start": 2}, "ascend from start=2"),
        ({"record": []}, r"record is \[\]"),
        ({"state": START[0]}, r"state is float64 of shape \(6, 2\) for 3 models"),
        ({"state": START[:2]}, r"shape \(2, 6, 2\) for 3 models"),
        ({"state": START.astype(np.float32)}, "state is float32"),
    ],
)
def test_batches_that_are_none(options, message):
    options = {"state": START, "start": 0, "record": [1], "seeds": [0, 0, 0], **options}
    with pytest.raises(InvalidInput, match=message):
        Localmax.advance([Localmax()] * 3, options.pop("state"), **options)


def test_seeds_do_not_matter_and_the_start_is_left_alone():
    start = START.copy()
    assert np.array_equal(advance(Localmax(), start, [5], seeds=[1, 2, 3]), advance(Localmax(), start, [5]))
    assert np.array_equal(start, START)


def test_negative_zeros_do_not_show():
    start = np.array([[[-0.0, 1.0], [0.0, -1.0], [-0.0, -0.0]]])
    frames = advance(Localmax(4.0), start, range(4))
    assert not np.signbit(frames[frames == 0.0]).any()


def test_the_backend_can_be_named():
    expected = advance(Localmax(0.1), START, range(5))
    for backend in ("auto", "numpy", "numpy:canonical"):
        assert np.array_equal(advance(Localmax(0.1), START, range(5), backend=backend), expected)
