"""What the flows of densities share: masses of cells, the energy that they climb or descend, and what they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.models.base import AttentionFlow, Own
from lmdata.dynamics.models.geometry import Simplex
from lmdata.dynamics.models.parameters import choice, matrix, number, refuse_overflow
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix
from lmdata.numerics.cells import Cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MASS = 1e-12
"""How far from one the total of the masses may be after a step."""

GIVEN_MASS = 1e-9
"""How far from one it may be at the start."""

NEGATIVE = 1e-9
"""How far below zero a mass may be: the adaptive scheme is accurate to 1e-10 a step."""

SCHEMES = ("euler", "rk4", "exponentiated", "adaptive")


@dataclass(frozen=True, kw_only=True)
class DensityFlow(AttentionFlow):
    """Base of the gradient flows of an interaction energy for masses of cells: a surface says where cells are.

    A surface gives ``cells``, the ``kernel`` of its cells, and ``transported``: how masses change that move.
    """

    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)
    holds: ClassVar[str] = "densities"
    components: ClassVar[int]
    """Of the space that the surface lies in."""
    name: ClassVar[str]
    """Of the surface."""

    inverse_temperature: float = number(1.0, minimum=0, above=True)
    alignment: Matrix | None = matrix(symmetric=True)  # noqa: RUF009 - makes a field
    direction: str = choice("descent", ("descent", "ascent"))
    metric: str = choice("wasserstein", ("wasserstein", "fisher-rao"))
    scheme: str = choice("euler", SCHEMES)

    def __post_init__(self) -> None:
        super().__post_init__()
        d = self.components
        if self.alignment is not None and len(self.alignment) != d:
            raise InvalidInput(f"alignment has shape {np.shape(self.alignment)}; on the {self.name} D is {(d, d)}")
        if self.scheme == "exponentiated" and self.metric != "fisher-rao":
            raise InvalidInput(f"scheme 'exponentiated' steps metric 'fisher-rao'; metric is {self.metric!r}")
        refuse_overflow(self.inverse_temperature, self.reach)

    @property
    def reach(self) -> float:
        """The largest <x_k, D x_l>."""
        return 1.0 if self.alignment is None else float(np.linalg.norm(np.array(self.alignment), 2))

    @property
    def surface(self) -> Simplex:
        """Masses whose sum is one."""
        return Simplex()

    def cells(self, n: int) -> Cells:
        """Return where n cells are, and how large."""
        raise NotImplementedError

    def kernel(self, n: int, inverse_temperature: float) -> Array:
        """Return exp(beta <x_k, D x_l>) for n cells, (n, n)."""
        raise NotImplementedError

    def transported(self, mass: Array, potential: Array) -> Array:
        """Return how fast masses (m, n) change that go along the gradient of a potential (m, n)."""
        raise NotImplementedError

    def check_width(self, components: int) -> None:
        """Refuse more than one component, the mass."""
        if components != 1:
            raise InvalidInput(f"the tokens have {components} components; a density has one, the mass of the cell")

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse what is no probability."""
        super().check_batch(models, tokens, steps)
        least, total = tokens.min(axis=(1, 2)), tokens.sum(axis=(1, 2))
        wrong = np.flatnonzero((least < 0) | (np.abs(total - 1) > GIVEN_MASS))
        if wrong.size:
            raise InvalidInput(
                f"masses have the least value {least[wrong[0]]:g} and the sum {total[wrong[0]]:.12g}; a density has "
                f"masses >= 0 with sum 1: for the uniform one give lmdata.tokens.density(n, surface={cls.name!r})"
            )

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return how fast the masses change."""
        mass, potential = state[..., 0], self.potential(state, own)
        sign = 1.0 if self.direction == "ascent" else -1.0
        if self.metric == "fisher-rao":
            rate = sign * mass * (potential - (mass * potential).sum(axis=1, keepdims=True))
        else:
            rate = self.transported(mass, sign * potential)
        return np.asarray(rate[..., None])

    def integrate(self, state: Array, time: float, size: float, own: Own) -> Array:
        """Return the masses after one step; the exponentiated scheme is here."""
        if self.scheme != "exponentiated":
            return super().integrate(state, time, size, own)
        sign = 1.0 if self.direction == "ascent" else -1.0
        exponent = sign * size * self.potential(state, own)
        exponent -= exponent.max(axis=1, keepdims=True, where=state[..., 0] > 0, initial=-np.inf)
        return self.surface.retract(state * np.exp(np.minimum(exponent, 0.0))[..., None])

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return how far the total mass is from one, and the masses below zero."""
        return {
            "the total mass is not one": (self.surface.deviation(state)[:, 0], MASS),
            "masses are negative": (np.maximum(-state[..., 0].min(axis=1), 0.0), NEGATIVE),
        }

    def falling(self, state: Array, own: Own) -> Array:
        """Return E_D in descent, and its opposite in ascent, (m,)."""
        sign = -1.0 if self.direction == "ascent" else 1.0
        return sign * 0.5 * (state[..., 0] * self.potential(state, own)).sum(axis=1)

    def potential(self, state: Array, own: Own) -> Array:
        """Return phi (m, n)."""
        n = state.shape[1]
        return np.stack(
            [
                self.kernel(n, float(beta)) @ masses[:, 0] / beta
                for beta, masses in zip(own["inverse_temperature"], state, strict=True)
            ]
        )
