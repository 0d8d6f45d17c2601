"""Attention on the sphere together with a feed-forward block: one energy for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import Own
from lmdata.dynamics.models.parameters import as_array, choice, flag, matrix, number, refuse_overflow, vector
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.dynamics.models.weights import softmax_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.activations import ACTIVATIONS, STEEPEST, activate, potential
from lmdata.numerics.arrays import Matrix, apply, per_member
from lmdata.wording import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class FeedForwardAttention(SphereFlow):
    r"""Self-attention on the sphere and a feed-forward block, at the same time.

    .. math:: x_i' = \mathrm{Proj}_{x_i} \Big( \sum_j P_{ij} D x_j
              + \kappa \sum_k w_k \sigma(\langle a_k, x_i \rangle + b_k) a_k \Big)

    with P as in `SphereAttention`. Not normalised (USA), it is n times the gradient of

    .. math:: F(x) = \frac{1}{2 \beta n^2} \sum_{ij} e^{\beta \langle x_i, D x_j \rangle}
              + \frac{\kappa}{n} \sum_i \sum_k w_k S(\langle a_k, x_i \rangle + b_k), \qquad S' = \sigma,

    so that F never falls, :math:`\mathrm{d}F / \mathrm{d}t = \frac1n \sum_i |x_i'|^2`. Normalised (SA), it need not
    rise. At beta = 0, where the first term has no meaning, attention is a constant pull.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    strength : float
        kappa >= 0; 0 leaves attention alone.
    normalised : bool
        SA, or USA, the default.
    alignment : matrix (d, d), optional
        D, symmetric, in the scores and as values; the identity by default.
    neurons : matrix (k, d), optional
        The a_k, one a row; the unit vectors by default.
    gains, biases : sequence of k numbers, optional
        w_k, of any sign, and b_k; ones and zeros by default.
    activation : {"relu", "tanh", "sigmoid", "gelu"}
        sigma.
    ellipsoid, off_surface, step_size, scheme
        As in `SphereAttention`.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> model = FeedForwardAttention(neurons=[[1.0, 0.0]], gains=[-2.0], activation="tanh")  # from the poles +-e_1
    >>> start = np.array([[[0.6, 0.8], [0.8, 0.6]]])
    >>> FeedForwardAttention.advance([model], start, start=0, record=[200], seeds=[0]).position[0, 0].round(6) + 0.0
    array([[0., 1.],
           [0., 1.]])
    """

    kind: ClassVar[str] = "feed-forward-attention"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature", "strength")

    strength: float = number(1.0, minimum=0)
    normalised: bool = flag(False)
    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    neurons: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    gains: tuple[float, ...] | None = vector()
    biases: tuple[float, ...] | None = vector()
    activation: str = choice("relu", ACTIVATIONS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.normalised:
            refuse_overflow(self.inverse_temperature, self._reach(self.alignment))

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse gains and biases that are not one for each neuron."""
        super().check_batch(models, tokens, steps)
        check_neurons(models[0].neurons, tokens.shape[-1], gains=models[0].gains, biases=models[0].biases)

    def fastest_rate(self, n: int) -> float:
        """Return |D|, times the largest weight where weights are not normalised, and the slopes of all neurons."""
        size = 1.0 if self.alignment is None else float(np.linalg.norm(np.array(self.alignment), 2))
        largest = 1.0 if self.normalised else float(np.exp(self.inverse_temperature * self._reach(self.alignment)))
        neurons = None if self.neurons is None else np.array(self.neurons)
        squares = 1.0 if neurons is None else (neurons**2).sum(axis=1)
        gains = 1.0 if self.gains is None else np.abs(np.array(self.gains))
        return size * largest + self.strength * STEEPEST[self.activation] * float(np.sum(squares * gains))

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what the tokens attend to, and what the block adds."""
        matrix = as_array(self.alignment)
        increment, mass = attend(
            state, apply(matrix, state), state, own["inverse_temperature"], normalised=self.normalised
        )
        mean = state + increment if self.normalised else mass[..., None] * state + increment
        fired = activate(self._inputs(state), self.activation)
        if self.gains is not None:
            fired = fired * np.array(self.gains)
        pushed = fired if self.neurons is None else apply(np.array(self.neurons).T, fired)
        return apply(matrix, mean) + per_member(own["strength"], 3) * pushed

    def falling(self, state: Array, own: Own) -> Array | None:
        """Return the opposite of beta F (m,), where the flow is a gradient."""
        if self.normalised or self.ellipsoid is not None or not (own["inverse_temperature"] > 0).all():
            return None
        return -own["inverse_temperature"] * self.energies(state, own)

    def energies(self, state: Array, own: Own) -> Array:
        """Return F (m,) of states (m, n, d)."""
        beta, n = own["inverse_temperature"], state.shape[1]
        keys = apply(as_array(self.alignment), state)
        _, mass = attend(state, keys, state, beta, normalised=False)
        stored = potential(self._inputs(state), self.activation)
        if self.gains is not None:
            stored = stored * np.array(self.gains)
        return np.asarray(mass.sum(axis=1) / (2 * beta * n) + own["strength"] * stored.sum(axis=(1, 2)) / n)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        score = scores(state, apply(as_array(self.alignment), state))
        if self.normalised:
            return softmax_weights(score, self.inverse_temperature)
        return np.asarray(np.exp(self.inverse_temperature * score) / state.shape[1])

    def _inputs(self, state: Array) -> Array:
        inputs = apply(as_array(self.neurons), state)
        return inputs if self.biases is None else inputs + np.array(self.biases)


def check_neurons(neurons: Matrix | None, components: int, **of_each: tuple[float, ...] | None) -> None:
    """Refuse sequences that do not have one number for each neuron; without neurons there is one a component."""
    count = components if neurons is None else len(neurons)
    for name, numbers in of_each.items():
        if numbers is not None and len(numbers) != count:
            raise InvalidInput(
                f"{name} has {counted(len(numbers), 'number')} and there are {counted(count, 'neuron')}; give one each"
            )
