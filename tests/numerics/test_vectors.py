"""Vector operations against the same operations number by number, in NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.numerics.vectors import (
    LANES,
    absolute,
    any_lane,
    broadcast,
    broadcast_at,
    largest,
    load,
    rint,
    smallest,
    store,
    times_power,
    where,
)


@numba.njit(error_model="numpy")
def work(a, b, out):
    x, y = load(a, 1), load(b, 0)
    store(out[0], 0, x + y)
    store(out[1], 0, x - y)
    store(out[2], 0, x * y)
    store(out[3], 0, x / y)
    store(out[4], 0, where(x > y, x, y))
    store(out[5], 0, where(x >= y, broadcast(1.0), broadcast(0.0)))
    store(out[6], 0, rint(x))
    store(out[7], 0, absolute(x))
    store(out[8], 0, broadcast_at(a, 3) * y + x)
    return any_lane(x != y), any_lane(x > y)


@numba.njit(error_model="numpy")
def extremes(a):
    return largest(load(a, 0)), smallest(load(a, 0))


numbers = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, -0.0, 0.5, 1.5, 2.5, -0.5, 5e-324, -5e-324, 2.0**52 + 0.5, 1e308, np.inf, -np.inf]),
)
eight = st.lists(numbers, min_size=LANES, max_size=LANES).map(np.array)


def same(a, b):
    """Bit for bit, but for the sign and the payload of NaN, which IEEE 754 leaves open."""
    return (np.isnan(a) & np.isnan(b)) | (a.view(np.int64) == b.view(np.int64))


@given(eight, eight)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_vectors_are_eight_numbers(x, y):
    out = np.full((9, LANES), 7.0)
    a = np.concatenate([[3.0], x])
    differs, exceeds = work(a, y, out)
    with np.errstate(all="ignore"):
        expected = [
            x + y, x - y, x * y, x / y, np.where(x > y, x, y), (x >= y).astype(float), np.rint(x),
            np.abs(x), a[3] * y + x,
        ]  # fmt: skip
    for got, wanted in zip(out, expected, strict=True):
        assert same(got, wanted).all(), (got, wanted)
    assert differs == (x != y).any()
    assert exceeds == (x > y).any()


@given(st.lists(st.floats(allow_nan=False), min_size=LANES, max_size=LANES).map(np.array))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_extremes(x):
    assert extremes(x) == (x.max(), x.min())


@pytest.mark.parametrize("begin", [0, 1, 3])
def test_loads_need_no_alignment_and_touch_eight_entries_alone(begin):
    @numba.njit
    def copy(a, b, index):
        store(b, index, load(a, index))

    a, b = np.arange(16.0), np.full(16, -1.0)
    copy(a, b, begin)
    expected = np.full(16, -1.0)
    expected[begin : begin + LANES] = a[begin : begin + LANES]
    np.testing.assert_array_equal(b, expected)


@numba.njit
def powers(x, exponents, out):
    store(out, 0, times_power(load(x, 0), load(exponents, 0) + broadcast(1.5 * 2.0**52)))


@given(
    st.lists(st.floats(1e-100, 1e100), min_size=LANES, max_size=LANES).map(np.array),
    st.lists(st.integers(-600, 600), min_size=LANES, max_size=LANES).map(np.array),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_powers_of_two(x, exponents):
    out = np.empty(LANES)
    powers(x, exponents.astype(float), out)
    np.testing.assert_array_equal(out, np.ldexp(x, exponents))
