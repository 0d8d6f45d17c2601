"""Self-attention on the sphere, where layer normalisation keeps the tokens: SA and USA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionFlow, Own
from lmdata.dynamics.models.geometry import ON_SURFACE, Ellipsoid
from lmdata.dynamics.models.parameters import as_array, choice, flag, matrix, number, refuse_overflow
from lmdata.dynamics.models.weights import mask_future, softmax_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply, per_member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

UNIT = 1e-12
"""How far from one the norm of a token may be after a step."""


@dataclass(frozen=True, kw_only=True)
class SphereFlow(AttentionFlow):
    """What the flows on the sphere share: tokens of unit norm, and the exponents that they can reach."""

    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    inverse_temperature: float = number(1.0, minimum=0)
    ellipsoid: Matrix | None = matrix(positive=True)  # noqa: RUF009 - makes a field
    off_surface: str = choice("refuse", ("refuse", "normalise"))
    scheme: str = choice("rk4", ("rk4", "euler", "layernorm", "geodesic", "adaptive"))

    @property
    def surface(self) -> Ellipsoid:
        """The sphere, or the ellipsoid <x, M x> = 1."""
        return Ellipsoid(as_array(self.ellipsoid))

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse tokens off the surface, unless they are to be normalised."""
        super().check_batch(models, tokens, steps)
        zero = (tokens == 0).all(axis=-1)
        if zero.any():
            first = int(zero.argmax()) % zero.shape[-1]
            raise InvalidInput(f"token {first} is zero, which has no direction; {cls.kind} needs tokens of unit norm")
        away = models[0].surface.deviation(tokens)
        if models[0].off_surface == "refuse" and away.max() > ON_SURFACE:
            worst = int(away.argmax()) % away.shape[-1]
            raise InvalidInput(
                f"token {worst} is {away.max():.3g} off the unit sphere (or ellipsoid), more than {ON_SURFACE:g}; "
                "draw tokens with lmdata.tokens.sphere, or give the model off_surface='normalise'"
            )

    def enter(self, state: Array) -> Array:
        """Return the tokens on the surface; those on it to float64's precision as they are, unless normalised."""
        return self.surface.retract(state) if self.off_surface == "normalise" else self.surface.settle(state)

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return how far norms are from one, (m,)."""
        return {"tokens have left the surface": (self.surface.deviation(state).max(axis=1), UNIT)}

    def _reach(self, score: Matrix | None) -> float:
        """Return the largest score that tokens on the surface can have."""
        size = 1.0 if score is None else float(np.linalg.norm(np.array(score), 2))
        return size if self.ellipsoid is None else size / float(np.linalg.eigvalsh(np.array(self.ellipsoid))[0])


@register
@dataclass(frozen=True, kw_only=True)
class SphereAttention(SphereFlow):
    r"""Self-attention on the unit sphere (arXiv 2312.10794): SA, or USA without the normalisation.

    .. math:: x_i' = \mathrm{Proj}_{x_i} \Big( \sum_j P_{ij} V x_j \Big), \qquad
              P_{ij} = \frac{e^{\beta \langle x_i, D x_j \rangle}}{\sum_l e^{\beta \langle x_i, D x_l \rangle}}
              \ \text{(SA)} \quad \text{or} \quad \frac1n e^{\beta \langle x_i, D x_j \rangle} \ \text{(USA)},

    with :math:`\mathrm{Proj}_x y = y - \langle x, y \rangle x`.

    Parameters
    ----------
    inverse_temperature : float
        beta, of either sign: below 0 tokens attend most to those that are farthest. For V = I all tokens of almost
        every start on the circle meet where beta >= -0.16; below -2/3 some stay apart (arXiv 2507.22857).
    normalised : bool
        SA, or USA.
    alignment : matrix (d, d), optional
        D, any real matrix; the identity by default.
    values : matrix (d, d), optional
        V; the identity by default.
    causal : bool
        Token i attends to the tokens j <= i alone (SA only).
    ellipsoid : matrix (d, d), optional
        M: tokens live on <x, M x> = 1, with its metric, instead of the sphere.
    off_surface : {"refuse", "normalise"}
        What to do with tokens whose norm is not one. Tokens within 1e-6 of the surface are on it, as numbers of 7
        digits are: those off by more than 1e-9 are brought onto it at the start.
    step_size : float
        Time from step to step, in the model's own time.
    scheme : {"rk4", "euler", "layernorm", "geodesic", "adaptive"}
        ``layernorm`` is :math:`x + h f` brought back to the sphere, as in a transformer's layer and in the published
        codes; ``euler`` projects first; ``geodesic`` follows the great circle: on the circle, Euler for angles.

    Examples
    --------
    >>> model = SphereAttention(inverse_temperature=4.0)
    >>> start = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> frames = SphereAttention.advance([model], start, start=0, record=[0, 1], seeds=[0])
    >>> np.linalg.norm(frames.position[0, 1], axis=1)
    array([1., 1.])
    """

    kind: ClassVar[str] = "sphere-attention"

    inverse_temperature: float = number(1.0)
    normalised: bool = flag(True)
    alignment: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    values: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    causal: bool = flag(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.normalised:
            refuse_overflow(abs(self.inverse_temperature), self._reach(self.alignment))
            if self.causal:
                raise InvalidInput("causal is True and normalised False; a causal mask needs normalised weights (SA)")

    def fastest_rate(self, n: int) -> float:
        """Return |V|, times the largest weight where weights are not normalised."""
        size = 1.0 if self.values is None else float(np.linalg.norm(np.array(self.values), 2))
        largest = 1.0 if self.normalised else float(np.exp(abs(self.inverse_temperature) * self._reach(self.alignment)))
        return size * largest

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what each token attends to."""
        beta = own["inverse_temperature"]
        keys = per_member(np.copysign(1.0, beta), 3) * apply(as_array(self.alignment), state)
        increment, mass = attend(state, keys, state, np.abs(beta), normalised=self.normalised, causal=self.causal)
        mean = state + increment if self.normalised else mass[..., None] * state + increment
        return apply(own.get("values", as_array(self.values)), mean)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        score = scores(state, np.copysign(1.0, self.inverse_temperature) * apply(as_array(self.alignment), state))
        beta = abs(self.inverse_temperature)
        if self.normalised:
            return softmax_weights(mask_future(score) if self.causal else score, beta)
        return np.asarray(np.exp(beta * score) / state.shape[1])
