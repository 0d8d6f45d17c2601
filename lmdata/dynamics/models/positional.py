"""Causal attention on the sphere that knows positions: by a bias that falls with distance, and by rotation."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import Own
from lmdata.dynamics.models.parameters import flag, number, refuse_overflow
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.dynamics.models.weights import softmax_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import exponential_of, per_member
from lmdata.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROTARY_BASE = 10_000.0
"""Ratio of the fastest frequency of rotation to the limit of the slowest (arXiv 2104.09864)."""


@register
@dataclass(frozen=True, kw_only=True)
class PositionalAttention(SphereFlow):
    r"""Causally masked attention on the unit sphere with positions, as language models have them.

    .. math:: x_i' = \mathrm{Proj}_{x_i} \Big( \sum_{j < i} P_{ij} x_j \Big), \qquad
              w_{ij} = e^{\beta \langle R^i x_i, R^j x_j \rangle - \lambda (i - j - 1)}

    with :math:`P_{ij} = w_{ij}` (USA on a sequence, whose sum converges without a division by n), or averaged,
    :math:`P_{ij} = w_{ij} / \sum_{l < i} e^{-\lambda (i - l - 1)}` (USA of arXiv 2605.09213, of n tokens and the slope
    lambda / n), or :math:`P_{ij} = w_{ij} / \sum_{l < i} w_{il}` (SA). The bias that falls by lambda a position is
    ALiBi (arXiv 2108.12409); R, which turns the components 2 m and 2 m + 1 by the angle
    :math:`\omega\, 10000^{-2m/d}`, is RoPE (arXiv 2104.09864). The mask is strict: the first token attends to none and
    stays.

    Order is the point: permuting tokens does not permute the trajectory, and tokens do not feel later ones.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    slope : float
        lambda >= 0, a position.
    rotation : float
        omega, radians a position; other than 0 it needs an even number of components.
    normalised : bool
        SA, or USA.
    strict : bool
        Tokens attend to earlier ones alone, or to themselves too; the distance is then counted from themselves,
        :math:`i - j` for :math:`j \le i`.
    averaged : bool
        The factors by distance of what a token attends to have the sum one (USA only).
    ellipsoid, off_surface, step_size, scheme
        As in `SphereAttention`; a bias and a rotation keep the sphere, and an ellipsoid only without rotation.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> model = PositionalAttention(slope=1.0)
    >>> model.attention(np.ones((1, 3, 1)))[0].round(3)  # e^beta, and a factor 1/e a position
    array([[0.   , 0.   , 0.   ],
           [2.718, 0.   , 0.   ],
           [1.   , 2.718, 0.   ]])
    """

    kind: ClassVar[str] = "positional-attention"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature", "slope", "rotation")
    causal: ClassVar[bool] = True

    slope: float = number(0.0, minimum=0)
    rotation: float = number(0.0)
    normalised: bool = flag(False)
    strict: bool = flag(True)
    averaged: bool = flag(False, later=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.normalised:
            refuse_overflow(self.inverse_temperature, self._reach(None))
        elif self.averaged:
            raise InvalidInput(
                "averaged is True and normalised True, which divides by the sum of the whole weights; leave one out"
            )
        if self.rotation != 0 and self.ellipsoid is not None:
            raise InvalidInput(
                f"rotation is {self.rotation:g} and an ellipsoid is given, which rotations do not keep; leave one out"
            )

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse a rotation of an odd number of components."""
        super().check_batch(models, tokens, steps)
        turning = [model.rotation for model in models if model.rotation != 0]
        if turning and tokens.shape[-1] % 2:
            raise InvalidInput(
                f"rotation is {turning[0]:g} and the tokens have {counted(tokens.shape[-1], 'component')}; "
                "rotations turn pairs of them: give tokens with an even number, or rotation=0"
            )

    def fastest_rate(self, n: int) -> float:
        """Return the most that the weights of a token can sum to."""
        if self.normalised:
            return 1.0
        total = float(n) if self.slope == 0 else min(float(n), 1.0 / -float(np.expm1(-self.slope)))
        total = 1.0 if self.averaged else total
        return total * float(np.exp(self.inverse_temperature * self._reach(None)))

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what each token attends to; a token that attends to none is not moved."""
        queries, keys = self._biased(state, own)
        if not self.strict:
            return self._sums(queries, keys, state, own)
        found = np.zeros_like(state)
        if state.shape[1] > 1:  # row i - 1 is token i, whose keys are the tokens up to i - 1
            found[:, 1:] = self._sums(queries[:, 1:], keys[:, :-1], state[:, :-1], own)
        return found

    def _sums(self, queries: Array, keys: Array, values: Array, own: Own) -> Array:
        """Return the sums over keys up to its own row of weight times value, (m, r, d).

        The kernel divides weights that are not normalised by the number of rows: with tokens that nobody sees it is
        made a power of two, so that the product with it undoes that to the bit, whatever the number of tokens.
        """
        ones, rows = np.ones(len(values)), values.shape[1]
        if self.normalised:
            return values + attend(queries, keys, values, ones, causal=True)[0]
        filled = 1 << (rows - 1).bit_length()
        padded = [np.pad(part, ((0, 0), (0, filled - rows), (0, 0))) for part in (queries, keys, values)]
        increment, mass = attend(*padded, ones, normalised=False, causal=True)  # type: ignore[arg-type, misc]
        sums = np.asarray(filled * (mass[:, :rows, None] * values + increment[:, :rows]))
        if self.averaged:
            sums /= np.stack([_totals(float(slope), rows) for slope in own["slope"]])[..., None]
        return sums

    def _biased(self, state: Array, own: Own) -> tuple[Array, Array]:
        """Return queries and keys (m, n, d + 2) whose inner products are the exponents of the weights."""
        position = np.arange(state.shape[1], dtype=np.float64)
        turned = np.stack([rotated(tokens, float(angle)) for tokens, angle in zip(state, own["rotation"], strict=True)])
        slope = per_member(own["slope"], 2)
        ones = np.ones(state.shape[:2])
        distance = position - 1.0 if self.strict else position
        beta = per_member(own["inverse_temperature"], 3)
        queries = np.concatenate([beta * turned, np.stack([-slope * distance, ones], axis=-1)], axis=-1)
        keys = np.concatenate([turned, np.stack([ones, slope * position], axis=-1)], axis=-1)
        return queries, keys

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        own = {name: np.full(len(state), getattr(self, name)) for name in self.sweepable}
        n = state.shape[1]
        allowed = np.tri(n, k=-1 if self.strict else 0, dtype=bool)
        exponent = np.where(allowed, scores(*self._biased(state, own)), -np.inf)
        first = 1 if self.strict else 0
        if not self.normalised:
            weights = np.exp(exponent)
            if self.averaged:
                weights[:, first:] /= _totals(self.slope, n - first)[:, None]
            return weights
        weights = np.zeros(exponent.shape)
        weights[:, first:] = softmax_weights(exponent[:, first:])
        return weights


def rotated(tokens: Array, rotation: float) -> Array:
    """Return token i of (n, d) turned i times: its components 2 m and 2 m + 1 by ``rotation`` 10000^(-2m/d) each time.

    Examples
    --------
    >>> rotated(np.array([[1.0, 0.0], [1.0, 0.0]]), np.pi / 2).round(12) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    if rotation == 0:
        return tokens
    cosine, sine = _turns(*tokens.shape, rotation)
    even, odd = tokens[:, 0::2], tokens[:, 1::2]
    turned = np.empty_like(tokens)
    turned[:, 0::2], turned[:, 1::2] = cosine * even - sine * odd, sine * even + cosine * odd
    return turned


@functools.lru_cache(maxsize=64)
def _totals(slope: float, rows: int) -> Array:
    """Return the sums of e^(-slope k) over k = 0 to r, for r = 0 to ``rows`` - 1, the same on every machine."""
    from lmdata.numerics.elementary import exp

    factor, found = exp(-slope), np.ones(rows)
    for r in range(1, rows):
        found[r] = 1.0 + factor * found[r - 1]
    found.flags.writeable = False
    return found


@functools.lru_cache(maxsize=8)
def _turns(n: int, d: int, rotation: float) -> tuple[Array, Array]:
    """Return cosine and sine (n, d / 2) of the angle of each position and pair, the same on every machine."""
    from lmdata.numerics.elementary import exp, log

    found = np.empty((2, n, d // 2))
    for pair in range(d // 2):
        angle = rotation * exp(-(2 * pair / d) * log(ROTARY_BASE))
        for position in range(n):
            turn, exponent = exponential_of(((0.0, -angle), (angle, 0.0)), float(position))
            found[:, position, pair] = np.ldexp(turn[:, 0], exponent)
    found.flags.writeable = False
    return found[0], found[1]
