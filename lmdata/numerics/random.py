"""Random numbers whose bits are the same on every machine and with every numpy.

The raw 64-bit words are those of numpy's PCG64 and Philox, whose streams its policy guarantees; all that is made of
them here is integer shifts, ``+ - * /`` and square roots, which IEEE 754 defines exactly. No logarithm of the C library
occurs. A seed has several streams, apart by what follows the seed in the spawn key of its `numpy.random.SeedSequence`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.special import ratio

ROOT_ENTROPY = 0x6C6D64617461
"""Entropy of the root seed sequence, "lmdata" in ASCII; seeds are its spawn keys."""

MANY = 64
"""Seeds from which on a compiled generator draws them all: numpy's, one a seed, take 10 us to make."""


def raw_words(seeds: Sequence[int], count: int, *, stream: tuple[int, ...] = ()) -> NDArray[np.uint64]:
    """Return the first ``count`` 64-bit words of a stream of each seed, (seed, count).

    Examples
    --------
    >>> many = raw_words(range(100), 3)
    >>> bool((many[[7]] == raw_words([7], 3)).all())
    True
    """
    words = np.empty((len(seeds), count), np.uint64)
    if len(seeds) < MANY:
        for row, seed in enumerate(seeds):
            sequence = np.random.SeedSequence(ROOT_ENTROPY, spawn_key=(seed, *stream))
            words[row] = np.random.PCG64(sequence).random_raw(count)
    else:
        from lmdata.numerics.streams import fill_pcg64

        fill_pcg64(_parts([ROOT_ENTROPY]), np.array(seeds, np.uint64), _parts(stream), words)
    return words


def counted_words(seeds: Sequence[int], step: int, count: int, *, stream: tuple[int, ...] = ()) -> NDArray[np.uint64]:
    """Return the first ``count`` words that belong to a step of a stream of each seed, (seed, count).

    The generator is Philox, which counts: key the seed, counter the step. So no state has to be kept between steps.

    Examples
    --------
    >>> bool((counted_words([3, 5], 7, 2)[1] == counted_words([5], 7, 2)[0]).all())
    True
    """
    from lmdata.numerics.streams import fill_philox

    words = np.empty((len(seeds), count), np.uint64)
    fill_philox(_parts([ROOT_ENTROPY]), np.array(seeds, np.uint64), _parts(stream), step, words)
    return words


def _parts(numbers: Sequence[int]) -> NDArray[np.uint64]:
    """Return the words of 32 bits that numbers consist of, each from its lowest, as a seed sequence takes them."""
    parts = [number >> shift & 0xFFFFFFFF for number in numbers for shift in range(0, max(1, number.bit_length()), 32)]
    return np.array(parts, np.uint64)


def uniform(seeds: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return numbers in [0, 1) for each seed, (seed, *shape): the multiples of 2**-53, each equally likely.

    Examples
    --------
    >>> uniform([0], (2,))[0].tolist() == uniform([0], (3,))[0].tolist()[:2]
    True
    """
    words = raw_words(seeds, math.prod(shape)) >> np.uint64(11)
    return words.astype(np.float64).reshape(len(seeds), *shape) * 2.0**-53


def normal(seeds: Sequence[int], shape: tuple[int, ...], *, stream: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Return standard normal numbers for each seed, (seed, *shape), by inversion of one word each.

    Examples
    --------
    >>> normal([0], (2,))[0].tolist() == normal([0], (3,))[0].tolist()[:2]
    True
    """
    return normal_of(raw_words(seeds, math.prod(shape), stream=stream)).reshape(len(seeds), *shape)


def normal_of(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return the standard normal numbers of words, whose first 52 bits k give the probability (k + 1/2) 2**-52.

    It is never 0, 1/2 or 1.

    Examples
    --------
    >>> normal_of(np.array([0, 2**63 - 1, 2**64 - 1], np.uint64)).round(3)
    array([-8.21, -0.  ,  8.21])
    """
    return normal_quantile(((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def sphere(seeds: Sequence[int], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return points uniform on the unit sphere for each seed, (seed, n, d): normal vectors divided by their length.

    Examples
    --------
    >>> sphere([0], (2, 1))[0].tolist() in ([[1.0], [1.0]], [[1.0], [-1.0]], [[-1.0], [1.0]], [[-1.0], [-1.0]])
    True
    """
    points = normal(seeds, shape)
    return points / lengths(points)[..., None]


def lengths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean length of each vector along the last axis, squares summed over ascending components.

    Examples
    --------
    >>> lengths(np.array([[3.0, 4.0]]))
    array([5.])
    """
    square = np.zeros(points.shape[:-1])
    for k in range(points.shape[-1]):
        square += points[..., k] * points[..., k]
    return np.sqrt(square)


def normal_quantile(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard normal quantile of probabilities in (0, 1), to about 1e-16 relative.

    Algorithm AS 241, PPND16 (Wichura 1988, Applied Statistics 37, 477-484).

    Examples
    --------
    >>> normal_quantile(np.array([0.25]))
    array([-0.67448975])
    """
    centred = probability - 0.5
    central = np.abs(centred) <= 0.425
    square = np.where(central, 0.180625 - centred * centred, 0.0)
    tail = np.sqrt(-_logarithm(np.minimum(probability, 1.0 - probability)))
    near = ratio(tail - 1.6, _NEAR)
    far = ratio(tail - 5.0, _FAR)
    outer = np.where(tail <= 5.0, near, far)
    return np.where(central, centred * ratio(square, _CENTRAL), np.where(centred < 0.0, -outer, outer))


def _logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the natural logarithm of positive numbers: log(m 2^e) = 2 artanh((m - 1)/(m + 1)) + e log 2."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    exponent = np.where(low, exponent - 1, exponent).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.zeros_like(x)
    for power in range(21, 0, -2):
        series = series * square + 2.0 / power
    return exponent * _LOG2_HIGH + (s * series + exponent * _LOG2_LOW)


_LOG2_HIGH, _LOG2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""log 2 in two parts; the first has 21 trailing zero bits, so that its products with exponents are exact."""

_CENTRAL = (
    (
        2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
    ),
    (
        5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0,
    ),
)  # fmt: skip
_NEAR = (
    (
        7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
        3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
        0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
    ),
)  # fmt: skip
_FAR = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
        0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
        0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0,
    ),
)  # fmt: skip
