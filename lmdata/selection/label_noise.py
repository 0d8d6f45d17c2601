"""Samples of two classes, some labels of them wrong: what attention selects that is trained to fit them all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number
from lmdata.selection.problem import Problem
from lmdata.selection.source import PlainSource, register
from lmdata.selection.sources import DATA_STREAM, normal


@register
@dataclass(frozen=True)
class LabelNoise(PlainSource):
    """See :func:`label_noise`."""

    kind: ClassVar[str] = "label-noise"
    sweepable: ClassVar[tuple[str, ...]] = ("signal", "weak", "flipped")
    depends_on_seed: ClassVar[bool] = True

    samples: int = 20
    tokens: int = 8
    features: int = 2000
    signal: float = 20.0
    weak: float = 0.1
    flipped: float = 0.2

    def __post_init__(self) -> None:
        for name, minimum in (("samples", 1), ("tokens", 3), ("features", 2)):
            object.__setattr__(self, name, as_count(getattr(self, name), name, minimum=minimum))
        for name in self.sweepable:
            number = as_number(getattr(self, name), name, minimum=0.0, above=name == "signal")
            object.__setattr__(self, name, number)
        if self.flipped > 1.0:
            raise InvalidInput(f"flipped is {self.flipped}; it is a share of the samples, at most 1")

    def draw(self, seed: int) -> Problem:
        """Return the problem of a seed: noise, classes and the order of flips, in this order of the stream."""
        n, width, d = self.samples, self.tokens, self.features
        numbers = normal(seed, DATA_STREAM, (n * width * d + 2 * n,))
        noise, classes, order = np.split(numbers, [n * width * d, n * width * d + n])
        tokens, rows, own = noise.reshape(n, width, d), np.arange(n), np.where(classes > 0, 0, 1)
        tokens[rows, 0, own] += self.signal
        tokens[rows, 1, own] += self.weak * self.signal
        tokens[rows, 2, 1 - own] += self.weak * self.signal
        labels = np.where(classes > 0, 1.0, -1.0)
        wrong = math.ceil(n * self.flipped - 1e-9)  # 0.1 times 30 is above 3 by a rounding
        labels[np.argsort(order, kind="stable")[:wrong]] *= -1.0
        value = np.zeros(d)
        value[:2] = np.array([1.0, -1.0]) / (math.sqrt(2.0) * self.signal)
        return Problem(tokens, labels, value=value)


def label_noise(
    samples: int = 20,
    tokens: int = 8,
    features: int = 2000,
    *,
    signal: float = 20.0,
    weak: float = 0.1,
    flipped: float = 0.2,
) -> LabelNoise:
    """Return samples of two classes with wrong labels among them (arXiv 2409.17625).

    All tokens are standard normal noise. Besides, token 0 has the signal of its class, ``signal`` times e_1 or e_2,
    token 1 ``weak`` times that, and token 2 ``weak`` times the signal of the other class. The value vector is
    ``(e_1 - e_2) / (sqrt(2) signal)``, which tells the classes apart: the prompt alone is to be trained. A share of
    the labels, rounded up, is flipped: there the score of token 0 is negative (`token_scores`), unless the signal is as
    weak as the noise, whose standard deviation along the value vector's direction is 1.

    Parameters
    ----------
    samples, tokens, features
        Sizes n, T (at least 3) and d (at least 2). Where d is far above n T, noise can be told apart by itself.
    signal, weak, flipped
        Length of the signal, share of it in the weak tokens, share of wrong labels. A sweep may vary each.

    Returns
    -------
    LabelNoise
        Draws another problem for every seed.

    Examples
    --------
    >>> problem = label_noise(10, 4, 50).draw(seed=1)
    >>> int((problem.scores()[:, 0] < 0).sum())
    2
    """
    return LabelNoise(samples, tokens, features, signal, weak, flipped)
