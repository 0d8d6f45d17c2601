"""Attention alone, without skip connections: the map that collapses to rank one doubly exponentially."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionModel, Own
from lmdata.dynamics.models.parameters import as_array, choice, matrix, number
from lmdata.dynamics.models.weights import sinkhorn_weights, softmax_weights
from lmdata.numerics.arrays import Matrix, apply, per_member

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class PureAttention(AttentionModel):
    r"""Layers of attention without skip connections (arXiv 2103.03404).

    .. math:: x_i(t+1) = V \sum_j P_{ij}\, x_j(t), \qquad P_{ij} \propto e^{\beta \langle Q x_i, K x_j \rangle}

    with rows that sum to one (softmax), or rows and columns (Sinkhorn, arXiv 2604.07925). The residual
    :math:`r = |X - 1 \bar x^T| / |X|` of `token_rank` then falls as :math:`r' \approx c\, r^3`, doubly exponentially:
    with :math:`x_i = \bar x + u_i`, of the exponents only :math:`\langle Q u_i, K u_j \rangle` differs from row to row
    by more than a factor that the normalisation takes out, and it multiplies :math:`u_j`. So under both normalisations;
    Sinkhorn's keeps the mean of the tokens (V = I), and is slower where the tokens have a direction in common: softmax
    then gives most weight to the few that are farthest along it.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0.
    weights : {"softmax", "sinkhorn"}
        Sinkhorn's are balanced to 1e-13.
    queries, keys, values : matrix, optional
        Q, K (k, d) and V (d, d); identities by default.

    Examples
    --------
    >>> import numpy as np
    >>> start = np.array([[[1.0], [0.5], [0.0]]])
    >>> frames = PureAttention.advance([PureAttention()], start, start=0, record=[1, 2], seeds=[0])
    >>> np.ptp(frames.position, axis=2)[0, :, 0]
    array([0.16007833, 0.00068218])
    """

    kind: ClassVar[str] = "pure-attention"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    inverse_temperature: float = number(1.0, minimum=0)
    weights: str = choice("softmax", ("softmax", "sinkhorn"))
    queries: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    keys: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    values: Matrix | None = matrix()  # noqa: RUF009 - makes a field

    def move(self, state: Array, step: int, own: Own) -> Array:
        """Return what each token attends to."""
        queries, keys = apply(as_array(self.queries), state), apply(as_array(self.keys), state)
        if self.weights == "softmax":
            means = state + attend(queries, keys, state, own["inverse_temperature"])[0]
        else:
            beta = per_member(own["inverse_temperature"], 3)
            means = sinkhorn_weights(scores(queries, keys), beta).weights @ state
        return apply(own.get("values", as_array(self.values)), means)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        score = scores(apply(as_array(self.queries), state), apply(as_array(self.keys), state))
        if self.weights == "softmax":
            return softmax_weights(score, self.inverse_temperature)
        return sinkhorn_weights(score, self.inverse_temperature).weights
