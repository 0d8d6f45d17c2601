"""What the models of the family share: parameters, recipe, checks and the loop over steps.

A model in one file: a frozen dataclass that derives from `AttentionMap` and says in ``move`` how tokens step, or
from `AttentionFlow` and says in ``force`` how fast they go. `docs/extending.md` walks through one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from lmdata.dynamics.batch import distinct
from lmdata.dynamics.kinds import read_parameters, unknown_parameter
from lmdata.dynamics.model import Frames
from lmdata.dynamics.models import steppers
from lmdata.dynamics.models.geometry import Euclidean, Geometry
from lmdata.dynamics.models.parameters import check_components, check_parameters, choice, flag, number
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.arrays import per_member
from lmdata.numerics.checks import check_scores
from lmdata.numerics.threads import parallel_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Own = Mapping[str, "Array"]
"""What differs from member to member: each sweepable parameter (m,), and matrices (m, d, d) that noise replaces."""


_PAIRS_OF_A_RANGE = 200_000
"""Pairs of tokens in the members that a thread takes at least, for it to be worth its while."""


RISE = 1e-11
"""A rise of a falling number below this, relative to it, is rounding."""


@dataclass(frozen=True, kw_only=True)
class AttentionModel(Specified):
    """Base of the family: a frozen dataclass whose fields are its parameters (`lmdata.dynamics.model.Model`)."""

    kind: ClassVar[str]
    sweepable: ClassVar[tuple[str, ...]] = ()
    time_unit: ClassVar[str] = "step"
    holds: ClassVar[str] = "particles"
    """What its states are: points that move, or ``densities``, the masses of cells."""

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def surface(self) -> Geometry:
        """Where the tokens live."""
        return Euclidean()

    def specification(self) -> dict[str, Any]:
        """Return the model as plain JSON values; `from_specification` gives it back exactly."""
        parameters = {
            field.name: _plain(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if "later" not in field.metadata or getattr(self, field.name) != field.default
        }
        return {"kind": self.kind} | parameters

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the model of a specification; what it leaves out takes its default."""
        known = [field.name for field in dataclasses.fields(cls)]
        return cls(**read_parameters(specification, cls.kind, known))

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        if name not in self.sweepable:
            raise unknown_parameter(f"sweepable parameter of {self.kind}", name, self.sweepable)
        return dataclasses.replace(self, **{name: value})

    def check(self, tokens: Array, steps: int) -> None:
        """Refuse tokens (n, d) that this model cannot step: too large, of the wrong width, or off its surface."""
        self.check_batch([self], tokens[None], steps)

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Check tokens (m, n, d), each for each model; they differ in sweepable parameters alone."""
        models[0].check_width(tokens.shape[-1])
        check_scores(tokens, None)

    def check_width(self, components: int) -> None:
        """Refuse matrices that do not act on tokens of so many components."""
        check_components(self, components)

    def times(self, steps: Sequence[int]) -> NDArray[Any]:
        """Return the step numbers themselves, as int64."""
        return np.asarray(steps, dtype=np.int64)

    def enter(self, state: Array) -> Array:
        """Return the state that a run starts from, given the tokens: themselves, unless a model prepares them."""
        return state

    def move(self, state: Array, step: int, own: Own) -> Array:
        """Return the state (m, n, d) one step after ``step``."""
        raise NotImplementedError

    def attention(self, state: Array, step: int = 0) -> Array:
        """Return the weights P (m, n, n) with which tokens attend to each other in a state at a step."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its attention weights are")

    def diagnose(self, state: Array, step: int, own: Own) -> dict[str, NDArray[Any]]:
        """Return further numbers (m,) about a state, by name."""
        return {}

    def conserved(self, state: Array, own: Own) -> dict[str, tuple[Array, float]]:
        """Return what every state after a step must keep: what is wrong otherwise, by how much (m,), and the bound."""
        return {}

    def falling(self, state: Array, own: Own) -> Array | None:
        """Return a number (m,) that never rises along the exact solution, or None where there is none."""
        return None

    def failure(self, step: int) -> str:
        """Say why the state can have ceased to be finite at a step."""
        return (
            f"tokens of {self.kind} are no longer finite after step {step}: the parameters make them grow without bound"
        )

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
        """Step a batch; see `lmdata.dynamics.model.Model`.

        Raises
        ------
        FloatingPointError
            If tokens cease to be finite, naming the step and the cause.
        """
        m, n, _ = state.shape
        stacked(models)  # refuses models that do not belong together
        position = np.empty((m, len(record), *state.shape[1:]))
        diagnostics: dict[str, NDArray[Any]] = {}

        def march(begin: int, end: int) -> None:
            part = slice(begin, end)
            frames = cls._march(models[part], state[part], start, record)
            for frame, (reached, found) in enumerate(frames):
                position[part, frame] = reached
                for name, values in found.items():
                    diagnostics.setdefault(name, np.empty((m, len(record)), values.dtype))[part, frame] = values

        parallel_for(march, m, -(-_PAIRS_OF_A_RANGE // n**2))
        return Frames(position, diagnostics)

    @classmethod
    def _march(
        cls, models: Sequence[Self], state: Array, start: int, record: Sequence[int]
    ) -> Iterator[tuple[Array, dict[str, NDArray[Any]]]]:
        """Yield the state and the diagnostics at every recorded step."""
        model, own = models[0], stacked(models)
        state = model.enter(state) if start == 0 else state
        now, level = start, None
        for wanted in record:
            while now < wanted:
                with np.errstate(all="ignore"):  # what overflows here is told in words by the check that follows
                    state = model.move(state, now, own)
                now += 1
                if not np.isfinite(state).all():
                    raise FloatingPointError(model.failure(now))
            level = model.watch(state, own, level, moved=now > 0)
            with np.errstate(all="ignore"):
                found = model.diagnose(state, now, own)
            yield state, found

    def watch(self, state: Array, own: Own, before: Array | None, *, moved: bool) -> Array | None:
        """Warn where a conserved quantity has left its bound, or what should fall has risen; return its level (m,).

        Parameters
        ----------
        before : array (m,), optional
            The level at the recorded state before.
        moved : bool
            Whether there has been a step; what a run starts from is checked by `check`.
        """
        for what, (off, bound) in self.conserved(state, own).items() if moved else ():
            if (off > bound).any():  # in the same words at every frame, so that it is shown once
                warn_accuracy(f"{what} by more than {bound:g} in a run of {self.kind}; {self.remedy}")
        level = self.falling(state, own)
        if level is not None and before is not None and (level - before > RISE * np.abs(before)).any():
            warn_accuracy(f"the energy goes the wrong way in a run of {self.kind}; {self.remedy}")
        return level

    @property
    def remedy(self) -> str:
        """What to do against a step that is too long."""
        return "lower the influence"


def stacked(models: Sequence[AttentionModel]) -> dict[str, Array]:
    """Return the sweepable parameters of a batch, an array (m,) each; refuse models that differ elsewhere."""
    own, places = distinct(models)
    first, *others = own
    fixed = _fixed(first)
    for model in others:
        if type(model) is not type(first) or _fixed(model) != fixed:
            raise InvalidInput(f"a batch must differ in {', '.join(first.sweepable)} alone; got {first} and {model}")
    return {name: np.array([getattr(model, name) for model in own])[places] for name in first.sweepable}


def _fixed(model: AttentionModel) -> list[Any]:
    return [getattr(model, f.name) for f in dataclasses.fields(model) if f.name not in model.sweepable]


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class AttentionMap(AttentionModel):
    r"""A model in discrete time with the convex step :math:`z_i' = z_i + \frac{\alpha}{1 + \alpha} (m_i - z_i)`."""

    sweepable: ClassVar[tuple[str, ...]] = ("influence",)

    influence: float = number(1.0, minimum=0, above=True)

    def move(self, state: Array, step: int, own: Own) -> Array:
        """Return the convex step towards the means."""
        gain = own["influence"] / (1.0 + own["influence"])
        return self.surface.retract(state + per_member(gain, 3) * self.pull(state, step, own))

    def pull(self, state: Array, step: int, own: Own) -> Array:
        """Return the displacement from each token to what it attends to, m_i - z_i (m, n, d)."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class AttentionFlow(AttentionModel):
    r"""A model in continuous time, :math:`x_i' = \mathrm{Proj}_{x_i} f_i(x, t)`, stepped by one of several schemes.

    The estimated error of the step that begins at a stored frame is the diagnostic ``step_error``: the difference
    between one step and two of half the size, over :math:`1 - 2^{-p}` for a scheme of order p. It costs three steps a
    stored frame; ``estimate_error=False`` leaves it out, and changes no position.
    """

    time_unit: ClassVar[str] = "1"

    step_size: float = number(0.1, minimum=0, above=True)
    scheme: str = choice("rk4", ("euler", "rk4", "adaptive"))
    estimate_error: bool = flag(True)

    def times(self, steps: Sequence[int]) -> NDArray[Any]:
        """Return the model's time, step number times step size."""
        return np.asarray(steps, dtype=np.float64) * self.step_size

    def force(self, state: Array, time: float, own: Own) -> Array:
        """Return what drives the tokens, (m, n, d), not yet projected."""
        raise NotImplementedError

    def fastest_rate(self, n: int) -> float:
        """Return a bound on how fast differences of n tokens decay, from which stable step sizes follow; 0 if unknown.

        ``n`` is the number of tokens.
        """
        return 0.0

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: Array, steps: int) -> None:
        """Refuse tokens that the models cannot step, and warn of a step size at which the scheme is unstable."""
        super().check_batch(models, tokens, steps)
        fastest = max(models, key=lambda model: model.fastest_rate(tokens.shape[-2]))
        rate, limit = fastest.fastest_rate(tokens.shape[-2]), steppers.SCHEMES[fastest.scheme].stable_until
        if fastest.step_size * rate > limit:
            warn_accuracy(
                f"step_size is {fastest.step_size:g} and the fastest rate of {cls.kind} can reach {rate:.3g}: scheme "
                f"{fastest.scheme!r} is unstable where their product, {fastest.step_size * rate:.3g}, exceeds "
                f"{limit:.4g}; take step_size <= {limit / rate:.3g}, or scheme='adaptive'"
            )

    @property
    def remedy(self) -> str:
        """What to do against a step that is too long."""
        return f"lower step_size, {self.step_size:g}, or take scheme='adaptive'"

    def move(self, state: Array, step: int, own: Own) -> Array:
        """Return the state one step of the scheme on."""
        return self.integrate(state, step * self.step_size, self.step_size, own)

    def integrate(self, state: Array, time: float, size: float, own: Own) -> Array:
        """Return the state after one step of any size, from any time."""
        surface = self.surface

        def force(at: Array, when: float) -> Array:
            return self.force(at, when, own)

        def field(at: Array, when: float) -> Array:
            return surface.tangent(at, force(at, when))

        if self.scheme == "layernorm":
            return surface.retract(steppers.euler(force, state, time, size))
        if self.scheme == "geodesic":
            return surface.geodesic(state, size * field(state, time))
        scheme = {"euler": steppers.euler, "rk4": steppers.runge_kutta, "adaptive": steppers.adaptive}[self.scheme]
        return surface.retract(scheme(field, state, time, size))

    def diagnose(self, state: Array, step: int, own: Own) -> dict[str, NDArray[Any]]:
        """Return the estimated error of the step that begins here, the largest over tokens and components."""
        if not self.estimate_error:
            return {}
        if self.scheme == "adaptive":
            return {"step_error": np.full(len(state), steppers.TOLERANCE)}
        time, half = step * self.step_size, self.step_size / 2
        coarse = self.integrate(state, time, self.step_size, own)
        fine = self.integrate(self.integrate(state, time, half, own), time + half, half, own)
        order = steppers.SCHEMES[self.scheme].order
        return {"step_error": np.abs(coarse - fine).max(axis=(1, 2)) / (1 - 2.0**-order)}

    def failure(self, step: int) -> str:
        """Say that the step size, or the growth of the solution, has led beyond float64."""
        return (
            f"tokens of {self.kind} are no longer finite at time {step * self.step_size:g} (step {step}): "
            f"step_size={self.step_size:g} is unstable for scheme {self.scheme!r}, or the solution itself grows beyond "
            "float64; take a smaller step_size, or stop earlier"
        )


def warn_accuracy(message: str) -> None:
    """Warn that a result is less accurate than asked."""
    import warnings

    from lmdata.errors import AccuracyWarning

    warnings.warn(message, AccuracyWarning, stacklevel=3)
