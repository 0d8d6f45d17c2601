"""The gradient flow of the interaction energy for a density on the circle, instead of particles."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionFlow, Own
from lmdata.dynamics.models.geometry import Simplex
from lmdata.dynamics.models.parameters import as_array, choice, matrix, number, refuse_overflow
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MASS = 1e-12
"""How far from one the total of the masses may be after a step."""

GIVEN_MASS = 1e-9
"""How far from one it may be at the start."""

NEGATIVE = 1e-9
"""How far below zero a mass may be: the adaptive scheme is accurate to 1e-10 a step."""


@register
@dataclass(frozen=True, kw_only=True)
class CircleDensityFlow(AttentionFlow):
    r"""Gradient flow of :math:`E_D` for a probability density on the circle (arXiv 2501.03096).

    The *tokens* are n cells of the circle, at the angles :math:`\theta_k = -\pi + 2 \pi k / n`, with one component,
    the mass :math:`w_k` of the cell. With :math:`x(\theta) = (\cos\theta, \sin\theta)`,

    .. math:: E_D(w) = \frac{1}{2 \beta} \sum_{kl} w_k w_l e^{\beta \langle x_k, D x_l \rangle}, \qquad
              \varphi_k = \frac{1}{\beta} \sum_l e^{\beta \langle x_k, D x_l \rangle} w_l

    ``wasserstein`` moves mass as the particles of `SphereGradientFlow` move,
    :math:`\partial_t w = \mp \partial_\theta (w\, \partial_\theta \varphi)` with upwind fluxes, under which E_D is
    monotone; ``fisher-rao`` lets it grow and shrink in place,
    :math:`w_k' = \pm w_k (\varphi_k - \sum_l w_l \varphi_l / \sum_l w_l)`. Masses are divided by their sum after every
    step, which keeps it one to rounding: without that the total is an unstable equilibrium of the descent.

    Parameters
    ----------
    alignment : matrix (2, 2), optional
        D, symmetric; the identity by default.
    direction : {"descent", "ascent"}
        The sign.
    metric : {"wasserstein", "fisher-rao"}
        See above.
    inverse_temperature : float
        beta > 0, with beta |D| at most 700: the kernel must be a number of float64.
    step_size : float
        Time from step to step.
    scheme : {"euler", "rk4", "exponentiated", "adaptive"}
        ``exponentiated``, for ``fisher-rao`` alone, is :math:`w_k e^{\pm h \varphi_k}` brought back to mass one: the
        exponentiated gradient method of the published code.

    Examples
    --------
    >>> model = CircleDensityFlow(metric="fisher-rao", scheme="exponentiated")
    >>> start = np.array([[[0.5], [0.25], [0.25], [0.0]]])
    >>> end = CircleDensityFlow.advance([model], start, start=0, record=[5], seeds=[0]).position[0, 0]
    >>> round(end.sum().item(), 12), end[3].item()
    (1.0, 0.0)
    """

    kind: ClassVar[str] = "circle-density"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)
    holds: ClassVar[str] = "densities"

    inverse_temperature: float = number(1.0, minimum=0, above=True)
    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    direction: str = choice("descent", ("descent", "ascent"))
    metric: str = choice("wasserstein", ("wasserstein", "fisher-rao"))
    scheme: str = choice("euler", ("euler", "rk4", "exponentiated", "adaptive"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alignment is not None and len(self.alignment) != 2:
            raise InvalidInput(f"alignment has shape {np.shape(self.alignment)}; on the circle D is (2, 2)")
        if self.scheme == "exponentiated" and self.metric != "fisher-rao":
            raise InvalidInput(f"scheme 'exponentiated' steps metric 'fisher-rao'; metric is {self.metric!r}")
        refuse_overflow(self.inverse_temperature, self._reach)

    @property
    def _reach(self) -> float:
        """The largest <x_k, D x_l>."""
        return 1.0 if self.alignment is None else float(np.linalg.norm(np.array(self.alignment), 2))

    @property
    def surface(self) -> Simplex:
        """Masses whose sum is one."""
        return Simplex()

    def check_width(self, components: int) -> None:
        """Refuse more than one component, the mass."""
        if components != 1:
            raise InvalidInput(f"the tokens have {components} components; a density has one, the mass of the cell")

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse what is no probability."""
        super().check_batch(models, tokens, steps)
        least, total = tokens.min(axis=(1, 2)), tokens.sum(axis=(1, 2))
        wrong = np.flatnonzero((least < 0) | (np.abs(total - 1) > GIVEN_MASS))
        if wrong.size:
            raise InvalidInput(
                f"masses have the least value {least[wrong[0]]:g} and the sum {total[wrong[0]]:.12g}; a density has "
                "masses >= 0 with sum 1: for the uniform one give numpy.full((n, 1), 1 / n)"
            )

    def fastest_rate(self, n: int) -> float:
        """Return the bound |D| e^(beta |D|) of the field, times twice the cells that a unit of angle holds."""
        largest = float(np.exp(self.inverse_temperature * self._reach))
        if self.metric == "fisher-rao":
            return largest / self.inverse_temperature
        return self._reach * largest * n / np.pi

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return how fast the masses change."""
        mass, potential = state[..., 0], self._potential(state, own)
        sign = 1.0 if self.direction == "ascent" else -1.0
        if self.metric == "fisher-rao":
            rate = sign * mass * (potential - (mass * potential).sum(axis=1, keepdims=True))
        else:
            width = 2 * np.pi / mass.shape[1]
            velocity = sign * (np.roll(potential, -1, axis=1) - potential) / width  # from each cell to the next
            flux = np.maximum(velocity, 0.0) * mass + np.minimum(velocity, 0.0) * np.roll(mass, -1, axis=1)
            rate = (np.roll(flux, 1, axis=1) - flux) / width
        return np.asarray(rate[..., None])

    def integrate(self, state: Array, time: float, size: float, own: Own) -> Array:
        """Return the masses after one step; the exponentiated scheme is here."""
        if self.scheme != "exponentiated":
            return super().integrate(state, time, size, own)
        sign = 1.0 if self.direction == "ascent" else -1.0
        exponent = sign * size * self._potential(state, own)
        exponent -= exponent.max(axis=1, keepdims=True, where=state[..., 0] > 0, initial=-np.inf)
        return self.surface.retract(state * np.exp(np.minimum(exponent, 0.0))[..., None])

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return how far the total mass is from one, and the masses below zero."""
        return {
            "the total mass is not one": (self.surface.deviation(state)[:, 0], MASS),
            "masses are negative": (np.maximum(-state[..., 0].min(axis=1), 0.0), NEGATIVE),
        }

    def falling(self, state: Array, own: Own) -> Array:
        """Return E_D in descent, and its opposite in ascent, (m,)."""
        sign = -1.0 if self.direction == "ascent" else 1.0
        return sign * 0.5 * (state[..., 0] * self._potential(state, own)).sum(axis=1)

    def _potential(self, state: Array, own: Own) -> Array:
        """Return phi (m, n)."""
        n = state.shape[1]
        return np.stack(
            [
                circle_kernel(n, float(beta), self.alignment) @ masses[:, 0] / beta
                for beta, masses in zip(own["inverse_temperature"], state, strict=True)
            ]
        )


@functools.lru_cache(maxsize=8)
def circle_kernel(cells: int, inverse_temperature: float, alignment: Matrix | None) -> Array:
    """Return exp(beta <x_k, D x_l>) for the cells of the circle, (n, n).

    Examples
    --------
    >>> circle_kernel(2, 1.0, None).round(3)
    array([[2.718, 0.368],
           [0.368, 2.718]])
    """
    angle = 2 * np.pi * np.arange(cells) / cells - np.pi
    points = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    kernel: Array = np.exp(inverse_temperature * scores(points, apply(as_array(alignment), points)))
    kernel.flags.writeable = False
    return kernel
