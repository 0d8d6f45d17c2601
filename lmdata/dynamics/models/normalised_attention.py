"""Self-attention under the normalisation schemes of transformers: speeds that depend on lengths, weights and depth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lmdata.dynamics.kernels.attend import attend
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionFlow, Own
from lmdata.dynamics.models.geometry import ON_SURFACE, Ellipsoid, Euclidean, Geometry
from lmdata.dynamics.models.parameters import as_array, choice, flag, matrix, number
from lmdata.dynamics.models.sphere_attention import UNIT
from lmdata.dynamics.models.weights import mask_future, softmax_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix, apply, inner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PLACEMENTS = ("post", "pre", "peri", "ngpt", "mix", "sqrt-depth")
_OF_ONE = {"rate": "ngpt", "switch": "mix"}
"""Parameters that one placement alone has."""


@register
@dataclass(frozen=True, kw_only=True)
class NormalisedAttention(AttentionFlow):
    r"""Self-attention with the normalisation of a transformer at its several places (arXiv 2510.22026, 2512.01868).

    Tokens :math:`x_i = r_i \theta_i` attend to directions, :math:`|\theta_i| = 1`:

    .. math:: A_i = \sum_j P_{ij} V \theta_j, \qquad P_{ij} \propto e^{\beta \langle \theta_i, D \theta_j \rangle},
              \qquad \theta_i' = \mathrm{Proj}_{\theta_i}(A_i) / s_i,

    where the place of the normalisation decides the speed and the lengths:

    ==============  =======================  ====================================  ==============================
    placement       :math:`s_i`              :math:`r_i'`                          the same as
    ==============  =======================  ====================================  ==============================
    ``post``        1                        0                                     `SphereAttention`
    ``pre``         :math:`r_i`              :math:`\langle \theta_i, A_i \rangle`  :math:`x_i' = A_i`
    ``peri``        :math:`r_i |A_i|`        :math:`\langle \theta_i, A_i \rangle  :math:`x_i' = A_i / |A_i|`
                                             / |A_i|`
    ``ngpt``        :math:`|A_i| / \alpha`   0                                     post with :math:`A_i / |A_i|`
    ``mix``         post, then pre           post, then pre                        Mix-LN
    ``sqrt-depth``  :math:`\sqrt{t + 1}`     0                                     post in time :math:`2\sqrt{t+1}`
    ==============  =======================  ====================================  ==============================

    A token whose :math:`A_i` is zero has no direction to go in: under ``peri`` and ``ngpt`` it stays.

    Parameters
    ----------
    placement : {"post", "pre", "peri", "ngpt", "mix", "sqrt-depth"}
        Where tokens are normalised.
    inverse_temperature : float
        beta >= 0.
    rate : float
        alpha > 0, for ``ngpt`` alone.
    switch : float
        The time at which ``mix`` goes from post to pre, in the model's own time; a step across it is parted there.
    alignment, values : matrix (d, d), optional
        D and V; the identity by default.
    causal : bool
        Token i attends to the tokens j <= i alone.
    step_size : float
        Time from step to step, in the model's own time.
    scheme : {"rk4", "euler", "layernorm", "adaptive"}
        ``layernorm`` is the layer of a network, :math:`x + h f` brought back to the sphere where the placement
        normalises what leaves a layer; ``euler`` projects before it steps.

    Notes
    -----
    Tokens of ``pre`` and ``peri`` may start anywhere but at the origin; the others are on the sphere, but for those of
    ``mix`` after its switch. Near a cluster lengths grow as t and cosines as :math:`1 - O(t^{-2})` under ``pre`` and
    ``peri``, where the others gather exponentially fast.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed; among them, parameters that the placement has not.

    Examples
    --------
    >>> start = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> for placement in ("post", "pre"):
    ...     model = NormalisedAttention(placement=placement)
    ...     end = NormalisedAttention.advance([model], start, start=0, record=[50], seeds=[0]).position[0, 0]
    ...     np.linalg.norm(end, axis=1).round(2)
    array([1., 1.])
    array([5.37, 5.37])
    """

    kind: ClassVar[str] = "normalised-attention"
    sweepable: ClassVar[tuple[str, ...]] = ("inverse_temperature",)

    placement: str = choice("post", PLACEMENTS)
    inverse_temperature: float = number(1.0, minimum=0)
    rate: float = number(1.0, minimum=0, above=True)
    switch: float = number(1.0, minimum=0)
    alignment: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    values: Matrix | None = matrix()  # noqa: RUF009 - makes a field
    causal: bool = flag(False)
    scheme: str = choice("rk4", ("rk4", "euler", "layernorm", "adaptive"))

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in dataclasses.fields(self):
            placement = _OF_ONE.get(field.name, self.placement)
            if placement != self.placement and getattr(self, field.name) != field.default:
                raise InvalidInput(
                    f"{field.name} is {getattr(self, field.name):g}, but placement is {self.placement!r}, which has "
                    f"none; leave it out, or take placement={placement!r}"
                )

    @property
    def surface(self) -> Geometry:
        """The sphere, or the space where lengths change."""
        return Ellipsoid() if self.placement in ("post", "ngpt", "sqrt-depth") else Euclidean()

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Also refuse tokens without a direction, and tokens off the sphere where it is where they live."""
        super().check_batch(models, tokens, steps)
        zero = (tokens == 0).all(axis=-1)
        if zero.any():
            first = int(zero.argmax()) % zero.shape[-1]
            raise InvalidInput(f"token {first} is zero, which has no direction; {cls.kind} normalises every token")
        away = Ellipsoid().deviation(tokens).max()
        if models[0].placement not in ("pre", "peri") and away > ON_SURFACE:
            raise InvalidInput(
                f"tokens are up to {away:.3g} off the unit sphere, more than {ON_SURFACE:g}, where placement "
                f"{models[0].placement!r} keeps them; draw them with lmdata.tokens.sphere, divide each by its norm, "
                "or take placement='pre' or 'peri'"
            )

    def enter(self, state: Array) -> Array:
        """Return the tokens, those that are rounded numbers brought onto the sphere where they live there."""
        return state if self.placement in ("pre", "peri") else Ellipsoid().settle(state)

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return how far norms are from one on the sphere, (m,)."""
        return {"tokens have left the sphere": (self.surface.deviation(state).max(axis=1), UNIT)}

    def fastest_rate(self, n: int) -> float:
        """Return |V| on the sphere, alpha for ``ngpt``; where lengths change it depends on them, and is not known."""
        if self.placement in ("pre", "peri"):
            return 0.0
        size = 1.0 if self.values is None else float(np.linalg.norm(np.array(self.values), 2))
        return self.rate if self.placement == "ngpt" else size

    def integrate(self, state: Array, time: float, size: float, own: Own) -> Array:
        """Return the state after one step; ``mix`` is ``post`` up to its switch, and ``pre`` from then on."""
        if self.placement != "mix":
            return super().integrate(state, time, size, own)
        before = min(max(self.switch - time, 0.0), size)
        parts = {"post": (time, before), "pre": (time + before, size - before)}
        for placement, (begin, length) in parts.items():
            if length > 0.0:
                part = dataclasses.replace(self, placement=placement, switch=1.0)
                state = part.integrate(state, begin, length, own)
        return state

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what moves the tokens, not yet projected where they live on the sphere."""
        seen = Ellipsoid().retract(state)
        keys = apply(as_array(self.alignment), seen)
        increment, _ = attend(seen, keys, seen, own["inverse_temperature"], causal=self.causal)
        attended = apply(own.get("values", as_array(self.values)), seen + increment)
        if self.placement in ("peri", "ngpt"):
            length = np.sqrt(inner(attended, attended))[..., None]
            return np.asarray(self.rate * attended / np.where(length == 0.0, 1.0, length))
        return attended / np.sqrt(time + 1.0) if self.placement == "sqrt-depth" else attended

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return P (m, n, n), the weights of directions."""
        seen = Ellipsoid().retract(state)
        score = scores(seen, apply(as_array(self.alignment), seen))
        return softmax_weights(mask_future(score) if self.causal else score, self.inverse_temperature)

    def failure(self, step: int) -> str:
        """Also name tokens at the origin."""
        return f"{super().failure(step)}; a token that has come to the origin has no direction either"
