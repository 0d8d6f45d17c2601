"""Attention on the sphere with several heads, whose energies add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import Own
from lmdata.dynamics.models.parameters import flag, matrices, refuse_overflow
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.dynamics.models.weights import softmax_weights
from lmdata.numerics.arrays import Matrix, apply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class MultiHeadAttention(SphereFlow):
    r"""Self-attention on the sphere by several heads (arXiv 2605.04279).

    .. math:: x_i' = \mathrm{Proj}_{x_i} \Big( \sum_h \sum_j P^h_{ij} M_h x_j \Big), \qquad
              P^h_{ij} = \frac1n e^{\beta \langle x_i, M_h x_j \rangle}

    or with rows of P normalised, one by one in each head. Not normalised, and with symmetric M_h, it is n times the
    gradient of the total energy

    .. math:: E(x) = \sum_h E_h(x), \qquad
              E_h(x) = \frac{1}{2 \beta n^2} \sum_{ij} e^{\beta \langle x_i, M_h x_j \rangle},

    which never falls; the energy of a single head may, since the others move the tokens too.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    heads : matrices (h, d, d)
        The M_h, any real matrices; two heads in the plane by default, the identity and diag(1, -1).
    normalised : bool
        Whether rows of P^h sum to one.
    ellipsoid, off_surface, step_size, scheme
        As in `SphereAttention`.

    Examples
    --------
    >>> model = MultiHeadAttention()
    >>> start = np.array([[[0.6, 0.8], [0.8, -0.6]]])
    >>> MultiHeadAttention.advance([model], start, start=0, record=[200], seeds=[0]).position[0, 0].round(6) + 0.0
    array([[1., 0.],
           [1., 0.]])
    """

    kind: ClassVar[str] = "multi-head-attention"

    heads: tuple[Matrix, ...] = matrices((((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (0.0, -1.0))))
    normalised: bool = flag(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.normalised:
            refuse_overflow(self.inverse_temperature, max(map(self._reach, self.heads)))

    def fastest_rate(self, n: int) -> float:
        """Return the sum of |M_h|, each times the largest weight where weights are not normalised."""
        sizes = [float(np.linalg.norm(np.array(head), 2)) for head in self.heads]
        largest = [1.0 if self.normalised else np.exp(self.inverse_temperature * self._reach(h)) for h in self.heads]
        return float(np.dot(sizes, largest))

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return the sum of what the heads attend to."""
        total = np.zeros_like(state)
        for head in map(np.array, self.heads):
            increment, mass = attend(
                state, apply(head, state), state, own["inverse_temperature"], normalised=self.normalised
            )
            mean = state + increment if self.normalised else mass[..., None] * state + increment
            total = total + apply(head, mean)
        return total

    def falling(self, state: Array, own: Own) -> Array | None:
        """Return the opposite of 2 beta n E (m,), where the flow is a gradient."""
        symmetric = all((head == head.T).all() for head in map(np.array, self.heads))
        if self.normalised or self.ellipsoid is not None or not symmetric:
            return None
        masses = [
            attend(state, apply(head, state), state, own["inverse_temperature"], normalised=False)[1].sum(axis=1)
            for head in map(np.array, self.heads)
        ]
        return -np.asarray(sum(masses))

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n), the mean over the heads."""
        total = np.zeros((*state.shape[:2], state.shape[1]))
        for head in map(np.array, self.heads):
            score = scores(state, apply(head, state))
            if self.normalised:
                total = total + softmax_weights(score, self.inverse_temperature)
            else:
                total = total + np.exp(self.inverse_temperature * score) / state.shape[1]
        return np.asarray(total / len(self.heads))
