"""Maps in which every neighbour counts the same: bounded confidence, and localmax under other rules.

Both take the order-free sums of the canonical step (`lmdata.dynamics.kernels.canonical`): permuting the tokens permutes
the result bit for bit, and coincident tokens stay coincident.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.canonical import BLOCK, alignment_keys, pull, scores, split
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap, Own
from lmdata.dynamics.models.geometry import ON_SURFACE, Ellipsoid, Euclidean, Geometry
from lmdata.dynamics.models.line import line_pulls
from lmdata.dynamics.models.parameters import as_array, choice, flag, matrix, number
from lmdata.dynamics.models.sphere_attention import UNIT
from lmdata.dynamics.models.weights import (
    ALL,
    THRESHOLD_RULES,
    close_neighbours,
    localmax_neighbours,
    mask_future,
    mask_self,
    uniform_weights,
)
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, per_member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def pulls(state: Array, neighbours: Callable[[slice], NDArray[np.bool_]]) -> Array:
    """Return the displacement of each token to its neighbour mean, (m, n, d), a few rows of neighbours at a time.

    Parameters
    ----------
    state : array (m, n, d)
    neighbours : function
        Given a slice of rows, returns which tokens are their neighbours, bool (m, r, n).
    """
    m, n, _ = state.shape
    high, low = split(state)
    size = max(1, BLOCK // (m * n))
    blocks = [slice(first, min(first + size, n)) for first in range(0, n, size)]
    return np.concatenate([pull(high, low, neighbours(rows), rows) for rows in blocks], axis=1)


@register
@dataclass(frozen=True, kw_only=True)
class BoundedConfidence(AttentionMap):
    r"""Bounded confidence of Hegselmann and Krause (2002), with the convex step of localmax, for contrast with it.

    .. math:: C_i = \{ j : |z_i - z_j| \le r \}, \qquad z_i(t+1) = \frac{z_i + \alpha \bar z_{C_i}}{1 + \alpha}

    Its neighbourhoods are symmetric and do not move with the origin; with them it has a Lyapunov function, which
    localmax has not (fact F8).

    Parameters
    ----------
    radius : float
        r >= 0, in the unit of the tokens.
    influence : float
        alpha > 0; from 1e16 on the step is that of Hegselmann and Krause themselves, to the mean, to the bit.

    Examples
    --------
    >>> start = np.array([[[0.0], [1.0], [3.0]]])
    >>> BoundedConfidence.advance([BoundedConfidence()], start, start=0, record=[1], seeds=[0]).position[0, 0, :, 0]
    array([0.25, 0.75, 3.  ])
    """

    kind: ClassVar[str] = "bounded-confidence"
    sweepable: ClassVar[tuple[str, ...]] = ("radius", "influence")

    radius: float = number(1.0, minimum=0)

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return the way to the mean of the tokens within the radius."""
        if state.shape[2] == 1:
            return line_pulls(state, own["radius"])
        radius = per_member(own["radius"], 3)
        return pulls(state, lambda rows: close_neighbours(state[:, rows], state, radius))

    def attention(self, state: Array, step: int = 0, rows: slice = ALL) -> Array:
        """Return P (m, n, n), or some rows of it."""
        return uniform_weights(close_neighbours(state[:, rows], state, self.radius))


@register
@dataclass(frozen=True, kw_only=True)
class KrauseAttention(BoundedConfidence):
    """The former name of `BoundedConfidence`, for scripts, recipes and stores that have it; deprecated.

    The published attention of that name is another model, `KrauseTransformer`. Numbers are those of
    `BoundedConfidence`, to the bit; the kind stays, so that recipes keep their identity.

    Examples
    --------
    >>> isinstance(KrauseAttention(radius=0.5), BoundedConfidence)
    True
    """

    kind: ClassVar[str] = "krause"


@register
@dataclass(frozen=True, kw_only=True)
class LocalmaxVariant(AttentionMap):
    r"""Localmax under another threshold rule, with a causal mask, without oneself, or on the sphere.

    .. math:: C_i = \{ j : \langle A z_i, z_j \rangle \ge \max_l \langle A z_i, z_l \rangle - \delta r_i \}

    and the convex step, followed by normalisation on the sphere. With the rule "absolute", no mask and in space it is
    `Localmax` (arXiv 2509.15958), to the bit.

    Parameters
    ----------
    alignment_sensitivity : float
        delta >= 0, in units of r_i.
    influence : float
        alpha > 0.
    alignment : matrix (d, d), optional
        A, symmetric, of any signature; the identity by default. Steps stay convex, so that hulls are nested whatever
        A is; where it is negative definite a step is one of Frank and Wolfe's for the convex energy
        :math:`-\langle z, A z \rangle / 2` over the hull (arXiv 2508.09628), and the largest energy never rises.
    threshold : {"absolute", "spread", "maximum"}
        What delta is measured in; see `lmdata.dynamics.models.weights.localmax_neighbours`.
    causal : bool
        Token i attends to the tokens j <= i alone: maxima and spreads are over these.
    exclude_self : bool
        Token i does not attend to itself: maxima and spreads are over the others. A token that has no others to attend
        to stays.
    geometry : {"euclidean", "sphere"}
        On the sphere tokens have unit norm and are normalised after each step.

    Examples
    --------
    >>> start = np.array([[[1.0], [0.5], [-1.0]]])
    >>> model = LocalmaxVariant(alignment_sensitivity=1.0, threshold="spread")  # everyone is in reach
    >>> LocalmaxVariant.advance([model], start, start=0, record=[1], seeds=[0]).position[0, 0, :, 0].round(3)
    array([ 0.583,  0.333, -0.417])
    """

    kind: ClassVar[str] = "localmax-variant"
    sweepable: ClassVar[tuple[str, ...]] = ("alignment_sensitivity", "influence")

    alignment_sensitivity: float = number(0.0, minimum=0)
    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    threshold: str = choice("spread", THRESHOLD_RULES)
    causal: bool = flag(False)
    geometry: str = choice("euclidean", ("euclidean", "sphere"))
    exclude_self: bool = flag(False, later=True)

    @property
    def surface(self) -> Geometry:
        """The space or the sphere."""
        return Ellipsoid() if self.geometry == "sphere" else Euclidean()

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse tokens off the sphere."""
        super().check_batch(models, tokens, steps)
        if (away := models[0].surface.deviation(tokens).max()) > ON_SURFACE:
            raise InvalidInput(
                f"tokens are up to {away:.3g} off the unit sphere, more than {ON_SURFACE:g}; draw them with "
                "lmdata.tokens.sphere, or divide each by its norm"
            )

    def enter(self, state: Array) -> Array:
        """Return the tokens, those that are rounded numbers brought onto the sphere."""
        return Ellipsoid().settle(state) if self.geometry == "sphere" else state

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return how far norms are from one on the sphere, (m,)."""
        return {"tokens have left the sphere": (self.surface.deviation(state).max(axis=1), UNIT)}

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return the way to the mean of the neighbours."""
        keys, sensitivity = (
            alignment_keys(state, as_array(self.alignment)),
            per_member(own["alignment_sensitivity"], 3),
        )
        return pulls(state, lambda rows: self._neighbours(keys, state, rows, sensitivity))

    def attention(self, state: Array, step: int = 0, rows: slice = ALL) -> Array:
        """Return P (m, n, n), or some rows of it."""
        keys, sensitivity = (
            alignment_keys(state, as_array(self.alignment)),
            np.array(self.alignment_sensitivity),
        )
        first, last, _ = rows.indices(state.shape[1])
        return uniform_weights(self._neighbours(keys, state, slice(first, last), sensitivity))

    def _neighbours(self, keys: Array, state: Array, rows: slice, sensitivity: Array) -> NDArray[np.bool_]:
        score = scores(keys[:, rows], state)
        score = mask_future(score, rows.start) if self.causal else score
        score = mask_self(score, rows.start) if self.exclude_self else score
        return localmax_neighbours(score, sensitivity, rule=self.threshold)  # type: ignore[arg-type]
