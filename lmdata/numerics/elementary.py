"""Exponential and logarithm that have the same bits on every machine, for use inside compiled functions.

The C library's versions differ between systems in the last bit, and a training run would carry that difference
into its digest. These use only sums, products, quotients and exact scaling by powers of two, in a fixed order;
`exp` is within one unit in the last place of the true value, `log` within three, `softplus` within five.
"""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np

from lmdata.numerics.compiled import compiled

_LN2_HIGH = 0.6931471803691238  # ln 2 with 21 trailing zero bits: k times it is exact for |k| < 2^20
_LN2_LOW = 1.9082149292705877e-10
_PARTS = 32
_PARTS_BY_LN2 = _PARTS / 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_EXP_OVERFLOW = 709.782712893384
_EXP_UNDERFLOW = -745.1332191019412

_EXP_TERMS = tuple(1.0 / math.factorial(k) for k in range(7, 0, -1))
_EXP_PARTS = np.array([float(Decimal(2) ** (Decimal(j) / _PARTS)) for j in range(_PARTS)])  # 2^(j/32), rounded once
_LOG_TERMS = tuple(1.0 / (2 * k + 1) for k in range(11, -1, -1))
_LOWEST_POWER = -538
_POWERS = np.ldexp(1.0, np.arange(_LOWEST_POWER, 513))  # powers of two, all exact; products of two span float64


@compiled(inline=True)
def exp(x: float) -> float:
    """Return e^x; infinity above 709.78, zero below -745.13, NaN for NaN.

    ``x = (k + j/32) ln 2 + r`` with ``|r| <= ln(2)/64``: 2^k exactly, 2^(j/32) from a table, and Taylor's
    polynomial of degree 7 for e^r (truncation 5e-21).

    Examples
    --------
    >>> exp(0.0), abs(exp(1.0) - math.e) < 1e-15
    (1.0, True)
    """
    bounded = x if x > _EXP_UNDERFLOW else _EXP_UNDERFLOW
    bounded = bounded if bounded < _EXP_OVERFLOW else _EXP_OVERFLOW
    parts = np.floor(bounded * _PARTS_BY_LN2 + 0.5)
    whole = np.int32(parts)
    k, j = whole >> 5, whole & 31
    r = (bounded - parts * (_LN2_HIGH / _PARTS)) - parts * (_LN2_LOW / _PARTS)
    series = 0.0
    for term in _EXP_TERMS:
        series = series * r + term
    total = _EXP_PARTS[j] + _EXP_PARTS[j] * (series * r)
    half = k >> 1
    power = (total * _POWERS[half - _LOWEST_POWER]) * _POWERS[k - half - _LOWEST_POWER]
    power = math.inf if x > _EXP_OVERFLOW else power
    power = 0.0 if x < _EXP_UNDERFLOW else power
    return x if math.isnan(x) else power


@compiled(inline=True)
def log(x: float) -> float:
    """Return the natural logarithm; minus infinity at zero, NaN below it and for NaN, infinity for infinity.

    ``x = 2^k m`` with ``m`` in [sqrt(1/2), sqrt(2)) and ``log m = 2 artanh((m - 1)/(m + 1))`` (truncation 1e-18).

    Examples
    --------
    >>> log(1.0), abs(log(10.0) - math.log(10.0)) < 1e-15
    (0.0, True)
    """
    if x == 0.0:
        return -math.inf
    if x < 0.0:
        return math.nan
    if math.isnan(x) or math.isinf(x):
        return x
    m, k = math.frexp(x)
    if m < _SQRT_HALF:
        m, k = 2.0 * m, k - 1
    f = (m - 1.0) / (m + 1.0)
    square = f * f
    total = 0.0
    for term in _LOG_TERMS:
        total = total * square + term
    return k * _LN2_HIGH + (2.0 * f * total + k * _LN2_LOW)


@compiled(inline=True)
def softplus(x: float) -> float:
    """Return log(1 + e^x) without overflow, and with full relative accuracy where it is tiny.

    Examples
    --------
    >>> softplus(-50.0) == exp(-50.0), softplus(800.0)
    (True, 800.0)
    """
    small = exp(-abs(x))
    shifted = 1.0 + small
    logarithm = small if shifted == 1.0 else log(shifted) * (small / (shifted - 1.0))  # Kahan's log(1 + small)
    return max(x, 0.0) + logarithm


@compiled(inline=True)
def signed_power(x: float, exponent: float) -> float:
    """Return sign(x) |x|^exponent, for a positive exponent.

    Examples
    --------
    >>> abs(signed_power(-8.0, 1 / 3) + 2) < 1e-15
    True
    """
    if x == 0.0:
        return 0.0
    return math.copysign(exp(exponent * log(abs(x))), x)
