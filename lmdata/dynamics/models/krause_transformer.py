"""Attention by distance among near and few tokens: the published Krause attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap, Own
from lmdata.dynamics.models.parameters import as_array, count, flag, matrix, number
from lmdata.dynamics.models.weights import mask_future
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply, per_member
from lmdata.numerics.special import exponential

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class KrauseTransformer(AttentionMap):
    r"""Krause attention (arXiv 2602.11534), with the convex step of localmax.

    .. math:: P_{ij} \propto \exp\Big(-\frac{|Q z_i - K z_j|^2}{2 \sigma^2}\Big) \quad (j \in N_i), \qquad
              z_i(t+1) = \frac{z_i + \alpha \sum_j P_{ij} z_j}{1 + \alpha}

    where :math:`N_i` are the ``nearest`` tokens by that distance among those at most ``window`` places away in the
    sequence: as the published code has it, one head without its learned value and output matrices, and without the
    layer normalisation behind it. Tokens that tie with the last of the nearest count too. Bounded confidence with a
    sharp radius is `BoundedConfidence`.

    Parameters
    ----------
    bandwidth : float
        sigma > 0, in the unit of queries and keys.
    influence : float
        alpha > 0.
    nearest : int, optional
        How many tokens each attends to at least, where there are so many; all by default.
    window : int, optional
        Most places between a token and those that it attends to; any by default.
    queries, keys : matrix (k, d), optional
        Q and K; the identity by default.
    causal : bool
        Token i attends to the tokens j <= i alone.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> model = KrauseTransformer(bandwidth=0.5, nearest=2)
    >>> start = np.array([[[0.0], [0.2], [3.0], [3.1]]])
    >>> KrauseTransformer.advance([model], start, start=0, record=[60], seeds=[0]).position[0, 0, :, 0].round(6)
    array([0.1 , 0.1 , 3.05, 3.05])
    """

    kind: ClassVar[str] = "krause-transformer"
    sweepable: ClassVar[tuple[str, ...]] = ("bandwidth", "influence")

    bandwidth: float = number(1.0, minimum=0, above=True)
    nearest: int | None = count(None)
    window: int | None = count(None, minimum=0)
    queries: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    keys: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    causal: bool = flag(False)

    def check_width(self, components: int) -> None:
        """Also refuse queries and keys of different heights."""
        super().check_width(components)
        heights = [components if part is None else len(part) for part in (self.queries, self.keys)]
        if heights[0] != heights[1]:
            raise InvalidInput(
                f"queries have {heights[0]} rows and keys {heights[1]}; a distance between them needs as many: give "
                f"both (k, {components}) with one k"
            )

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return the way to the weighted mean, a token after the other, so that coincident tokens move alike."""
        weights = self._weights(state, own["bandwidth"])
        total, moved = np.zeros(state.shape[:2]), np.zeros_like(state)
        for j in range(state.shape[1]):
            weight = weights[:, :, j]
            total = total + weight
            moved = moved + weight[..., None] * (state[:, j : j + 1] - state)
        return moved / total[..., None]

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        weights = self._weights(state, np.array(self.bandwidth))
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))

    def _weights(self, state: Array, bandwidth: Array) -> Array:
        """Return P but for a factor of each row, the largest weight being one."""
        query, key = apply(as_array(self.queries), state), apply(as_array(self.keys), state)
        square = np.zeros((*state.shape[:2], state.shape[1]))
        for k in range(query.shape[-1]):
            difference = query[:, :, None, k] - key[:, None, :, k]
            square = square + difference * difference
        score, n = -square, state.shape[1]
        if self.window is not None and self.window < n:
            place = np.arange(n)
            score = np.where(np.abs(place[:, None] - place) <= self.window, score, -np.inf)
        score = mask_future(score) if self.causal else score
        if self.nearest is not None and self.nearest < n:
            last = np.partition(score, n - self.nearest, axis=-1)[..., n - self.nearest, None]
            score = np.where(score >= last, score, -np.inf)
        width = per_member(bandwidth, 3)
        with np.errstate(over="ignore"):  # one width after the other: the square of a small one would be zero
            below = (score - score.max(axis=-1, keepdims=True)) / width / width / 2
        return exponential(below)
