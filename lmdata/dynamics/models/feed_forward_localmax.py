"""Localmax layers with a feed-forward block after each: what attention gathers, a block may spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lmdata.dynamics.kernels.canonical import alignment_keys, scores
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap, Own
from lmdata.dynamics.models.feed_forward import check_neurons
from lmdata.dynamics.models.neighbourhoods import pulls
from lmdata.dynamics.models.parameters import as_array, choice, matrix, number, vector
from lmdata.dynamics.models.weights import ALL, localmax_neighbours, uniform_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.activations import ACTIVATIONS, activate
from lmdata.numerics.arrays import Matrix, apply, per_member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@register
@dataclass(frozen=True, kw_only=True)
class FeedForwardLocalmax(AttentionMap):
    r"""Localmax, and after each of its steps a feed-forward block, as in a transformer's layer.

    .. math:: y_i = \frac{z_i + \alpha \bar z_{C_i}}{1 + \alpha}, \qquad
              z_i(t+1) = y_i + \kappa W \sigma(U y_i + b)

    with the neighbours :math:`C_i` of `Localmax`; hardmax at sensitivity 0. Steps of attention keep every token in the
    convex hull of all of them (fact F1); blocks need not, so that hulls are no longer nested.

    Parameters
    ----------
    alignment_sensitivity : float
        delta >= 0, in units of alignment.
    influence : float
        alpha > 0.
    strength : float
        kappa >= 0; at 0 it is `Localmax`, to the bit.
    alignment : matrix (d, d), optional
        A, symmetric positive definite; the identity by default.
    neurons : matrix (k, d), optional
        U; the identity by default.
    outputs : matrix (d, k), optional
        W; the identity by default.
    biases : sequence of k numbers, optional
        b; zeros by default.
    activation : {"relu", "tanh", "sigmoid", "gelu"}
        sigma.

    Raises
    ------
    InvalidInput
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> start = np.array([[[1.0], [-1.0]]])
    >>> model = FeedForwardLocalmax(strength=0.5)
    >>> FeedForwardLocalmax.advance([model], start, start=0, record=[1], seeds=[0]).position[0, 0, :, 0]
    array([ 1.5, -1. ])
    """

    kind: ClassVar[str] = "feed-forward-localmax"
    sweepable: ClassVar[tuple[str, ...]] = ("alignment_sensitivity", "influence", "strength")

    alignment_sensitivity: float = number(0.0, minimum=0)
    strength: float = number(0.1, minimum=0)
    alignment: Matrix | None = matrix(positive=True)  # noqa: RUF009 - makes a field
    neurons: Matrix | None = matrix(square=False)  # noqa: RUF009 - makes a field
    outputs: Matrix | None = matrix(square=False, of_components=False)  # noqa: RUF009 - makes a field
    biases: tuple[float, ...] | None = vector()
    activation: str = choice("relu", ACTIVATIONS)

    def check_width(self, components: int) -> None:
        """Refuse matrices that do not act on tokens of so many components; W acts on neurons instead."""
        super().check_width(components)
        neurons = components if self.neurons is None else len(self.neurons)
        shape = (components, components) if self.outputs is None else (len(self.outputs), len(self.outputs[0]))
        if shape != (components, neurons):
            raise InvalidInput(
                f"outputs has shape {shape}; for tokens of {components} components and {neurons} neurons it must be "
                f"({components}, {neurons})"
            )
        check_neurons(self.neurons, components, biases=self.biases)

    def move(self, state: Array, step: int, own: Own) -> Array:
        """Return the step of localmax, and the block after it."""
        after = super().move(state, step, own)
        inputs = apply(as_array(self.neurons), after)
        fired = activate(inputs if self.biases is None else inputs + np.array(self.biases), self.activation)
        return after + per_member(own["strength"], 3) * apply(as_array(self.outputs), fired)

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return the way to the mean of the neighbours."""
        keys, sensitivity = alignment_keys(state, as_array(self.alignment)), per_member(own["alignment_sensitivity"], 3)
        return pulls(state, lambda rows: localmax_neighbours(scores(keys[:, rows], state), sensitivity))

    def attention(self, state: Array, step: int = 0, rows: slice = ALL) -> Array:
        """Return P (m, n, n) of the step of localmax, or some rows of it."""
        keys = alignment_keys(state, as_array(self.alignment))
        return uniform_weights(localmax_neighbours(scores(keys[:, rows], state), self.alignment_sensitivity))
