"""The gradient flow of the interaction energy for a density on the sphere, instead of particles."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import warn_accuracy
from lmdata.dynamics.models.density import SCHEMES, DensityFlow
from lmdata.dynamics.models.parameters import as_array, choice
from lmdata.numerics.arrays import Matrix, apply
from lmdata.numerics.cells import Cells, latitudes_of, sphere_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


UNSEEN = 1e-6
"""The part of the kernel that cells may miss."""


@register
@dataclass(frozen=True, kw_only=True)
class SphereDensityFlow(DensityFlow):
    r"""Gradient flow of :math:`E_D` for a probability density on the sphere of three dimensions (arXiv 2501.03096).

    The *tokens* are :math:`n = 2 N^2` cells x_k of the sphere, N latitudes with 2 N longitudes each, with one
    component, the mass :math:`w_k` of the cell; of the uniform density that is its share q_k of the sphere. E_D and
    :math:`\varphi` are those of `CircleDensityFlow`. ``wasserstein`` moves mass as the particles of
    `SphereGradientFlow` move, by the density :math:`\rho = w / q` and the Laplacian of the sphere,

    .. math:: \partial_t \rho = \mp \nabla \cdot (\rho \nabla \varphi)
              = \mp \tfrac12 \big( \Delta(\rho \varphi) + \rho\, \Delta \varphi - \varphi\, \Delta \rho \big), \qquad
              \Delta f(x) = -\sum_{l=1}^{N-1} l (l + 1) (2 l + 1) \sum_k q_k P_l(\langle x, x_k \rangle) f(x_k),

    exact for densities of harmonics of a degree below N: the uniform density is at rest for D = I, and its disturbances
    of degree l grow at the rate :math:`l (l + 1) a_l / \beta` of `lmdata.uniform_growth`, as long as the cells resolve
    the kernel: for beta |D| up to 1 with 32 cells, 6 with 128 and 14 with 288; beyond that is warned of. A density that
    gathers in less than a cell rings, and its masses become negative, which is warned of: take more cells, or stop
    earlier.
    ``fisher-rao`` keeps masses positive.

    Parameters
    ----------
    alignment : matrix (3, 3), optional
        D, symmetric; the identity by default.
    direction, metric, inverse_temperature, step_size
        As in `CircleDensityFlow`.
    scheme : {"rk4", "euler", "exponentiated", "adaptive"}
        As there. Explicit Euler lets what moves without changing its shape grow, if slowly.

    Examples
    --------
    >>> from lmdata.dynamics import tokens
    >>> start = tokens.density(32, [0.1], surface="sphere").draw(0)[None]
    >>> frames = SphereDensityFlow.advance([SphereDensityFlow()], start, start=0, record=[0, 20], seeds=[0])
    >>> height = SphereDensityFlow().cells(32).points[:, 2]
    >>> (frames.position[0, :, :, 0] @ height).round(4)  # the mean height falls: descent spreads the density
    array([0.0333, 0.0077])
    """

    kind: ClassVar[str] = "sphere-density"
    components: ClassVar[int] = 3
    name: ClassVar[str] = "sphere"

    scheme: str = choice("rk4", SCHEMES)

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Refuse a number of cells that is not 2 N^2, first of all; warn of one that is too small for the kernel."""
        models[0].check_width(tokens.shape[-1])
        latitudes = latitudes_of(tokens.shape[-2])
        super().check_batch(models, tokens, steps)
        sharpest = max(model.inverse_temperature * model.reach for model in models)
        if (unseen := _unseen(latitudes, sharpest)) > UNSEEN:
            while _unseen(latitudes, sharpest) > UNSEEN:
                latitudes += 1
            warn_accuracy(
                f"{tokens.shape[-2]} cells do not resolve exp(beta <x, D y>) with beta |D| = {sharpest:g}: sums over "
                f"them miss its integrals by up to {unseen:.2g}; take {2 * latitudes**2}"
            )

    def cells(self, n: int) -> Cells:
        """Return n = 2 N^2 cells, and their shares of the sphere."""
        return sphere_cells(n)

    def kernel(self, n: int, inverse_temperature: float) -> Array:
        """Return exp(beta <x_k, D x_l>) for n cells, (n, n)."""
        return _kernel(n, inverse_temperature, self.alignment)

    def fastest_rate(self, n: int) -> float:
        r"""Return the bound :math:`|D| e^{\beta |D|}` of the field times N + 1 + beta |D|.

        N is for what it moves, of the highest degree, and the rest for what it gathers and how it changes.
        """
        largest = float(np.exp(self.inverse_temperature * self.reach))
        if self.metric == "fisher-rao":
            return largest / self.inverse_temperature
        return self.reach * largest * (latitudes_of(n) + 1 + self.inverse_temperature * self.reach)

    def transported(self, mass: Array, potential: Array) -> Array:
        """Return minus the divergence of what moves, by the Laplacian alone."""
        share, laplacian = sphere_cells(mass.shape[1]).shares, _laplacian(mass.shape[1])
        density = mass / share
        change = np.stack(
            [  # each member on its own, so that its bits do not depend on the others
                laplacian @ (own * phi) + own * (laplacian @ phi) - phi * (laplacian @ own)
                for own, phi in zip(density, potential, strict=True)
            ]
        )
        return np.asarray(-0.5 * share * change)


def _unseen(latitudes: int, exponent: float) -> float:
    """Return a bound on the part of exp(b <x, y>) in the lowest degree that sums over cells take for none, 2 N.

    Relative to its mean, sinh(b) / b, by the series of the Bessel function; one if it would be more.
    """
    if exponent == 0.0:
        return 0.0
    last = 4 * latitudes + 1
    logarithm = math.log(last) + sum(math.log(exponent / odd) for odd in range(3, last + 1, 2))
    logarithm += (
        exponent**2 / (2 * (last + 2)) - exponent + math.log(2 * exponent) - math.log(-math.expm1(-2 * exponent))
    )
    return math.exp(min(logarithm, 0.0))


@functools.lru_cache(maxsize=8)
def _kernel(cells: int, inverse_temperature: float, alignment: Matrix | None) -> Array:
    points = sphere_cells(cells).points
    kernel: Array = np.exp(inverse_temperature * scores(points, apply(as_array(alignment), points)))
    kernel.flags.writeable = False
    return kernel


@functools.lru_cache(maxsize=8)
def _laplacian(cells: int) -> Array:
    """Return the Laplacian of functions on the cells (n, n), by the sums of harmonics of each degree."""
    points, shares = sphere_cells(cells)
    degree = np.arange(latitudes_of(cells))
    cosine = np.clip(scores(points, points), -1.0, 1.0)
    series = np.polynomial.legendre.legval(cosine, -degree * (degree + 1.0) * (2 * degree + 1))
    laplacian = np.asarray(series * shares)
    laplacian.flags.writeable = False
    return laplacian
