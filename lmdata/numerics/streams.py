"""Random streams of many seeds at once, compiled: the words of numpy's `SeedSequence`, `PCG64` and `Philox`.

To make one of numpy's generators takes as long as to draw thousands of words, and a run of many small members makes
one for each. All of it is integer arithmetic modulo 2^32, 2^64 or 2^128, so that the words are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.numerics.compiled import compiled

_POOL = 4
"""Words of 32 bits in the pool of a seed sequence."""

_LOW = np.uint64(0xFFFFFFFF)
_16, _32, _58, _63, _64 = (np.uint64(bits) for bits in (16, 32, 58, 63, 64))
_HASH_START, _HASH_FACTOR = np.uint64(0x43B0D7E5), np.uint64(0x931E8875)
_STATE_START, _STATE_FACTOR = np.uint64(0x8B51F9DD), np.uint64(0x58F38DED)
_MIX_LEFT, _MIX_RIGHT = np.uint64(0xCA01F9DD), np.uint64(0x4973F715)
_PCG_HIGH, _PCG_LOW = np.uint64(2549297995355413924), np.uint64(4865540595714422341)
_PHILOX_FACTORS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_PHILOX_KEYS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_ROUNDS = 10


@compiled(inline=True)
def _times(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the product of two words as (high, low)."""
    a_low, a_high, b_low, b_high = a & _LOW, a >> _32, b & _LOW, b >> _32
    low, one, other = a_low * b_low, a_high * b_low, a_low * b_high
    middle = (low >> _32) + (one & _LOW) + (other & _LOW)
    return a_high * b_high + (one >> _32) + (other >> _32) + (middle >> _32), a * b


@compiled(inline=True)
def _mixed(x: np.uint64, y: np.uint64) -> np.uint64:
    """Return two words of 32 bits as one."""
    result = (_MIX_LEFT * x - _MIX_RIGHT * y) & _LOW
    return result ^ (result >> _16)


@compiled()
def _generate(entropy: NDArray[np.uint64], pool: NDArray[np.uint64], state: NDArray[np.uint64]) -> None:
    """Fill a seed sequence's state of 64-bit words from its entropy, words of 32 bits (O'Neill's seed_seq_fe)."""
    factor = _HASH_START
    for i in range(_POOL):
        value = entropy[i] ^ factor
        factor = (factor * _HASH_FACTOR) & _LOW
        value = (value * factor) & _LOW
        pool[i] = value ^ (value >> _16)
    for source in range(entropy.size):
        for target in range(_POOL):
            if source == target:  # a word of the pool is not mixed with itself; further entropy goes into all
                continue
            value = (pool[source] if source < _POOL else entropy[source]) ^ factor
            factor = (factor * _HASH_FACTOR) & _LOW
            value = (value * factor) & _LOW
            pool[target] = _mixed(pool[target], value ^ (value >> _16))
    factor = _STATE_START
    for i in range(2 * state.size):
        value = pool[i % _POOL] ^ factor
        factor = (factor * _STATE_FACTOR) & _LOW
        value = (value * factor) & _LOW
        value ^= value >> _16
        state[i // 2] = value if i % 2 == 0 else state[i // 2] | (value << _32)


@compiled(inline=True)
def _spawn(root: NDArray[np.uint64], seed: np.uint64, stream: NDArray[np.uint64], entropy: NDArray[np.uint64]) -> int:
    """Fill the entropy of a seed's stream: the root, the seed's one or two words, the stream; return its length."""
    entropy[:] = 0
    entropy[: root.size] = root
    size = max(_POOL, root.size)
    entropy[size] = seed & _LOW
    size += 1
    if seed >> _32 != 0:
        entropy[size] = seed >> _32
        size += 1
    entropy[size : size + stream.size] = stream
    return int(size + stream.size)


@compiled()
def fill_pcg64(
    root: NDArray[np.uint64], seeds: NDArray[np.uint64], stream: NDArray[np.uint64], words: NDArray[np.uint64]
) -> None:
    """Fill words (seed, count) with the beginning of each seed's PCG64 stream (XSL-RR 128/64, O'Neill 2014).

    ``root`` and ``stream`` are words of 32 bits: the entropy of the seed sequence, and what follows the seed in its
    spawn key.
    """
    entropy, pool = np.empty(root.size + stream.size + _POOL + 2, np.uint64), np.empty(_POOL, np.uint64)
    state = np.empty(4, np.uint64)
    for row in range(seeds.size):
        size = _spawn(root, seeds[row], stream, entropy)
        _generate(entropy[:size], pool, state)
        one = np.uint64(1)
        step_high, step_low = (state[2] << one) | (state[3] >> _63), (state[3] << one) | one
        # from state 0, one step leads to the increment; the seed is added, and one more step is taken
        low = step_low + state[1]
        high = step_high + state[0] + np.uint64(low < step_low)
        for word in range(-1, words.shape[1]):
            carried, product = _times(low, _PCG_LOW)
            high = carried + high * _PCG_LOW + low * _PCG_HIGH + step_high
            low = product + step_low
            high += np.uint64(low < step_low)
            if word >= 0:
                folded, turn = high ^ low, high >> _58
                words[row, word] = (folded >> turn) | (folded << ((_64 - turn) & _63))


@compiled()
def fill_philox(
    root: NDArray[np.uint64],
    seeds: NDArray[np.uint64],
    stream: NDArray[np.uint64],
    step: int,
    words: NDArray[np.uint64],
) -> None:
    """Fill words (seed, count) with Philox 4x64-10 (Salmon et al. 2011), keyed by the seed, counted by ``step``.

    ``root`` and ``stream`` are those of `fill_pcg64`.
    """
    entropy, pool = np.empty(root.size + stream.size + _POOL + 2, np.uint64), np.empty(_POOL, np.uint64)
    key = np.empty(2, np.uint64)
    count = words.shape[1]
    for row in range(seeds.size):
        size = _spawn(root, seeds[row], stream, entropy)
        _generate(entropy[:size], pool, key)
        for begin in range(0, count, 4):
            a, b, c, d = np.uint64(begin // 4 + 1), np.uint64(step), np.uint64(0), np.uint64(0)
            first, second = key[0], key[1]
            for _ in range(_ROUNDS):
                high, low = _times(_PHILOX_FACTORS[0], a)
                other_high, other_low = _times(_PHILOX_FACTORS[1], c)
                a, b, c, d = other_high ^ b ^ first, other_low, high ^ d ^ second, low
                first, second = first + _PHILOX_KEYS[0], second + _PHILOX_KEYS[1]
            words[row, begin] = a
            if begin + 1 < count:
                words[row, begin + 1] = b
            if begin + 2 < count:
                words[row, begin + 2] = c
            if begin + 3 < count:
                words[row, begin + 3] = d
