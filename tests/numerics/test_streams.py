"""Compiled streams are numpy's, word for word."""

import numpy as np
import pytest

from lmdata.numerics import random
from lmdata.numerics.random import ROOT_ENTROPY

SEEDS = [*range(random.MANY), 2**32 - 1, 2**32, 2**40 + 7, 2**63 - 1]
"""Enough for the compiled generator, with one and two words of 32 bits each."""


@pytest.mark.parametrize("stream", [(), (1,), (0, 2**33)])
def test_many_seeds_have_the_words_of_pcg64(stream):
    assert len(SEEDS) >= random.MANY
    words = random.raw_words(SEEDS, 33, stream=stream)
    for row, seed in enumerate(SEEDS):
        sequence = np.random.SeedSequence(ROOT_ENTROPY, spawn_key=(seed, *stream))
        assert np.array_equal(words[row], np.random.PCG64(sequence).random_raw(33))


@pytest.mark.parametrize("stream", [(), (1,), (0, 2**33)])
@pytest.mark.parametrize("step", [0, 7, 2**40 + 3])
def test_counted_words_are_those_of_philox(stream, step):
    words = random.counted_words(SEEDS, step, 13, stream=stream)
    for row, seed in enumerate(SEEDS):
        key = np.random.SeedSequence(ROOT_ENTROPY, spawn_key=(seed, *stream)).generate_state(2, np.uint64)
        generator = np.random.Philox(key=key, counter=np.array([0, step, 0, 0], np.uint64))
        assert np.array_equal(words[row], generator.random_raw(13))


def test_few_seeds_and_many_have_the_same_words():
    many = random.raw_words(SEEDS, 5)
    for row, seed in enumerate(SEEDS):
        assert np.array_equal(many[row], random.raw_words([seed], 5)[0])
