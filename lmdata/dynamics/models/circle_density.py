"""The gradient flow of the interaction energy for a density on the circle, instead of particles."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.density import DensityFlow
from lmdata.dynamics.models.parameters import as_array
from lmdata.numerics.arrays import Matrix, apply
from lmdata.numerics.cells import Cells, circle_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class CircleDensityFlow(DensityFlow):
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
    components: ClassVar[int] = 2
    name: ClassVar[str] = "circle"

    def cells(self, n: int) -> Cells:
        """Return n equal cells, and their places."""
        return circle_cells(n)

    def kernel(self, n: int, inverse_temperature: float) -> Array:
        """Return exp(beta <x_k, D x_l>) for n cells, (n, n)."""
        return circle_kernel(n, inverse_temperature, self.alignment)

    def fastest_rate(self, n: int) -> float:
        """Return the bound |D| e^(beta |D|) of the field, times twice the cells that a unit of angle holds."""
        largest = float(np.exp(self.inverse_temperature * self.reach))
        if self.metric == "fisher-rao":
            return largest / self.inverse_temperature
        return self.reach * largest * n / np.pi

    def transported(self, mass: Array, potential: Array) -> Array:
        """Return the differences of upwind fluxes."""
        width = 2 * np.pi / mass.shape[1]
        velocity = (np.roll(potential, -1, axis=1) - potential) / width  # from each cell to the next
        flux = np.maximum(velocity, 0.0) * mass + np.minimum(velocity, 0.0) * np.roll(mass, -1, axis=1)
        return np.asarray((np.roll(flux, 1, axis=1) - flux) / width)


@functools.lru_cache(maxsize=8)
def circle_kernel(cells: int, inverse_temperature: float, alignment: Matrix | None) -> Array:
    """Return exp(beta <x_k, D x_l>) for the cells of the circle, (n, n).

    Examples
    --------
    >>> circle_kernel(2, 1.0, None).round(3)
    array([[2.718, 0.368],
           [0.368, 2.718]])
    """
    points = circle_cells(cells).points
    kernel: Array = np.exp(inverse_temperature * scores(points, apply(as_array(alignment), points)))
    kernel.flags.writeable = False
    return kernel
