"""What is trained, by which loss and how: the specification of a training run, and its equations in NumPy.

The equations here are the definition, a line each, for arrays of any leading dimensions; the kernel computes the same
without cancellation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import read_parameters
from lmdata.errors import InvalidInput, UnknownName
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count, as_number
from lmdata.selection.heads import HEADS
from lmdata.selection.programs import Norm

TRAINED = ("prompt", "weight", "joint", "factors")
LOSSES = ("logistic", "exponential", "correlation")
ARITHMETIC = ("exact", "published")
DESCENT = ("gradient", "sign")


def _later(default: Any) -> Any:
    """Return a field that stands in the specification only where it is not at its default: older recipes lack it."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class TokenSelection(Specified):
    """One-layer softmax attention f(X) = <X v, softmax(X W p)> under training (arXiv 2306.13596, 2308.16898).

    With u the trained parameter, g the gradient of the mean loss and q the exponent, a step is

        theta = sign(u) |u|^(q-1);   theta <- theta - step g                      (plain)
                                     theta <- theta - step g / (|g| + epsilon)    (normalised)
        u = sign(theta) |theta|^(1/(q-1))

    For q = 2 this is gradient descent; else mirror descent with the potential |u|_q^q / q (arXiv 2410.14581). Sign
    descent is the steepest descent in the largest entry (arXiv 2502.04664): it moves by |g|_1 sign(g), or by sign(g) if
    normalised. With one query z for all samples, training W is training p = W z, with the step |z|^2 times as large, or
    |z| times if normalised.

    Parameters
    ----------
    trained : {"prompt", "weight", "joint", "factors"}
        Train p, or W with given queries, or p and v together (each with its own normalisation), or the factors K and Q
        of W = K Q^T, whose gradient is one, with one norm. Factors do not start at zero, where they have no gradient.
    loss : {"logistic", "exponential", "correlation"}
        log(1 + e^-m), e^-m or -m of the margin m = y f(X).
    step
        Learning rate, above zero.
    normalised
        Divide the gradient by its norm. Its direction is then exact to rounding however small it is.
    epsilon
        Added to the norm. Zero never freezes; published codes use 1e-9 or so, and stand still below it.
    exponent
        q of the mirror potential, above 1.
    radius
        After each step, the parameter is scaled back into the ball of this norm (regularisation path).
    value_step, value_epsilon
        The same for v in joint training; by default as for p.
    arithmetic : {"exact", "published"}
        ``published`` rounds as the double-precision runs of automatic differentiators do, whose cancellation
        turns the direction once attention has settled: for comparison with them only.
    head : {"linear", "relu", "tanh", "sigmoid"}
        f(X) = <v, sigma(X^T softmax(X W p))>, sigma applied to each feature; with v fixed.
    descent : {"gradient", "sign"}
        Rule of a step.
    width
        Columns of K and Q; by default as many as features.
    value_radius
        Radius of the ball of v in joint training; without it v is free.

    Raises
    ------
    InvalidInput, UnknownName
        Naming the parameter, its value and what is allowed.

    Examples
    --------
    >>> TokenSelection(step=0.5).with_parameter("exponent", 3).exponent
    3.0
    """

    trained: str = "prompt"
    loss: str = "logistic"
    step: float = 0.1
    normalised: bool = True
    epsilon: float = 0.0
    exponent: float = 2.0
    radius: float | None = None
    value_step: float | None = None
    value_epsilon: float | None = None
    arithmetic: str = "exact"
    head: str = _later("linear")
    descent: str = _later("gradient")
    width: int | None = _later(None)
    value_radius: float | None = _later(None)

    kind: ClassVar[str] = "selection"
    sweepable: ClassVar[tuple[str, ...]] = (
        *("step", "epsilon", "exponent", "radius", "value_step", "value_epsilon", "value_radius"),
    )
    time_unit: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        choices = {"trained": TRAINED, "loss": LOSSES, "arithmetic": ARITHMETIC, "head": HEADS, "descent": DESCENT}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise UnknownName.among(name, str(getattr(self, name)), known)
        if not isinstance(self.normalised, bool):
            raise InvalidInput(f"normalised is {self.normalised!r}; it must be True or False")
        bounds = {"step": (0.0, True), "epsilon": (0.0, False), "exponent": (1.0, True), "radius": (0.0, True)}
        for name in self.sweepable:
            value = getattr(self, name)
            if value is not None:
                minimum, above = bounds[name.removeprefix("value_")]
                object.__setattr__(self, name, as_number(value, name, minimum=minimum, above=above))
        if self.width is not None:
            object.__setattr__(self, "width", as_count(self.width, "width"))
        for given, refused, instead in (
            (
                f"radius is {self.radius} with exponent {self.exponent}",
                self.radius is not None and self.exponent != 2.0,
                "the projection is Euclidean, use exponent 2",
            ),
            (
                f"value_radius is {self.value_radius} with trained {self.trained!r} and exponent {self.exponent}",
                self.value_radius is not None and (self.trained != "joint" or self.exponent != 2.0),
                "it bounds the v of joint training, by a Euclidean projection: use 'joint' and exponent 2",
            ),
            (
                f"descent is 'sign' with trained {self.trained!r}, exponent {self.exponent} and radius {self.radius}",
                self.descent == "sign"
                and (
                    self.trained == "factors"
                    or self.exponent != 2.0
                    or (self.radius, self.value_radius) != (None, None)
                ),
                "sign descent is of p, W or p and v, with exponent 2 and without a radius",
            ),
            (
                f"exponent is {self.exponent} with trained 'factors'",
                self.trained == "factors" and self.exponent != 2.0,
                "the mirror is that of one parameter, use exponent 2",
            ),
            (
                f"width is {self.width} with trained {self.trained!r}",
                self.trained != "factors" and self.width is not None,
                "it is the number of columns of factors, leave it out",
            ),
            (
                f"head is {self.head!r} with trained {self.trained!r} and arithmetic {self.arithmetic!r}",
                self.head != "linear" and (self.trained == "joint" or self.arithmetic == "published"),
                "under a nonlinear head v is fixed and the arithmetic 'exact'",
            ),
        ):
            if refused:
                raise InvalidInput(f"{given}; {instead}")

    @property
    def of(self) -> str:
        """Which max-margin problem is that of the training: of the ``prompt``, or of the ``weight``."""
        return "weight" if self.trained in ("weight", "factors") else "prompt"

    @property
    def margin_norm(self) -> Norm:
        """The norm whose max-margin solution training tends to: that of the steps, and the nuclear one of factors."""
        if self.trained == "factors":
            return "nuclear"
        return math.inf if self.descent == "sign" else self.exponent

    def specification(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values; `from_specification` gives the same object back."""
        later = {f.name: f.default for f in dataclasses.fields(self) if f.metadata.get("later")}
        given = dataclasses.asdict(self).items()
        return {"kind": self.kind, **{name: v for name, v in given if name not in later or v != later[name]}}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the model of a specification; missing parameters take their defaults."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**read_parameters(specification, cls.kind, names))

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        if name not in self.sweepable:
            raise UnknownName.among("sweepable parameter", name, self.sweepable)
        return dataclasses.replace(self, **{name: value})  # type: ignore[arg-type]


def attention(scores: NDArray[Any], present: NDArray[np.bool] | None = None) -> NDArray[Any]:
    """Return softmax over the last axis, zero where no token is present; real or complex scores.

    Examples
    --------
    >>> attention(np.log([1.0, 3.0]))
    array([0.25, 0.75])
    """
    real = np.real(scores) if present is None else np.where(present, np.real(scores), -np.inf)
    powers = np.exp(scores - real.max(axis=-1, keepdims=True))
    if present is not None:
        powers = np.where(present, powers, 0.0)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def loss_of(margin: NDArray[Any], loss: str) -> NDArray[Any]:
    """Return the loss of margins m = y f(X).

    Examples
    --------
    >>> loss_of(np.array([0.0]), "logistic").round(6)  # log 2
    array([0.693147])
    """
    if loss == "logistic":
        positive = np.real(margin) >= 0  # exponents below zero: nothing overflows
        return np.asarray(np.log1p(np.exp(np.where(positive, -margin, margin))) - np.where(positive, 0.0, margin))
    return np.asarray(np.exp(-margin)) if loss == "exponential" else -margin


def loss_slope(margin: NDArray[Any], loss: str) -> NDArray[Any]:
    """Return the derivative of `loss_of`.

    Examples
    --------
    >>> loss_slope(np.array([0.0]), "logistic")
    array([-0.5])
    """
    if loss == "logistic":
        small = np.exp(np.where(np.real(margin) >= 0, -margin, margin))
        return np.asarray(-np.where(np.real(margin) >= 0, small, 1.0) / (1 + small))
    return np.asarray(-np.exp(-margin)) if loss == "exponential" else -np.ones_like(margin)


def objective(
    keys: NDArray[Any], queries: NDArray[Any], scores_of_value: NDArray[Any], weights: NDArray[Any], loss: str
) -> Any:
    """Return the mean loss ``(1/n) sum_i l(sum_t a_it g_it)``.

    Parameters
    ----------
    keys : (n, T, a), queries : (n, r), scores_of_value : (n, T), weights : (a, r)
        Keys k, queries q, token scores ``g_it = y_i <x_it, v>``, trained matrix U; ``a_i = softmax(k_i U q_i)``.
    """
    shares = attention(np.einsum("ita,ar,ir->it", keys, weights, queries))
    return loss_of((shares * scores_of_value).sum(axis=-1), loss).mean()


def gradient(
    keys: NDArray[Any], queries: NDArray[Any], scores_of_value: NDArray[Any], weights: NDArray[Any], loss: str
) -> NDArray[Any]:
    """Return the gradient of `objective` in U: the mean of ``l'(m) sum_t a_t (g_t - m) k_t q^T``, (a, r)."""
    shares = attention(np.einsum("ita,ar,ir->it", keys, weights, queries))
    margin = (shares * scores_of_value).sum(axis=-1)
    pull = shares * (scores_of_value - margin[:, None]) * loss_slope(margin, loss)[:, None]
    return np.asarray(np.einsum("it,ita,ir->ar", pull, keys, queries) / len(keys))
