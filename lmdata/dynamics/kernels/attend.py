"""Softmax attention over whole batches, compiled, without ever holding n x n weights.

The arithmetic is fixed: sums run over ascending indices, every product and sum is rounded on its own, and the
exponential is a polynomial made of these. So a member's bits depend on its own tokens alone, not on the batch,
the blocks, the threads or the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmdata.numerics.threads import parallel_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


_PAIRS_OF_A_TASK = 200_000
"""Work below which another thread costs more than it saves."""


def attend(
    queries: Array, keys: Array, values: Array, scale: Array, *, normalised: bool = True, causal: bool = False
) -> tuple[Array, Array]:
    r"""Return the attention increment of every token, and the mass of its weights.

    With exponents :math:`s_{ij} = \beta \langle q_i, k_j \rangle` (arXiv 2305.05465),

    .. math:: \Delta_i = \sum_j P_{ij} (v_j - v_i), \qquad P_{ij} = e^{s_{ij}} / \mu_i,
              \qquad \mu_i = \sum_j e^{s_{ij}},

    or, not normalised, :math:`P_{ij} = e^{s_{ij}} / n` (arXiv 2312.10794, USA). Increments rather than means:
    coincident tokens move by exactly zero.

    Parameters
    ----------
    queries, keys : array (m, n, k)
        float64, m members of n tokens; the scores are their inner products.
    values : array (m, n, d)
        float64; what is averaged.
    scale : array (m,)
        Inverse temperature of each member, not negative. It multiplies differences of scores, so that huge
        values give the hardmax limit and no overflow.
    normalised : bool
        Divide by the mass of the row (softmax), or by n: then the exponents themselves must be below 700, which the
        models that use it see to.
    causal : bool
        Token i attends to the tokens j <= i alone.

    Returns
    -------
    increment : array (m, n, d)
    mass : array (m, n)
        Softmax: the mass over the row's largest exponential, between 1 and n. Otherwise the sum of P over j.

    Notes
    -----
    O(m n^2) time, O(m n d) memory. Weights below exp(-708) of the largest count as zero.

    Examples
    --------
    >>> tokens = np.array([[[0.0], [1.0]]])
    >>> increment, mass = attend(tokens, tokens, tokens, np.zeros(1))
    >>> increment[0, :, 0], mass[0]
    (array([ 0.5, -0.5]), array([2., 2.]))
    """
    from lmdata.dynamics.kernels.attend_kernel import ROWS, attend_rows, workspace

    m, n, _ = values.shape
    increment, mass = np.empty(values.shape), np.empty((m, n))
    queries, keys, values = (np.ascontiguousarray(part, dtype=np.float64) for part in (queries, keys, values))
    scale = np.ascontiguousarray(scale, dtype=np.float64)

    def kernel(first: int, last: int) -> None:
        work = workspace(queries.shape[2], values.shape[2])
        attend_rows(queries, keys, values, scale, normalised, causal, first, last, work, increment, mass)

    parallel_for(kernel, m * -(-n // ROWS), -(-_PAIRS_OF_A_TASK // (ROWS * n)))
    return increment, mass
