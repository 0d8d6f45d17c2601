"""Schedules: their values to the last bit, and what they refuse."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics.schedules import (
    Constant,
    Explicit,
    Geometric,
    Periodic,
    Piecewise,
    Power,
    Scaled,
    schedule_from_specification,
)
from lmdata.errors import InvalidInput, UnknownName

ALL = [
    Constant(0.1),
    Geometric(0.7, 0.9),
    Power(2.0, 0.5),
    Piecewise((0.3, 0.0, 0.2), (3, 7)),
    Periodic((0.1, 0.0, 0.5)),
    Explicit([0.1 * k for k in range(40)]),
    Scaled(Geometric(1.0, 0.9), 0.3),
]


def at(schedule, step):
    """Return delta at one step, computed alone."""
    return schedule.values(step + 1, start=step)[0]


many = settings(max_examples=100, deadline=None, derandomize=True)


@given(st.floats(0, 1e3), st.floats(0, 1.5), st.integers(0, 60))
@many
def test_geometric_is_the_nearest_float_to_the_exact_product(initial, ratio, step):
    exact = Fraction(initial) * Fraction(ratio) ** step
    assert at(Geometric(initial, ratio), step) == exact.numerator / exact.denominator


@pytest.mark.parametrize("step", [33, 34, 35, 1074, 1075, 1076, 1100])
@pytest.mark.parametrize("ratio", [0.75, 0.5])
def test_geometric_rounds_exact_halves_to_even_and_underflows_gradually(ratio, step):
    exact = Fraction(ratio) ** step  # 3^34 / 4^34 lies halfway between two floats, as does 2^-1075
    assert at(Geometric(1.0, ratio), step) == exact.numerator / exact.denominator


@given(st.floats(1e-3, 1e3), st.integers(0, 6), st.integers(0, 10**6))
@many
def test_power_with_a_whole_exponent_is_the_nearest_float(initial, exponent, step):
    exact = Fraction(initial) / Fraction(1 + step) ** exponent
    assert at(Power(initial, float(exponent)), step) == exact.numerator / exact.denominator


@given(st.floats(1e-3, 1e3), st.integers(0, 10**6))
@many
def test_power_with_exponent_one_half_is_the_nearest_float(initial, step):
    """The value v lies between the midpoints to its neighbours: compared by squares, in rational arithmetic."""
    value = at(Power(initial, 0.5), step)
    square = Fraction(initial) ** 2 / (1 + step)
    below = (Fraction(value) + Fraction(np.nextafter(value, 0))) / 2
    above = (Fraction(value) + Fraction(np.nextafter(value, np.inf))) / 2
    assert below**2 <= square <= above**2


def test_powers_that_are_exact():
    assert Power(3.0, 0.5).values(17)[[0, 3, 15]].tolist() == [3.0, 1.5, 0.75]
    assert Power(0.0, 2.0).values(3).tolist() == [0.0, 0.0, 0.0]
    assert Geometric(0.5, 0.0).values(3).tolist() == [0.5, 0.0, 0.0]


def test_pieces_and_periods():
    assert Piecewise((3.0, 2.0, 1.0), (2, 3)).values(5).tolist() == [3, 3, 2, 1, 1]
    assert Periodic((1.0, 2.0)).values(5).tolist() == [1, 2, 1, 2, 1]
    assert Explicit([4, 5, 6]).values(2).tolist() == [4, 5]


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: schedule.kind)
def test_values_can_start_anywhere(schedule):
    whole = schedule.values(30)
    assert whole.dtype == np.float64
    assert whole.shape == (30,)
    assert np.array_equal(schedule.values(30, start=11), whole[11:])
    assert schedule.values(5, start=5).shape == (0,)
    assert at(schedule, 29) == whole[29]


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: schedule.kind)
def test_specification_survives_json_exactly(schedule):
    assert schedule_from_specification(json.loads(json.dumps(schedule.specification()))) == schedule


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Constant(-1), InvalidInput, "value is -1.0; it must be at least 0"),
        (lambda: Geometric(1, -0.5), InvalidInput, "ratio is -0.5; it must be at least 0"),
        (lambda: Geometric(np.nan, 0.5), InvalidInput, "initial is nan"),
        (lambda: Power(1, -1), InvalidInput, "exponent is -1.0"),
        (lambda: Geometric(1.0, 2.0).values(2000), InvalidInput, "exceeds float64 at step 1024"),
        (lambda: Piecewise((1, 2), (1, 2)), InvalidInput, "one piece more than switches"),
        (lambda: Piecewise((1, 2, 3), (2, 2)), InvalidInput, r"switches is \[2, 2\]; the steps must ascend"),
        (lambda: Piecewise((1, 2), (0,)), InvalidInput, r"switches\[0\] is 0; it must be at least 1"),
        (lambda: Periodic(()), InvalidInput, "period is empty"),
        (lambda: Periodic("12"), InvalidInput, "period must be a sequence of numbers; got str '12'"),
        (lambda: Explicit([0.1, "0.2"]), InvalidInput, r"sequence\[1\] must be one real number"),
        (lambda: at(Explicit([1.0]), 1), InvalidInput, "has 1 value, one a step, for 2 steps"),
        (lambda: schedule_from_specification({"kind": "linear"}), UnknownName, "no schedule named 'linear'"),
        (
            lambda: schedule_from_specification({"kind": "constant", "value": 1, "ratio": 2}),
            UnknownName,
            "no parameter of schedule 'constant' named 'ratio'",
        ),
    ],
)
def test_schedules_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@given(st.floats(0, 1e3), st.sampled_from([Geometric(0.7, 0.9), Periodic((0.1, 0.0, 0.5)), Power(2.0, 0.5)]))
@many
def test_scaled_rounds_each_product_once(scale, shape):
    exact = [Fraction(scale) * Fraction(value) for value in shape.values(20).tolist()]
    assert Scaled(shape, scale).values(20).tolist() == [value.numerator / value.denominator for value in exact]


@pytest.mark.parametrize("shape", [0.5, Explicit([0.1]), Scaled(Constant(1.0), 2.0)])
def test_scaled_needs_a_shape_without_end_and_scale(shape):
    with pytest.raises(InvalidInput, match="no end and no scale"):
        Scaled(shape, 1.0)
