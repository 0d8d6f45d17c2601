"""Softmax attention with the convex step of localmax: the smooth relative that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap, Own
from lmdata.dynamics.models.parameters import as_array, flag, matrix, number
from lmdata.dynamics.models.weights import ALL, mask_future, softmax_weights
from lmdata.numerics.arrays import Matrix, apply

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class Softmax(AttentionMap):
    r"""Softmax attention dynamics in discrete time (arXiv 2407.01602, 2509.15958).

    .. math:: z_i(t+1) = \frac{z_i(t) + \alpha m_i(t)}{1 + \alpha}, \qquad
              m_i = \sum_j \frac{e^{\beta \langle A z_i, z_j \rangle}}{\sum_l e^{\beta \langle A z_i, z_l \rangle}} z_j

    beta -> infinity is hardmax, that is `Localmax` with sensitivity 0; beta = 0 is the mean of all tokens.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0, in units of one over alignment.
    influence : float
        alpha > 0.
    alignment : matrix (d, d), optional
        A, symmetric, of any signature; the identity by default.
    causal : bool
        Token i attends to the tokens j <= i alone.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> model = Softmax(inverse_temperature=0.0)
    >>> Softmax.advance([model], np.array([[[0.0], [1.0]]]), start=0, record=[1], seeds=[0]).position[0, 0, :, 0]
    array([0.25, 0.75])
    """

    kind: ClassVar[str] = "softmax"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature", "influence")

    inverse_temperature: float = number(1.0, minimum=0)
    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    causal: bool = flag(False)

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return m_i - z_i."""
        aligned = apply(as_array(self.alignment), state)
        increment, _ = attend(aligned, state, state, own["inverse_temperature"], causal=self.causal)
        return increment

    def attention(self, state: Array, step: int = 0, rows: slice = ALL) -> Array:
        """Return P (m, n, n), or some rows of it."""
        score = scores(apply(as_array(self.alignment), state[:, rows]), state)
        score = mask_future(score, rows.indices(state.shape[1])[0]) if self.causal else score
        return softmax_weights(score, self.inverse_temperature)
