"""Every bad input is refused before work starts, by a message that names argument, value and remedy."""

import numpy as np
import pytest

from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.schedules import Explicit
from lmdata.errors import InvalidInput, ResolutionWarning
from lmdata.numerics.checks import as_tokens, check_scores


def refused(match):
    return pytest.raises(InvalidInput, match=match)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0.0, 1.0], [np.nan, np.inf]], r"tokens\[1, 0\] is nan; all values must be finite"),
        ([[0.0, -np.inf]], r"tokens\[0, 1\] is -inf"),
        ([], r"tokens has shape \(0,\); it must be \(token, component\)"),
        (np.empty((0, 2)), r"shape \(0, 2\); there must be at least one token and one component"),
        (np.empty((3, 0)), r"shape \(3, 0\); there must be at least one"),
        ([1.0, 2.0], r"shape \(2,\)"),
        (np.zeros((1, 2, 3, 4)), r"shape \(1, 2, 3, 4\)"),
        ([[1.0], [1.0, 2.0]], "no rectangular array of numbers"),
        (np.zeros((2, 2), np.float16), "dtype float16; convert it to float64 first"),
        (np.zeros((2, 2), np.longdouble), "dtype float128; convert it"),
        (np.zeros((2, 2), complex), "dtype complex128; it must hold real numbers"),
        (np.zeros((2, 2), object), "dtype object"),
        (np.zeros((2, 2), bool), "dtype bool"),
        ([["a", "b"]], "dtype <U1"),
        ([[2**53 + 1]], r"tokens\[0, 0\] is 9007199254740993; float64 does not hold that integer exactly"),
        (np.array([[1], [2**64 - 1]], np.uint64), r"tokens\[1, 0\] is 18446744073709551615"),
        (np.ma.masked_array([[1.0]], [[True]]), "masked array; no value may be missing"),
    ],
)
def test_tokens_that_are_none(values, message):
    with refused(message):
        tokens.array(values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, np.float32, ">f8"])
def test_exact_conversions_are_made(dtype):
    values = np.array([[100, 27], [3, 0]], dtype)
    converted = as_tokens(values)
    assert converted.dtype == np.float64
    assert converted.tolist() == [[100, 27], [3, 0]]
    assert as_tokens([[2**60]]).tolist() == [[2**60]]


def test_negative_zero_becomes_zero_and_the_input_stays_as_it_is():
    values = np.array([[-0.0, 1.0]])
    assert not np.signbit(as_tokens(values)).any()
    assert np.signbit(values[0, 0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alignment_sensitivity": -0.1}, "alignment_sensitivity is -0.1; it must be at least 0"),
        ({"alignment_sensitivity": np.nan}, "alignment_sensitivity is nan; it must be finite"),
        ({"alignment_sensitivity": np.inf}, "alignment_sensitivity is inf; it must be finite"),
        ({"alignment_sensitivity": "0.1"}, "alignment_sensitivity must be one real number; got str '0.1'"),
        ({"alignment_sensitivity": True}, "got bool True"),
        ({"alignment_sensitivity": None}, "got NoneType None"),
        ({"alignment_sensitivity": []}, "alignment_sensitivity is empty; give at least one number"),
        ({"alignment_sensitivity": [0.1, -1.0]}, r"alignment_sensitivity\[1\] is -1.0; it must be at least 0"),
        (
            {"alignment_sensitivity": np.zeros((4, 1))},
            r"alignment_sensitivity has shape \(4, 1\); it must be a plain sequence",
        ),
        ({"alignment_sensitivity": [[0.1], [0.1, 0.2]]}, r"alignment_sensitivity\[0\] must be one real number"),
        ({"alignment_sensitivity": np.array(0.1)}, r"alignment_sensitivity has shape \(\)"),
        ({"influence": 0}, "influence is 0.0; it must be above 0"),
        ({"influence": -1.0}, "influence is -1.0; it must be above 0"),
        ({"influence": np.nan}, "influence is nan"),
        ({"influence": [0.5, 1.0]}, "influence must be one real number; got list"),
        ({"influence": 1 + 0j}, "got complex"),
        ({"alignment": [[1.0, 0.0]]}, r"alignment has shape \(1, 2\); A must be square"),
        ({"alignment": [1.0, 2.0]}, r"alignment has shape \(2,\)"),
        ({"alignment": [[1.0, 0.5], [0.25, 1.0]]}, r"not symmetric: entry \[0, 1\] is 0.5, \[1, 0\] is 0.25"),
        ({"alignment": [[1.0, 2.0], [2.0, 1.0]]}, "not positive definite: its smallest eigenvalue is -1"),
        ({"alignment": [[1.0, 1.0], [1.0, 1.0]]}, "not positive definite"),
        ({"alignment": [[1.0, np.nan], [np.nan, 1.0]]}, r"alignment\[0, 1\] is nan"),
        ({"alignment": "identity"}, "alignment has dtype"),
    ],
)
def test_parameters_that_are_not_allowed(parameters, message):
    with refused(message):
        Localmax(**parameters)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e160, 1e-160])
def test_scores_that_overflow_or_underflow(scale):
    with refused("would overflow or underflow in float64; scale tokens by c and alignment_sensitivity by c"):
        Localmax().check(np.array([[scale, 0.5 * scale], [-scale, 0.0]]), 1)


def test_small_tokens_among_large_ones():
    with refused(r"tokens\[1\] has scores of at most 1e-310"):
        check_scores(np.array([[1.0], [1e-310]]))
    check_scores(np.array([[1.0], [1e-200], [0.0]]))


def test_alignment_that_makes_scores_overflow_or_does_not_fit():
    with refused("would overflow"):
        Localmax(alignment=[[1e305]]).check(np.array([[1.0]]), 1)
    with refused(r"alignment has shape \(3, 3\), but the tokens have 2 components; A must be \(2, 2\)"):
        Localmax(alignment=np.eye(3)).check(np.eye(2), 1)


def test_tokens_of_a_member_are_checked_too():
    with refused(r"tokens\[0, 0\] is nan"):
        Localmax().check(np.array([[np.nan]]), 1)
    with refused(r"a member starts from \(token, component\)"):
        Localmax().check(np.zeros((2, 3, 1)), 1)


def test_sequences_are_one_value_a_step_not_a_token():
    with refused("alignment_sensitivity has 3 values for 5 steps; .* give 5 values"):
        Localmax([0.1, 0.2, 0.3]).check(np.ones((4, 1)), 5)
    with refused("alignment_sensitivity has 4 values for 2 steps and as many tokens"):
        Localmax([0.1] * 4).check(np.ones((4, 1)), 2)
    with refused("has 2 values, one a step, for 3 steps"):
        Explicit([0.1, 0.2]).values(3)
    Localmax([0.1] * 4).check(np.ones((4, 1)), 4)


def test_sensitivity_below_the_resolution_of_scores_warns():
    start = np.array([[1.0, 1.0], [0.5, 0.0]])
    with pytest.warns(ResolutionWarning, match="alignment_sensitivity is at most 1e-17, below the resolution 4.44e-16"):
        Localmax(1e-17).check(start, 10)
    Localmax(0.0).check(start, 10)
    Localmax(1e-15).check(start, 10)
    Localmax([0.1, 1e-30]).check(start, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tokens.uniform(0, 2), "n is 0; it must be at least 1"),
        (lambda: tokens.uniform(4, 2.0), "d must be an integer of at least 1; got float 2.0"),
        (lambda: tokens.normal(True, 2), "n must be an integer of at least 1; got bool True"),
        (lambda: tokens.uniform(4, 2, 1.0, 1.0), "high is 1.0; it must be above 1"),
        (lambda: tokens.uniform(4, 2, np.nan, 1.0), "low is nan"),
        (lambda: tokens.uniform(4, 2, -1.7e308, 1.7e308), "high - low is inf"),
        (lambda: tokens.array([[1.0]], labels=["a", "b"]), "labels have 2 names"),
        (lambda: tokens.array([[1.0], [2.0]], labels=["a", "a"]), "1 of them distinct; give 2 distinct strings"),
        (lambda: tokens.array([[1.0]], labels=[3]), "labels hold 3, which is no string"),
        (lambda: tokens.array(np.ones((2, 1, 1)), seeds=[1]), r"tokens hold 2 starts, seeds are \[1\]"),
        (lambda: tokens.array(np.ones((2, 1, 1)), seeds=[1, 1]), "one distinct seed for each start"),
        (lambda: tokens.array(np.ones((1, 1, 1)), seeds=[-1]), r"seeds\[0\] is -1; it must be at least 0"),
        (lambda: tokens.array(np.ones((1, 1, 1)), seeds=[0.5]), r"seeds\[0\] must be an integer"),
        (lambda: tokens.array(np.ones((1, 1, 1)), seeds=[3]).draw(4), r"starts for the seeds \[3\], none for seed 4"),
    ],
)
def test_sources_that_cannot_be(make, message):
    with refused(message):
        make()
