"""The gradient flow of the interaction energy on the sphere, up or down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import Own
from lmdata.dynamics.models.parameters import as_array, choice, matrix, number, refuse_overflow
from lmdata.dynamics.models.sphere_attention import SphereFlow
from lmdata.numerics.arrays import Matrix, apply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class SphereGradientFlow(SphereFlow):
    r"""Gradient flow on the sphere of the energy of unnormalised self-attention (arXiv 2501.03096).

    .. math:: E_D(x) = \frac{1}{2 \beta n^2} \sum_{ij} e^{\beta \langle x_i, D x_j \rangle}, \qquad
              x_i' = \pm \mathrm{Proj}_{x_i} \Big( \frac1n \sum_j e^{\beta \langle x_i, D x_j \rangle} D x_j \Big)
              = \pm n \nabla_{x_i} E_D

    Along the flow E_D never decreases in ascent and never increases in descent.

    Parameters
    ----------
    alignment : matrix (d, d), optional
        D, symmetric of any signature; the identity by default.
    first_score : float
        Added to the first entry of the diagonal of D: of D = diag(0, ...) a sweep over its first eigenvalue.
    direction : {"ascent", "descent"}
        The sign.
    inverse_temperature, ellipsoid, off_surface, step_size, scheme
        As in `SphereAttention`.

    Examples
    --------
    >>> model = SphereGradientFlow(direction="descent", step_size=0.5)
    >>> start = np.array([[[1.0, 0.0], [0.6, 0.8]]])
    >>> end = SphereGradientFlow.advance([model], start, start=0, record=[200], seeds=[0]).position[0, 0]
    >>> bool(np.allclose(end[0], -end[1]))
    True
    """

    kind: ClassVar[str] = "sphere-gradient-flow"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature", "first_score")

    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    direction: str = choice("ascent", ("ascent", "descent"))
    first_score: float = number(0.0, later=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_overflow(self.inverse_temperature, self._largest_score)

    @property
    def _largest_score(self) -> float:
        """A bound on <x, D y>."""
        if self.first_score == 0.0:
            return self._reach(self.alignment)
        entries = np.eye(2) if self.alignment is None else np.array(self.alignment)  # the norm of the identity is one
        entries[0, 0] += self.first_score
        return self._reach(tuple(map(tuple, entries.tolist())))

    def fastest_rate(self, n: int) -> float:
        """Return |D| e^(beta |D|), the rate near a cluster."""
        reach = self._largest_score
        return reach * float(np.exp(self.inverse_temperature * reach))

    def _scores(self, own: Own, components: int) -> Array | None:
        """Return D, one of each member (m, d, d) where something is added to it; None is the identity."""
        added = own.get("first_score", np.array([self.first_score]))
        matrix: Array | None = as_array(self.alignment)
        if not added.any():
            return matrix
        each = np.tile(np.eye(components) if matrix is None else matrix, (len(added), 1, 1))
        each[:, 0, 0] += added
        return each

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return n times the gradient of the energy in the ambient space, or its opposite."""
        matrix = self._scores(own, state.shape[-1])
        increment, mass = attend(state, apply(matrix, state), state, own["inverse_temperature"], normalised=False)
        upward = apply(matrix, mass[..., None] * state + increment)
        return upward if self.direction == "ascent" else -upward

    def falling(self, state: Array, own: Own) -> Array:
        """Return beta n E_D in descent, and its opposite in ascent, (m,)."""
        keys = apply(self._scores(own, state.shape[-1]), state)
        _, mass = attend(state, keys, state, own["inverse_temperature"], normalised=False)
        return -mass.sum(axis=1) if self.direction == "ascent" else mass.sum(axis=1)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n), the exponentials over n."""
        score = scores(state, apply(self._scores({}, state.shape[-1]), state))
        return np.asarray(np.exp(self.inverse_temperature * score) / state.shape[1])
