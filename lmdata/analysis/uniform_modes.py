"""What grows out of uniform tokens on the sphere: how fast each mode, how many clusters, from which strength on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.models.parameters import refuse_overflow
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number


def uniform_growth(
    inverse_temperature: float, modes: int, *, components: int = 2, strength: float = 1.0, noise: float = 0.0
) -> NDArray[np.float64]:
    r"""Return the rates at which modes grow out of tokens that are uniform on the sphere, under attention and noise.

    Of many tokens under :math:`dX = K\, \mathrm{Proj}\big(\frac1n \sum_j e^{\beta \langle x, x_j \rangle} x_j\big) dt
    + \sigma\, \mathrm{Proj}\, dB` (USA; arXiv 2410.06833, 2606.05140), the density to first order is
    :math:`1 + \epsilon Y_k`, with a spherical harmonic of degree k that grows at the rate

    .. math:: k (k + d - 2) \Big( \frac{K}{\beta} a_k - \frac{\sigma^2}{2} \Big), \qquad
              a_k = \Gamma(\tfrac d2) \Big( \frac{2}{\beta} \Big)^{d/2 - 1} I_{k + d/2 - 1}(\beta),

    a_k being the eigenvalue of the kernel :math:`e^{\beta \langle x, y \rangle}` (Funk and Hecke). On the circle it
    is :math:`k^2 I_k(\beta) / \beta`, for K = 1 and no noise. Normalised attention (SA) is of the strength
    :math:`K = 1 / a_0`.

    Parameters
    ----------
    inverse_temperature : float
        beta, of either sign.
    modes : int
        Degrees 1 to ``modes`` are given.
    components : int
        d >= 2.
    strength, noise : float
        K and sigma, both >= 0. `Noisy` with scale s is of strength 1 and noise s.

    Returns
    -------
    array (modes,)
        In the inverse of the model's time.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> uniform_growth(1.0, 3).round(4)
    array([0.5652, 0.543 , 0.1995])
    >>> uniform_growth(0.0, 2, components=3), uniform_growth(-4.0, 2).round(2)
    (array([0.66666667, 0.        ]), array([ 2.44, -6.42]))
    """
    from scipy.special import gammaln, hyp0f1

    beta = as_number(inverse_temperature, "inverse_temperature")
    d = _components(components)
    strength = as_number(strength, "strength", minimum=0)
    noise = as_number(noise, "noise", minimum=0)
    degree = np.arange(1, as_count(modes, "modes") + 1, dtype=np.float64)
    refuse_overflow(abs(beta), 1.0)
    # a_k / beta by the series of the Bessel function, whose first term is the limit at beta = 0 and underflows in no d
    leading = np.exp(gammaln(d / 2) - gammaln(degree + d / 2)) * (beta / 2) ** (degree - 1) / 2
    eigenvalue = leading * hyp0f1(degree + d / 2, beta * beta / 4)
    return np.asarray(degree * (degree + d - 2) * (strength * eigenvalue - noise**2 / 2))


def predicted_clusters(inverse_temperature: float) -> int:
    r"""Return the number of metastable clusters that uniform tokens on the circle are to form, at the fastest mode.

    .. math:: \operatorname*{argmax}_{k \ge 1} k^2 I_k(\beta),

    near :math:`\sqrt{2 \beta}` where beta is large (arXiv 2410.06833). It is the same for normalised attention.

    Parameters
    ----------
    inverse_temperature : float
        beta, of either sign: below 0 odd modes alone grow.

    Returns
    -------
    int

    Raises
    ------
    InvalidInput
        If beta is no finite number.

    Examples
    --------
    >>> [predicted_clusters(beta) for beta in (1, 2, 5, 10, 30, 100)]
    [1, 2, 3, 4, 8, 14]
    """
    from scipy.special import ive

    beta = as_number(inverse_temperature, "inverse_temperature")
    if beta == 0:
        return 1
    degree = np.arange(1, int(3 * math.sqrt(abs(beta))) + 10)
    grows = (degree % 2 == 1) | (beta > 0)
    return int(degree[np.argmax(degree**2 * np.where(grows, ive(degree, abs(beta)), 0.0))])


def critical_strength(inverse_temperature: float, components: int = 2) -> float:
    r"""Return the strength of attention, over the square of the noise, from which on uniform tokens are unstable.

    .. math:: K_\# = \frac{\beta^{d/2}}{2^{d/2}\, \Gamma(d/2)\, I_{d/2}(\beta)}

    (arXiv 2606.05140), at which the first mode of `uniform_growth` neither grows nor decays at sigma = 1. For `Noisy`
    with a push of scale s on unnormalised attention, K is :math:`s^{-2}`: the scale is :math:`K_\#^{-1/2}`.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    components : int
        d >= 2.

    Returns
    -------
    float
        Dimensionless; d/2 at beta = 0.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> round(critical_strength(1.0), 6), critical_strength(0.0, 3)
    (0.884707, 1.5)
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0)
    rate = float(uniform_growth(beta, 1, components=components)[0])
    return (_components(components) - 1) / (2 * rate)


def tricritical_temperature(components: int = 2) -> float:
    r"""Return the inverse temperature up to which the order of noisy attention sets in continuously.

    There the bifurcation of uniform tokens at `critical_strength` changes from super- to subcritical; beyond, order
    and disorder are both stable for some strengths, and the order parameter jumps (arXiv 2606.05140).

    Of the free energy :math:`\frac12 \int f \log f - \frac{K}{2 \beta} \iint e^{\beta \langle x, y \rangle} f f` of
    :math:`f = 1 + \epsilon x_1 + b \epsilon^2 (x_1^2 - 1/d)`, least over b, the coefficient of
    :math:`\epsilon^4` at :math:`K_\#` is :math:`\frac{\langle x_1^4 \rangle}{24} - \frac{m}{16 (1 - a_2 / a_1)}`, with
    :math:`\langle x_1^4 \rangle = \frac{3}{d (d + 2)}` and :math:`m = \langle x_1^4 \rangle - d^{-2}`. It is 0 where

    .. math:: \frac{I_{d/2 + 1}(\beta)}{I_{d/2}(\beta)} = \frac1d.

    Parameters
    ----------
    components : int
        d >= 2.

    Returns
    -------
    float

    Raises
    ------
    InvalidInput
        If ``components`` is no such number.

    Examples
    --------
    >>> [round(tricritical_temperature(d), 6) for d in (2, 3, 4)]
    [2.446918, 1.816155, 1.575257]
    """
    from scipy.optimize import brentq
    from scipy.special import hyp0f1

    d = _components(components)

    def excess(beta: float) -> float:
        """Return d times the ratio of the Bessel functions, less one; it rises with beta."""
        ratio = beta / (d + 2) * hyp0f1(d / 2 + 2, beta * beta / 4) / hyp0f1(d / 2 + 1, beta * beta / 4)
        return float(d * ratio - 1.0)

    return float(brentq(excess, 0.5, 4.0, xtol=1e-14, rtol=1e-14))


def _components(components: int) -> int:
    d = as_count(components, "components")
    if d < 2:
        raise InvalidInput(f"components is {d}; the sphere on which tokens move has at least 2")
    return d
