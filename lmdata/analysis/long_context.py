"""One layer of attention on a long context: whether it gathers the tokens, mixes them, or leaves them alone."""

from __future__ import annotations

import math

from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number


def layer_alignment(tokens: int, *, start: float, exponent: float) -> float:
    r"""Return the cosine of every pair of n tokens after one layer of attention, from equal cosines, on the sphere.

    Of `PureAttention` with :math:`\beta = \gamma \ln n`: a token gives itself the weight p and each other q,

    .. math:: y_i = (p - q)\, x_i + q \sum_j x_j, \qquad
              p = \frac{1}{1 + (n - 1)\, n^{-\gamma (1 - \rho)}}, \quad q = \frac{1 - p}{n - 1}

    As n grows, and rho > 0, the cosine tends to 1 for :math:`\gamma < 1 / (1 - \rho)`: all tokens become their mean;
    to rho for gamma above: attention does nothing; and at the critical gamma to :math:`4 \rho / (1 + 3 \rho)`: p is 1/2
    (arXiv 2510.05554). Orthogonal tokens, whose mean is short, gather only for gamma < 1/2.

    Parameters
    ----------
    tokens : int
        n >= 2.
    start : float
        rho, the cosine of every pair before, in [-1 / (n - 1), 1].
    exponent : float
        gamma >= 0.

    Returns
    -------
    float
        NaN where all tokens come to the origin: of a simplex, :math:`\rho = -1 / (n - 1)`, with equal weights.

    Raises
    ------
    InvalidInput
        Naming the argument that is not allowed.

    Examples
    --------
    >>> [round(layer_alignment(10**4, start=0.5, exponent=gamma), 6) for gamma in (1.0, 2.0, 3.0)]
    [0.999904, 0.800028, 0.504975]
    """
    n = as_count(tokens, "tokens", minimum=2)
    rho = as_number(start, "start", minimum=-1 / (n - 1))
    gamma = as_number(exponent, "exponent", minimum=0)
    if rho > 1:
        raise InvalidInput(f"start is {rho}; a cosine is at most 1")
    own = 1.0 / (1.0 + (n - 1) * math.exp(-gamma * (1.0 - rho) * math.log(n)))
    other = (1.0 - own) / (n - 1)
    along = other * (1.0 + (n - 1) * rho)  # of a token, on q times the sum of all
    common = (2.0 * (own - other) + n * other) * along
    square = (own - other) ** 2 + common
    return ((own - other) ** 2 * rho + common) / square if square > 0 else math.nan
