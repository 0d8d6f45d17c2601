"""Checks of what comes in: each returns the value in its one accepted form, or says what is wrong with it."""

from __future__ import annotations

import itertools
import math
import numbers
import operator
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput

LARGEST, SMALLEST = 2.0**500, 2.0**-500
"""Bounds of a token's components, so that scores and their sums stay far from overflow and underflow."""


def unlabelled(value: Any) -> Any:
    """Return the bare array of a DataArray or a pandas column, a number of one of no dimension; else the value itself.

    Examples
    --------
    >>> import xarray
    >>> unlabelled(xarray.DataArray(2)), unlabelled([1, 2])
    (np.int64(2), [1, 2])
    """
    if not callable(getattr(value, "to_numpy", None)):
        return value
    bare = value.to_numpy()
    return bare[()] if bare.ndim == 0 else bare


def as_float(value: Any) -> float:
    """Return a real number as a float, infinite where it is too large for one; -0.0 and 0.0 are one value.

    Examples
    --------
    >>> as_float(10**400), as_float(-0.0)
    (inf, 0.0)
    """
    try:
        return float(value) + 0.0
    except OverflowError:
        return math.copysign(math.inf, 1 if value > 0 else -1)


def as_number(value: Any, argument: str, *, minimum: float = -math.inf, above: bool = False) -> float:
    """Return a finite real number as float, at least ``minimum`` (or strictly above it).

    Raises
    ------
    InvalidInput
        If it is no single real number (a bool, a string, an array), not finite, or too small.

    Examples
    --------
    >>> as_number(2, "influence", minimum=0, above=True)
    2.0
    """
    value = unlabelled(value)
    if isinstance(value, bool | np.bool) or not isinstance(value, numbers.Real):
        raise InvalidInput(f"{argument} must be one real number; got {_short(value)}")
    number = as_float(value)
    if not math.isfinite(number):
        raise InvalidInput(f"{argument} is {number}; it must be finite")
    if number < minimum or (above and number == minimum):
        raise InvalidInput(f"{argument} is {number!r}; it must be {'above' if above else 'at least'} {minimum:g}")
    return number


def as_numbers(values: Any, argument: str, *, minimum: float = -math.inf) -> tuple[float, ...]:
    """Return a sequence of at least one finite real number, each at least ``minimum``, as a tuple of floats.

    Examples
    --------
    >>> as_numbers([0, 0.5], "period", minimum=0)
    (0.0, 0.5)
    """
    values = unlabelled(values)
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidInput(f"{argument} must be a sequence of numbers; got {_short(values)}")
    shape = getattr(values, "shape", (0,))
    if len(shape) != 1:
        raise InvalidInput(f"{argument} has shape {shape}; it must be a plain sequence of numbers")
    numbers = tuple(as_number(value, f"{argument}[{i}]", minimum=minimum) for i, value in enumerate(values))
    if not numbers:
        raise InvalidInput(f"{argument} is empty; give at least one number")
    return numbers


def as_count(value: Any, argument: str, *, minimum: int = 1) -> int:
    """Return an integer of at least ``minimum``; refuse bools and floats.

    Examples
    --------
    >>> as_count(16, "n")
    16
    """
    value = unlabelled(value)
    if isinstance(value, bool | np.bool | np.ndarray) or not hasattr(value, "__index__"):
        raise InvalidInput(f"{argument} must be an integer of at least {minimum}; got {_short(value)}")
    number = operator.index(value)
    if number < minimum:
        raise InvalidInput(f"{argument} is {number}; it must be at least {minimum}")
    return number


def as_text(value: Any, argument: str) -> str:
    r"""Return text that comes back from a file as it is.

    Raises
    ------
    InvalidInput
        If it is no text, ends in NUL (which arrays of text drop), or holds half a surrogate pair (which is no letter).

    Examples
    --------
    >>> as_text("river", "labels[0]")
    'river'
    >>> as_text("river\0", "labels[0]")
    Traceback (most recent call last):
    lmdata.errors.InvalidInput: labels[0] is 'river\x00', which ends in NUL and would be stored without it; take it off
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{argument} is {_short(value)}, which is no text; give a string")
    if value.endswith("\0"):
        raise InvalidInput(
            f"{argument} is {value!r:.60}, which ends in NUL and would be stored without it; take it off"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{argument} is {value!r:.60}, whose character {error.start} is half a surrogate pair and cannot be "
            "stored; decode the text that it is from, or leave it out"
        ) from error
    return str(value)


def as_path(value: Any, argument: str) -> Path:
    """Return a path, with ``~`` for the home directory.

    Raises
    ------
    InvalidInput
        If it is none, empty, holds a NUL, or there is no such home directory.

    Examples
    --------
    >>> as_path("~/runs", "store") == Path.home() / "runs"
    True
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(text := os.fspath(value), str):
        raise InvalidInput(f"{argument} must be a path; got {_short(value)}")
    if not text or "\0" in text:
        raise InvalidInput(f"{argument} is {text!r}; give the path of a file or folder")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InvalidInput(f"{argument} is {text!r}, and there is no such home directory: {error}") from error


def check_folder(path: Path, argument: str) -> None:
    """Refuse a path that cannot be made a folder, since it or something on the way to it is a file; nothing is made.

    Raises
    ------
    InvalidInput
        The message names what is no folder.

    Examples
    --------
    >>> check_folder(Path("/dev/null/pages"), "output")
    Traceback (most recent call last):
    lmdata.errors.InvalidInput: output is '/dev/null/pages', which cannot be made a folder: Not a directory: /dev/null
    """
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InvalidInput(f"{argument} is {str(path)!r}, which cannot be made a folder: Not a directory: {there}")


def as_tokens(values: Any, argument: str = "tokens") -> NDArray[np.float64]:
    """Return tokens as a new C-ordered float64 array of shape (n, d) or (seeds, n, d), every value unchanged.

    Integers and float32 are converted exactly; an integer that float64 does not hold is refused.

    Raises
    ------
    InvalidInput
        If the values are masked, no real numbers, of half or extended precision, not two- or three-dimensional,
        empty, or not finite (the first such index is named).

    Examples
    --------
    >>> as_tokens([[1, 0], [0, 1]])
    array([[1., 0.],
           [0., 1.]])
    """
    array = as_real_array(values, argument)
    if array.ndim not in (2, 3):
        raise InvalidInput(
            f"{argument} has shape {array.shape}; it must be (token, component) or (seed, token, component)"
        )
    if 0 in array.shape:
        raise InvalidInput(f"{argument} has shape {array.shape}; there must be at least one token and one component")
    return array + 0.0  # -0.0 and 0.0 are one token, hence one digest


def as_real_array(values: Any, argument: str) -> NDArray[np.float64]:
    """Return values as a finite float64 array, converted exactly; see :func:`as_tokens`."""
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidInput(f"{argument} is a masked array; no value may be missing: fill or drop the masked ones")
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{argument} is no rectangular array of numbers on this host ({error}); give a numpy array"
        ) from error
    if array.dtype.kind not in "iuf":
        raise InvalidInput(
            f"{argument} has dtype {array.dtype}; it must hold real numbers: float64, float32 or integers"
        )
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        raise InvalidInput(
            f"{argument} has dtype {array.dtype}; convert it to float64 first, knowing what precision that means"
        )
    converted = array.astype(np.float64, order="C")
    _refuse_first(argument, array, ~np.isfinite(converted), "all values must be finite")
    if array.dtype.kind in "iu":
        inexact = np.asarray(np.abs(converted) >= 2.0**53)
        pairs = zip(converted[inexact], array[inexact], strict=True)
        inexact[inexact] = [int(float64) != int(integer) for float64, integer in pairs]
        _refuse_first(argument, array, inexact, "float64 does not hold that integer exactly: scale it first")
    return converted


def as_alignment(values: Any, argument: str = "alignment") -> NDArray[np.float64]:
    """Return an alignment matrix A as a (d, d) float64 array: symmetric to the bit and positive definite.

    Raises
    ------
    InvalidInput
        If it is not square, not symmetric (the first unequal pair is named) or not positive definite.

    Examples
    --------
    >>> as_alignment([[2, 1], [1, 2]])
    array([[2., 1.],
           [1., 2.]])
    """
    matrix = as_real_array(values, argument)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InvalidInput(f"{argument} has shape {matrix.shape}; A must be square, (component, component)")
    unequal = np.argwhere(matrix != matrix.T)
    if unequal.size:
        i, j = (int(index) for index in unequal[0])
        raise InvalidInput(
            f"{argument} is not symmetric: entry [{i}, {j}] is {matrix[i, j]}, [{j}, {i}] is {matrix[j, i]}; "
            "give (A + A.T) / 2 if the difference is rounding"
        )
    eigenvalues = np.linalg.eigvalsh(matrix)
    if not eigenvalues[0] > matrix.shape[0] * np.finfo(float).eps * abs(eigenvalues[-1]):
        raise InvalidInput(
            f"{argument} is not positive definite: its smallest eigenvalue is {eigenvalues[0]:.6g}; "
            "all must be above zero"
        )
    return matrix


def check_batch(
    models: Sequence[object], state: NDArray[np.float64], *, start: int, record: Sequence[int]
) -> tuple[int, int, int]:
    """Return the shape (m, n, d) of a batch's state; refuse one that does not fit its models or its record.

    Raises
    ------
    InvalidInput
        If ``state`` is no float64 array (m, n, d) with one member a model, or the steps to record do not ascend from
        ``start``.

    Examples
    --------
    >>> check_batch([None], np.zeros((1, 3, 2)), start=0, record=[0, 5])
    (1, 3, 2)
    """
    if state.ndim != 3 or state.dtype != np.float64 or len(state) != len(models):
        raise InvalidInput(
            f"state is {state.dtype} of shape {state.shape} for {len(models)} models; "
            "it must be float64, (member, token, component), one member a model"
        )
    if len(record) == 0 or any(later <= earlier for earlier, later in itertools.pairwise([start - 1, *record])):
        raise InvalidInput(f"record is {list(record)}; it must be step numbers that ascend from start={start}")
    members, n, d = state.shape
    return members, n, d


def check_scores(tokens: NDArray[np.float64], alignment: NDArray[np.float64] | None = None) -> None:
    """Refuse tokens (..., n, d) whose scores <A z_i, z_j> could overflow or underflow.

    Tokens never leave the convex hull of where they start, so what holds at the start holds for ever.

    Raises
    ------
    InvalidInput
        If a component's largest magnitude is not 0 and outside 2^-500..2^500, or a token other than 0 has a bound
        sum_k |A z_i|_k max_j |z_jk| of its scores outside 2^-1000..2^1000.

    Examples
    --------
    >>> check_scores(np.array([[1e200]]))
    Traceback (most recent call last):
    lmdata.errors.InvalidInput: tokens reach |z| = 1e+200 in component 0: scores would overflow or underflow in float64;
    scale tokens by c and alignment_sensitivity by c^2, which gives the same dynamics
    """
    n, d = tokens.shape[-2:]
    members = tokens.reshape(-1, n, d).transpose(1, 2, 0)  # members last: numpy is slow along short last axes
    size = np.abs(members, order="C")
    reach = size.max(axis=0)
    wrong = np.argwhere((reach != 0.0) & ~((reach >= SMALLEST) & (reach <= LARGEST)))
    for k, member in wrong[:1]:
        raise InvalidInput(_out_of_range(f"tokens reach |z| = {reach[k, member]:.3g} in component {k}"))
    bounds, somewhere = np.zeros((n, size.shape[2])), np.zeros((n, size.shape[2]), np.bool_)
    with np.errstate(over="ignore", under="ignore"):
        against = reach if alignment is None else np.abs(alignment) @ reach
        for k in range(d):
            bounds += size[:, k] * against[k]
            somewhere |= size[:, k] > 0.0
    wrong = np.argwhere(somewhere & ~((bounds >= SMALLEST**2) & (bounds <= LARGEST**2)))
    for i, member in wrong[:1]:
        raise InvalidInput(_out_of_range(f"tokens[{i}] has scores of at most {bounds[i, member]:.3g}"))


def _out_of_range(what: str) -> str:
    """Return the message for values that float64 cannot compare safely."""
    return (
        f"{what}: scores would overflow or underflow in float64; "
        "scale tokens by c and alignment_sensitivity by c^2, which gives the same dynamics"
    )


def _refuse_first(argument: str, values: NDArray[Any], wrong: NDArray[np.bool], allowed: str) -> None:
    """Raise for the first wrong entry, naming its index and value."""
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InvalidInput(f"{argument}{list(index)} is {values[index]}; {allowed}")


def _short(value: Any) -> str:
    """Return a value's type and beginning, for a message."""
    text = " ".join(repr(value).split())
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
