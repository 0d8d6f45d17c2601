"""Two tokens of a transformer with random value matrices: whether, and how likely, they end opposite each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number

_REACH = 20.0
"""Cosines up to tanh 20, 1 - 8e-18; what lies beyond is summed by its exponential."""
_STEP = 1.0 / 512
"""Of the integrals; by Simpson's rule their error is 1e-13."""


def antipodal_probability(inverse_temperature: float, components: int = 3, *, cutoff: float = 0.0) -> float:
    r"""Return how likely two tokens end opposite each other, for a deep transformer whose values are random.

    Under :math:`x_i \leftarrow \mathrm{norm}(x_i + \sqrt h\, G \sum_j P_{ij} x_j)`, with one standard normal G for all
    tokens, new at every step (arXiv 2601.21942), the cosine r of two tokens is for small h the diffusion

    .. math:: dr = (1 - r^2) \big( (d - 2) v - u r \big)\, dt + \sqrt{2 u}\, (1 - r^2)\, dW, \qquad
              u = P_{11}^2 + P_{12}^2, \quad v = 2 P_{11} P_{12}, \quad \frac vu = \operatorname{sech} \beta (1 - r),

    whose two ends take all paths that they attract. The scale function S has the derivative

    .. math:: S'(r) = \exp \Big( -\int_0^r \frac{(d - 2) \operatorname{sech} \beta (1 - s) - s}{1 - s^2}\, ds \Big),

    finite at -1 just where :math:`\tanh^2 \beta > (d - 3)/(d - 1)`; if so, the probability from r is
    :math:`(S(1) - S(r)) / (S(1) - S(-1))`. It is averaged over two independent uniform tokens. The scale of G changes
    the time alone. `Noisy` is this model with ``noise="values"``, V = 0 and the scheme ``layernorm``.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    components : int
        d >= 2.
    cutoff : float
        If above 0, the probability that 1 + r comes down to it before 1 - r does, as a run can tell; below 1.

    Returns
    -------
    float
        0 without a cutoff where antipodes do not attract.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> [round(antipodal_probability(beta), 4) for beta in (0.5, 1, 2, 4)]
    [0.1433, 0.2675, 0.3638, 0.4163]
    >>> antipodal_probability(1.0, 7), round(antipodal_probability(0.5, cutoff=1e-9), 4)
    (0.0, 0.1468)
    """
    from scipy.integrate import cumulative_simpson, simpson

    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    d = as_count(components, "components", minimum=2)
    cutoff = as_number(cutoff, "cutoff", minimum=0)
    if cutoff >= 1:
        raise InvalidInput(f"cutoff is {cutoff:g}; it must be below 1, where the cosine is 0")
    end = _REACH if cutoff == 0 else min(_REACH, math.atanh(1 - cutoff) if cutoff > 1e-15 else _REACH)
    count = 2 * math.ceil(end / _STEP / 2)
    y = np.linspace(-end, end, 2 * count + 1)  # r = tanh y; count is even, so that Simpson's rule fits either side of 0
    ratio = _sech(beta * (1 - np.tanh(y)))
    slope = -((d - 2) * ratio - np.tanh(y))  # of log S' by y
    exponent = cumulative_simpson(slope, x=y, initial=0.0) + 2 * np.log(_sech(y))  # of S by y, to a constant
    density = np.exp(exponent - exponent.max())
    scale = cumulative_simpson(density, x=y, initial=0.0)
    below = above = 0.0  # the scale beyond the ends, where its density is exponential
    if cutoff == 0:
        rate = 1 - (d - 2) * float(_sech(np.array(2 * beta)))
        if rate <= 0:
            return 0.0
        below, above = float(density[0]) / rate, float(density[-1]) / (d - 1)
    chance = (scale[-1] - scale + above) / (scale[-1] + above + below)
    start = _sech(y) ** (d - 1)
    return float(simpson(chance * start, x=y) / simpson(start, x=y))


def _sech(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 / cosh x without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(2 * small / (1 + small * small))
