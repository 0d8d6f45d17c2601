"""A model: attention whose weights are the sparsemax of the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap
from lmdata.dynamics.models.parameters import number
from lmdata.numerics.arrays import per_member


@register
@dataclass(frozen=True, kw_only=True)
class Sparsemax(AttentionMap):
    """Attention with the weights nearest to the scores beta <z_i, z_j> in the simplex (arXiv 1602.02068)."""

    kind: ClassVar[str] = "sparsemax"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature", "influence")

    inverse_temperature: float = number(1.0, minimum=0)

    def pull(
        self, state: NDArray[np.float64], step: int, own: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return m_i - z_i for tokens (m, n, d)."""
        weights = sparsemax(per_member(own["inverse_temperature"], 3) * scores(state, state))
        return np.asarray((weights[..., None] * state[:, None]).sum(axis=2) - state)

    def attention(self, state: NDArray[np.float64], step: int = 0) -> NDArray[np.float64]:
        """Return the weights of one member's states, (m, n, n)."""
        return sparsemax(self.inverse_temperature * scores(state, state))


def sparsemax(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the point of the simplex nearest to each row: max(0, s - tau), with the tau that makes its sum 1.

    Examples
    --------
    >>> sparsemax(np.array([1.0, 0.5, -1.0]))
    array([0.75, 0.25, 0.  ])
    """
    falling = -np.sort(-score, axis=-1)
    total = np.cumsum(falling, axis=-1)
    count = np.arange(1, score.shape[-1] + 1)
    support = (1 + count * falling > total).sum(axis=-1, keepdims=True)
    tau = (np.take_along_axis(total, support - 1, axis=-1) - 1) / support
    return np.maximum(score - tau, 0.0)
