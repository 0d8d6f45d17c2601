"""Sinkformer: attention whose weights are doubly stochastic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionFlow, Own, warn_accuracy
from lmdata.dynamics.models.parameters import as_array, choice, count, matrix, number
from lmdata.dynamics.models.weights import Balanced, sinkhorn_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply, per_member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_WEIGHTS_AT_ONCE = 2**22
"""Entries of weight matrices that are balanced together."""

_MOST_TOKENS = 10_000


@register
@dataclass(frozen=True, kw_only=True)
class Sinkformer(AttentionFlow):
    r"""Attention with doubly stochastic weights (arXiv 2110.11773).

    .. math:: x_i' = \sum_j P_{ij} V x_j, \qquad P_{ij} = e^{\beta \langle Q x_i, K x_j \rangle + f_i + g_j},
              \qquad \sum_j P_{ij} = \sum_i P_{ij} = 1

    f and g come from Sinkhorn's iterations on logarithms. Euler's scheme with step size 1 is the residual layer.

    Parameters
    ----------
    inverse_temperature : float
        beta >= 0, one over the entropic regularisation.
    queries, keys, values : matrix, optional
        Q, K (k, d) and V (d, d); identities by default.
    half_steps : int, optional
        Normalise rows and columns in turn exactly so often, rows first, as published Sinkformers do (3 or 5).
    tolerance : float
        Otherwise until every row and column sum is so close to one,
    limit : int
        but no more than so many half steps: a member that does not get there is warned of, and
        ``marginal_error`` tells by how much.
    step_size, scheme
        As in `SelfAttention`.

    Examples
    --------
    >>> model = Sinkformer(inverse_temperature=2.0)
    >>> weights = model.attention(np.array([[[0.0], [1.0], [3.0]]]))
    >>> bool(abs(weights.sum(axis=1) - 1).max() < 1e-12)
    True
    """

    kind: ClassVar[str] = "sinkformer"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    inverse_temperature: float = number(1.0, minimum=0)
    queries: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    keys: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    values: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    half_steps: int | None = count(None)
    tolerance: float = number(1e-13, minimum=0, above=True)
    limit: int = count(10_000)
    scheme: str = choice("euler", ("euler", "rk4", "adaptive"))

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse more tokens than weight matrices fit into memory for."""
        super().check_batch(models, tokens, steps)
        if (n := tokens.shape[-2]) > _MOST_TOKENS:
            raise InvalidInput(
                f"there are {n} tokens; Sinkhorn's weights hold n x n numbers, so at most {_MOST_TOKENS}"
            )

    def fastest_rate(self, n: int) -> float:
        """Return |V|, the bound of doubly stochastic weights."""
        return 1.0 if self.values is None else float(np.linalg.norm(np.array(self.values), 2))

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what each token attends to."""
        means = np.empty_like(state)
        for group in _groups(*state.shape[:2]):
            means[group] = self._balanced(state[group], own["inverse_temperature"][group]).weights @ state[group]
        return apply(own.get("values", as_array(self.values)), means)

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n)."""
        return self._balanced(state, np.full(len(state), self.inverse_temperature)).weights

    def diagnose(self, state: Array, step: int, own: Own) -> dict[str, NDArray[Any]]:
        """Return how far the sums are from one and the half steps done; warn where the tolerance was not reached."""
        parts = [self._balanced(state[g], own["inverse_temperature"][g]) for g in _groups(*state.shape[:2])]
        error, done = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        missed = error > self.tolerance
        if self.half_steps is None and missed.any():  # in the same words at every frame, so that it is shown once
            warn_accuracy(
                f"Sinkhorn's weights miss their tolerance {self.tolerance:g} after limit={self.limit} half steps, in "
                f"members from inverse_temperature {own['inverse_temperature'][missed].min():g} on; marginal_error in "
                "the data tells by how much: raise limit or tolerance, or lower inverse_temperature"
            )
        return super().diagnose(state, step, own) | {"marginal_error": error, "half_steps_done": done}

    def _balanced(self, state: Array, inverse_temperature: Array) -> Balanced:
        score = scores(apply(as_array(self.queries), state), apply(as_array(self.keys), state))
        return sinkhorn_weights(
            score,
            per_member(inverse_temperature, 3),
            half_steps=self.half_steps,
            tolerance=self.tolerance,
            limit=self.limit,
        )


def _groups(members: int, tokens: int) -> list[slice]:
    size = max(1, _WEIGHTS_AT_ONCE // tokens**2)
    return [slice(begin, begin + size) for begin in range(0, members, size)]
