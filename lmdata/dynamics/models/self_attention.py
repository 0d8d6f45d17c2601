"""Self-attention as a flow in space, with general query, key and value matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models import steppers
from lmdata.dynamics.models.base import AttentionFlow, Own
from lmdata.dynamics.models.parameters import as_array, choice, flag, matrix, number
from lmdata.dynamics.models.weights import mask_future, softmax_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply, exponential_of
from lmdata.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_LARGEST_EXPONENT = 900
"""2 to this stands for infinity where it multiplies differences of scores."""


@register
@dataclass(frozen=True, kw_only=True)
class SelfAttention(AttentionFlow):
    r"""Self-attention dynamics in continuous time (arXiv 2305.05465), plain or rescaled.

    .. math:: x_i' = \sum_j P_{ij} V x_j, \qquad
              P_{ij} \propto \exp(\beta \langle Q x_i, K x_j \rangle) \qquad \text{(plain)}

    .. math:: z_i' = \sum_j P_{ij} V (z_j - z_i), \qquad z_i(t) = e^{-tV} x_i(t) \qquad \text{(rescaled)}

    where P is that of :math:`x_i = e^{tV} z_i`. Both start from the same tokens. The rescaled form never computes x:
    with :math:`e^{tV} = 2^e M` it takes the scores of :math:`M z`, and their factor :math:`4^e` multiplies
    differences only, so that any time is reached without overflow.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    form : {"rescaled", "plain"}
        Which tokens are the state.
    queries, keys : matrix (k, d), optional
        Q and K; the identity by default.
    values : matrix (d, d), optional
        V; the identity by default.
    causal : bool
        Token i attends to the tokens j <= i alone.
    step_size : float
        Time from step to step, in the model's own time.
    scheme : {"rk4", "euler", "exponential", "adaptive"}
        Attention is evaluated at every stage. ``exponential`` treats V x exactly (for the plain form; for the
        rescaled one, which has no linear part left, it is rk4).

    Examples
    --------
    >>> model = SelfAttention(values=[[1.0]], step_size=0.1)
    >>> start = np.array([[[-1.0], [0.5], [2.0]]])
    >>> SelfAttention.advance([model], start, start=0, record=[400], seeds=[0]).position[0, 0, :, 0].round(3)
    array([-0.915,  1.986,  1.986])
    """

    kind: ClassVar[str] = "self-attention"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    inverse_temperature: float = number(1.0, minimum=0)
    form: str = choice("rescaled", ("rescaled", "plain"))
    queries: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    keys: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    values: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    causal: bool = flag(False)
    scheme: str = choice("rk4", ("rk4", "euler", "exponential", "adaptive"))

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse queries and keys of different heights."""
        super().check_batch(models, tokens, steps)
        d = tokens.shape[-1]
        heights = [d if part is None else len(part) for part in (models[0].queries, models[0].keys)]
        if heights[0] != heights[1]:
            raise InvalidInput(
                f"queries have {counted(heights[0], 'row')} and keys {heights[1]}; their inner product needs as many: "
                f"give both (k, {d}) with one k"
            )

    def fastest_rate(self, n: int) -> float:
        """Return the spectral radius of V."""
        return 1.0 if self.values is None else float(np.abs(np.linalg.eigvals(np.array(self.values))).max())

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return the velocity of the plain or the rescaled tokens."""
        at, factor = self._seen(state, time)
        increment, _ = attend(
            apply(as_array(self.queries), at),
            apply(as_array(self.keys), at),
            state,
            own["inverse_temperature"] * factor,
            causal=self.causal,
        )
        values = own.get("values", as_array(self.values))
        return apply(values, increment if self.form == "rescaled" else state + increment)

    def integrate(self, state: Array, time: float, size: float, own: Own) -> Array:
        """Return the state after one step; the exponential scheme for the plain form is here."""
        if self.scheme != "exponential":
            return super().integrate(state, time, size, own)
        if self.form == "rescaled":
            return steppers.runge_kutta(lambda at, when: self.force(at, when, own), state, time, size)
        linear = self._linear(state.shape[-1])

        def rest(at: Array, when: float) -> Array:
            return self.force(at, when, own) - apply(np.array(linear), at)

        def flow(at: Array, when: float) -> Array:
            mantissa, exponent = exponential_of(linear, when)
            return np.ldexp(apply(mantissa, at), exponent)

        return steppers.exponential(rest, flow, state, time, size)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        at, factor = self._seen(state, step * self.step_size)
        score = scores(apply(as_array(self.queries), at), apply(as_array(self.keys), at))
        return softmax_weights(mask_future(score) if self.causal else score, self.inverse_temperature * factor)

    def _seen(self, state: Array, time: float) -> tuple[Array, float]:
        """Return the tokens as attention sees them, but for a factor whose square comes beside them."""
        if self.form == "plain":
            return state, 1.0
        mantissa, exponent = exponential_of(self._linear(state.shape[-1]), time)
        return apply(mantissa, state), 2.0 ** min(max(2 * exponent, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)

    def _linear(self, components: int) -> Matrix:
        if self.values is not None:
            return self.values
        return tuple(tuple(float(i == j) for j in range(components)) for i in range(components))
