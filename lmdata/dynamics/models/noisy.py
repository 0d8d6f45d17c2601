"""Noise on any model: pushes on the tokens, or random value matrices, anew at every step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from lmdata.dynamics import batch
from lmdata.dynamics.kinds import read_parameters, unknown_parameter
from lmdata.dynamics.model import Frames, Model, model_from_specification, register
from lmdata.dynamics.models.base import AttentionModel, stacked
from lmdata.dynamics.models.geometry import Euclidean, Geometry, Simplex
from lmdata.dynamics.models.parameters import check_parameters, choice
from lmdata.dynamics.schedules import Schedule, as_schedule, schedule_from_specification
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.arrays import per_member
from lmdata.numerics.checks import as_number
from lmdata.numerics.random import counted_words, normal_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NOISE = 1
"""Second spawn key of a seed's noise; its tokens have none."""

LIMITS = {
    **dict.fromkeys(("euler", "layernorm", "geodesic"), "ito"),
    **dict.fromkeys(("rk4", "exponential", "adaptive"), "stratonovich"),
}
"""The limit that each scheme has under multiplicative noise."""

OWN_KERNEL = "numpy:own"
"""The backend of a model that steps itself."""


@register
@dataclass(frozen=True, kw_only=True)
class Noisy(Specified):
    r"""A model with noise at every step; the noise is a function of the member's seed and the step number alone.

    ============  ==========================================================================================
    ``additive``  after the step :math:`x_i \mathrel{+}= \sigma \sqrt{h}\, \xi_i`, independent for each token
    ``common``    after the step :math:`x_i \mathrel{+}= \sigma \sqrt{h}\, \xi`, the same for all tokens
    ``values``    during the step :math:`V + \sigma G / \sqrt{h d}` in place of V (arXiv 2601.21942)
    ============  ==========================================================================================

    with xi and the entries of G standard normal and h the time of a step (1 for maps). On a surface the push is
    projected onto the tangent space, and the tokens are brought back. Members of one seed see the same noise whatever
    their other parameters.

    As steps become short, ``values`` is multiplicative noise, whose limit depends on the scheme that steps the flow:
    the equation of Ito where the noise meets the tokens as a step begins, that of Stratonovich where a scheme of higher
    order resolves the step, through which the noise is constant. ``calculus`` chooses it by a word:

    ==========================================  ==========================================================
    ``euler``, ``layernorm``, ``geodesic``      Ito; on a sphere with the drift that keeps the length
    ``rk4``, ``exponential``, ``adaptive``      Stratonovich
    ==========================================  ==========================================================

    Pushes have one limit under all schemes: on a sphere, Brownian motion along it. Maps have no short steps.

    Permuting tokens permutes the result with ``common`` and ``values``, and in law only with ``additive``; rotations
    keep the law.

    Parameters
    ----------
    model : Model
        What moves the tokens.
    noise : {"additive", "common", "values"}
        ``values`` needs a model with a value matrix.
    scale : float, Schedule or sequence of float
        sigma >= 0: a number, a schedule of :mod:`lmdata.schedules`, or one number for each step. Under a schedule that
        falls and rises again slowly the strength of attention over noise, :math:`\sigma^{-2}`, is a ramp up and down.
    calculus : {"scheme", "ito", "stratonovich"}
        The limit of ``values`` for flows: that of the model's scheme, or one by name; where the model's scheme has the
        other, steps are taken by ``euler`` for Ito and by ``rk4`` for Stratonovich.

    Examples
    --------
    >>> from lmdata.dynamics.models.softmax import Softmax
    >>> model = Noisy(model=Softmax(inverse_temperature=2.0), scale=0.1)
    >>> model.sweepable
    ('scale', 'inverse_temperature', 'influence')
    >>> model_from_specification(model.specification()) == model
    True
    """

    kind: ClassVar[str] = "noisy"

    model: Model
    noise: str = choice("additive", ("additive", "common", "values"))
    scale: float | Schedule | Sequence[float] = 0.1
    calculus: str = choice("scheme", ("scheme", "ito", "stratonovich"))

    def __post_init__(self) -> None:
        check_parameters(self)
        object.__setattr__(self, "scale", as_schedule(self.scale, "scale"))
        if not isinstance(self.model, Model) or isinstance(self.model, Noisy):
            raise InvalidInput(f"model is {self.model!r}; give a model without noise, such as Softmax(...)")
        if isinstance(self.model, AttentionModel) and isinstance(self.model.surface, Simplex):
            raise InvalidInput(
                f"model is {self.model!r}, whose tokens are masses; noise would make them negative: give a model of "
                "points, such as SphereGradientFlow(...)"
            )
        if self.noise == "values" and not _has_values(self.model):
            raise InvalidInput(
                f"noise is 'values', but {type(self.model).__name__} has no value matrix; choose noise='additive'"
            )
        if self.calculus != "scheme" and self.limit is None:
            raise InvalidInput(
                f"calculus is {self.calculus!r}, but {self.noise} noise on {type(self.model).__name__} has no choice "
                "of limits; leave it out, or take noise='values' with a flow"
            )

    @property
    def sweepable(self) -> tuple[str, ...]:
        """``scale`` and what the model can sweep."""
        return ("scale", *self.model.sweepable)

    @property
    def time_unit(self) -> str:
        """The model's."""
        return self.model.time_unit

    @property
    def holds(self) -> str:
        """What the model's states are."""
        return str(getattr(self.model, "holds", "particles"))

    @property
    def limit(self) -> str | None:
        """``ito`` or ``stratonovich``, for noise of values on a flow; None where all schemes have one limit, or none.

        Examples
        --------
        >>> from lmdata.dynamics.models.sphere_attention import SphereAttention
        >>> [Noisy(model=SphereAttention(scheme=scheme), noise="values").limit for scheme in ("euler", "rk4")]
        ['ito', 'stratonovich']
        """
        scheme = getattr(self.model, "scheme", None)
        if self.noise != "values" or scheme is None:
            return None
        return self.calculus if self.calculus != "scheme" else LIMITS.get(scheme)

    def stepped(self) -> Model:
        """Return the model with the scheme whose limit is wanted: its own, or the simplest that has it."""
        model: Any = self.model
        if self.limit is None or LIMITS.get(model.scheme) == self.limit:
            return self.model
        return cast("Model", replace(model, scheme={"ito": "euler", "stratonovich": "rk4"}[self.limit]))

    def specification(self) -> dict[str, Any]:
        """Return the model as plain JSON values; `from_specification` gives it back exactly."""
        scale = self.scale.specification() if isinstance(self.scale, Schedule) else self.scale
        described = {"kind": self.kind, "model": self.model.specification(), "noise": self.noise, "scale": scale}
        if self.calculus != "scheme":  # recipes from before it keep their identity
            described["calculus"] = self.calculus
        return described

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the model of a specification."""
        parameters = read_parameters(specification, cls.kind, [field.name for field in fields(cls)])
        if "model" not in parameters:
            raise InvalidInput("a noisy model's specification needs 'model', the specification of what it disturbs")
        if isinstance(parameters.get("scale"), Mapping):
            parameters["scale"] = schedule_from_specification(parameters["scale"])
        return cls(**parameters | {"model": model_from_specification(parameters["model"])})

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy with another ``scale``, or another parameter of the model."""
        if name not in self.sweepable:
            raise unknown_parameter(f"sweepable parameter of {self.kind}", name, self.sweepable)
        if name == "scale":
            return replace(self, scale=as_number(value, name))
        return replace(self, model=self.model.with_parameter(name, value))

    def scale_at(self, step: int) -> float:
        """Return sigma in the step from ``step`` to the next.

        Examples
        --------
        >>> from lmdata.dynamics.models.softmax import Softmax
        >>> Noisy(model=Softmax(), scale=[0.2, 0.1]).scale_at(1)
        0.1
        """
        if isinstance(self.scale, Schedule):
            return float(self.scale.values(step + 1, start=step)[0])
        return self.scale  # type: ignore[return-value]  # a number, once checked

    def check(self, tokens: Array, steps: int) -> None:
        """Check as the model does, and that a schedule goes on for so many steps."""
        self.check_batch([self], tokens[None], steps)

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Check as the models do, and that schedules go on for so many steps."""
        batch.check([noisy.model for noisy in models], tokens, steps)
        for noisy in batch.distinct(models)[0]:
            if isinstance(noisy.scale, Schedule):
                noisy.scale.values(steps)

    def times(self, steps: Sequence[int]) -> NDArray[Any]:
        """Return the model's times."""
        return self.model.times(steps)

    @classmethod
    def advance(
        cls,
        models: Sequence[Self],
        state: Array,
        *,
        start: int,
        record: Sequence[int],
        seeds: Sequence[int],
        backend: str = "auto",
    ) -> Frames:
        """Step a batch; see `lmdata.dynamics.model.Model`."""
        inner = "auto" if backend == OWN_KERNEL else backend  # this model has no kernels; the one within may have
        position = np.empty((state.shape[0], len(record), *state.shape[1:]))
        diagnostics: list[dict[str, NDArray[Any]]] = []
        now = start
        for frame, wanted in enumerate(record):
            while now < wanted:
                state = _step(models, state, now, seeds, inner)
                now += 1
            own = _own_frame(models, state, now, seeds, inner)
            position[:, frame] = own.position[:, 0]
            diagnostics.append(own.diagnostics)
        names = diagnostics[0] if diagnostics else {}
        return Frames(position, {name: np.concatenate([own[name] for own in diagnostics], axis=1) for name in names})


def _step(models: Sequence[Noisy], state: Array, step: int, seeds: Sequence[int], backend: str) -> Array:
    first = models[0]
    inner = [noisy.model for noisy in models]
    own_models, places = batch.distinct(models)
    scale = np.array([noisy.scale_at(step) for noisy in own_models])[places]
    before, after = first.model.times([step, step + 1]).astype(np.float64)
    root = math.sqrt(after - before)
    _, n, d = state.shape
    if first.noise == "values":
        family: list[Any] = [noisy.stepped() for noisy in models]
        values = np.eye(d) if family[0].values is None else np.array(family[0].values)
        random = standard_normal(seeds, step, (d, d)) * per_member(scale / (root * math.sqrt(d)), 3)
        own = stacked(family) | {"values": values + random}
        state = family[0].enter(state) if step == 0 else state
        with np.errstate(all="ignore"):  # told in words below
            moved = family[0].move(state, step, own)
    else:
        moved = (
            type(first.model)
            .advance(inner, state, start=step, record=[step + 1], seeds=seeds, backend=backend)
            .position[:, 0]
        )
        shape = (n, d) if first.noise == "additive" else (1, d)
        push = standard_normal(seeds, step, shape) * per_member(scale * root, 3)
        surface = _surface(first.model)
        moved = surface.retract(moved + surface.tangent(moved, np.broadcast_to(push, moved.shape)))
    if not np.isfinite(moved).all():
        raise FloatingPointError(f"tokens of {first.kind} {first.model.kind} are no longer finite at step {step + 1}")
    return np.asarray(moved)


def _own_frame(models: Sequence[Noisy], state: Array, step: int, seeds: Sequence[int], backend: str) -> Frames:
    """Return what the model itself records of a state: the state as it enters it, and its diagnostics."""
    inner = [noisy.model for noisy in models]
    return type(inner[0]).advance(inner, state, start=step, record=[step], seeds=seeds, backend=backend)


def standard_normal(seeds: Sequence[int], step: int, shape: tuple[int, ...]) -> Array:
    """Return standard normal numbers (m, *shape) that depend on each member's seed and the step alone.

    Examples
    --------
    >>> bool((standard_normal([3, 5], 7, (2,))[1] == standard_normal([5], 7, (2,))[0]).all())
    True
    """
    distinct, places = np.unique(np.asarray(seeds, dtype=np.int64), return_inverse=True)
    words = counted_words(distinct.tolist(), step, math.prod(shape), stream=(_NOISE,))
    return np.asarray(normal_of(words)[places].reshape(len(seeds), *shape))


def _has_values(model: Model) -> bool:
    return isinstance(model, AttentionModel) and any(field.name == "values" for field in fields(model))


def _surface(model: Model) -> Geometry:
    return model.surface if isinstance(model, AttentionModel) else Euclidean()
