"""Schedules: a parameter, such as a sensitivity delta(t), that changes with the step, correctly rounded everywhere."""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import Kinds, read_parameters
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count, as_number, as_numbers, unlabelled
from lmdata.wording import counted


@dataclass(frozen=True)
class Schedule(ABC, Specified):
    """A sequence delta(0), delta(1), ... of finite numbers >= 0; step t -> t + 1 takes delta(t)."""

    kind: ClassVar[str]

    def values(self, steps: int, *, start: int = 0) -> NDArray[np.float64]:
        """Return delta(start), ..., delta(steps - 1), of shape (steps - start,).

        Raises
        ------
        InvalidInput
            If the schedule is too short, or leaves the range of float64.

        Examples
        --------
        >>> Geometric(initial=1.0, ratio=0.5).values(4)
        array([1.   , 0.5  , 0.25 , 0.125])
        """
        values = np.array(self._over(range(start, steps)), dtype=np.float64)
        if not np.isfinite(values).all():
            step = start + int(np.argmin(np.isfinite(values)))
            raise InvalidInput(f"{self!r} exceeds float64 at step {step}; choose parameters that keep it finite")
        return values

    @abstractmethod
    def _over(self, steps: range) -> Sequence[float] | NDArray[np.float64]:
        """Return delta at consecutive steps."""

    def specification(self) -> dict[str, Any]:
        """Return the schedule as plain JSON values; :func:`schedule_from_specification` gives it back."""
        parameters = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
        return {"kind": self.kind, **lists}


SCHEDULES: Kinds[Schedule] = Kinds("schedule")
"""The schedules by their kinds."""


@SCHEDULES.register
@dataclass(frozen=True)
class Constant(Schedule):
    """delta(t) = value.

    Examples
    --------
    >>> Constant(0.1).values(3)
    array([0.1, 0.1, 0.1])
    """

    kind: ClassVar[str] = "constant"
    value: float

    def __post_init__(self) -> None:
        _set(self, value=as_number(self.value, "value", minimum=0))

    def _over(self, steps: range) -> NDArray[np.float64]:
        return np.full(len(steps), self.value)


@SCHEDULES.register
@dataclass(frozen=True)
class Geometric(Schedule):
    """delta(t) = initial ratio^t, each the float64 nearest to the exact product.

    Examples
    --------
    >>> Geometric(initial=0.5, ratio=0.9).values(3)
    array([0.5  , 0.45 , 0.405])
    """

    kind: ClassVar[str] = "geometric"
    initial: float
    ratio: float

    def __post_init__(self) -> None:
        _set(self, initial=as_number(self.initial, "initial", minimum=0))
        _set(self, ratio=as_number(self.ratio, "ratio", minimum=0))

    def _over(self, steps: range) -> list[float]:
        initial, ratio = Decimal(self.initial), Decimal(self.ratio)

        def product(step: int) -> Callable[[Context], Decimal]:
            return lambda context: context.multiply(initial, context.power(ratio, step))

        # 0^0 = 1, which decimal leaves undefined
        return [_nearest(product(step)) if step > 0 else self.initial for step in steps]


@SCHEDULES.register
@dataclass(frozen=True)
class Power(Schedule):
    """delta(t) = initial (1 + t)^-exponent, each the float64 nearest to the exact value.

    Examples
    --------
    >>> Power(initial=1.0, exponent=0.5).values(4)
    array([1.        , 0.70710678, 0.57735027, 0.5       ])
    """

    kind: ClassVar[str] = "power"
    initial: float
    exponent: float

    def __post_init__(self) -> None:
        _set(self, initial=as_number(self.initial, "initial", minimum=0))
        _set(self, exponent=as_number(self.exponent, "exponent", minimum=0))

    def _over(self, steps: range) -> list[float]:
        initial, exponent = Decimal(self.initial), Decimal(-self.exponent)

        def product(step: int) -> Callable[[Context], Decimal]:
            return lambda context: context.multiply(initial, context.power(1 + step, exponent))

        return [_nearest(product(step)) for step in steps]


@SCHEDULES.register
@dataclass(frozen=True)
class Piecewise(Schedule):
    """delta(t) = pieces[k] for switches[k - 1] <= t < switches[k]: it switches at the steps given.

    Examples
    --------
    >>> Piecewise(pieces=(0.2, 0.0), switches=(2,)).values(4)
    array([0.2, 0.2, 0. , 0. ])
    """

    kind: ClassVar[str] = "piecewise"
    pieces: tuple[float, ...]
    switches: tuple[int, ...]

    def __post_init__(self) -> None:
        pieces = as_numbers(self.pieces, "pieces", minimum=0)
        given: Any = self.switches
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise InvalidInput(f"switches must be a sequence of steps; got {given!r:.200}")
        switches = tuple(as_count(step, f"switches[{i}]") for i, step in enumerate(given))
        if len(pieces) != len(switches) + 1:
            raise InvalidInput(
                f"pieces has {counted(len(pieces), 'value')} and switches {counted(len(switches), 'step')}; "
                "there must be one piece more than switches"
            )
        if any(later <= earlier for earlier, later in itertools.pairwise(switches)):
            raise InvalidInput(f"switches is {list(switches)}; the steps must ascend without repeats")
        _set(self, pieces=pieces, switches=switches)

    def _over(self, steps: range) -> NDArray[np.float64]:
        return np.array(self.pieces)[np.searchsorted(self.switches, steps, side="right")]


@SCHEDULES.register
@dataclass(frozen=True)
class Periodic(Schedule):
    """delta(t) = period[t mod len(period)].

    Examples
    --------
    >>> Periodic((0.1, 0.0)).values(5)
    array([0.1, 0. , 0.1, 0. , 0.1])
    """

    kind: ClassVar[str] = "periodic"
    period: tuple[float, ...]

    def __post_init__(self) -> None:
        _set(self, period=as_numbers(self.period, "period", minimum=0))

    def _over(self, steps: range) -> list[float]:
        return [self.period[step % len(self.period)] for step in steps]


@SCHEDULES.register
@dataclass(frozen=True)
class Explicit(Schedule):
    """delta(t) = sequence[t]; it cannot go beyond its end.

    Examples
    --------
    >>> Explicit([0.3, 0.2, 0.1]).values(2)
    array([0.3, 0.2])
    """

    kind: ClassVar[str] = "explicit"
    sequence: tuple[float, ...]

    def __post_init__(self) -> None:
        _set(self, sequence=as_numbers(self.sequence, "sequence", minimum=0))

    def _over(self, steps: range) -> tuple[float, ...]:
        if steps.stop > len(self.sequence):
            raise InvalidInput(
                f"the explicit schedule has {counted(len(self.sequence), 'value')}, one a step, for "
                f"{counted(steps.stop, 'step')}; give a value for every step, or run fewer steps"
            )
        return self.sequence[steps.start : steps.stop]


@SCHEDULES.register
@dataclass(frozen=True)
class Scaled(Schedule):
    """delta(t) = scale shape(t), the product rounded: one family of schedules with one number, as an atlas walks it.

    Parameters
    ----------
    shape : Schedule
    scale : float
        delta0 >= 0.

    Examples
    --------
    >>> Scaled(Periodic((1.0, 0.5)), 0.1).values(3)
    array([0.1 , 0.05, 0.1 ])
    """

    kind: ClassVar[str] = "scaled"
    shape: Schedule
    scale: float

    def __post_init__(self) -> None:
        if not isinstance(self.shape, Schedule) or isinstance(self.shape, Explicit | Scaled):
            raise InvalidInput(
                f"shape is {self.shape!r}; it must be a schedule of lmdata.schedules that has no end and no scale yet"
            )
        _set(self, scale=as_number(self.scale, "scale", minimum=0))

    def specification(self) -> dict[str, Any]:
        """Return the schedule as plain JSON values; :func:`schedule_from_specification` gives it back."""
        return {"kind": self.kind, "shape": self.shape.specification(), "scale": self.scale}

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the schedule of a specification; errors as for :func:`schedule_from_specification`."""
        parameters = read_parameters(specification, "schedule 'scaled'", ("shape", "scale"))
        if missing := {"shape", "scale"} - set(parameters):
            raise InvalidInput(f"schedule 'scaled' lacks {min(missing)!r}; it needs shape, scale")
        return cls(SCHEDULES.read(parameters["shape"]), parameters["scale"])

    def _over(self, steps: range) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):  # what exceeds float64 is refused by `values`
            return self.scale * np.asarray(self.shape._over(steps), np.float64)


def schedule_from_specification(specification: Mapping[str, Any]) -> Schedule:
    """Return the schedule of a specification ``{"kind": ..., parameters}``.

    Raises
    ------
    UnknownName
        If there is no such kind or parameter.
    InvalidInput
        If a parameter is missing or not allowed.

    Examples
    --------
    >>> schedule_from_specification({"kind": "geometric", "initial": 0.5, "ratio": 0.9})
    Geometric(initial=0.5, ratio=0.9)
    """
    return SCHEDULES.read(specification)


def as_schedule(value: Any, name: str) -> float | Schedule:
    """Return a number >= 0, a sequence of one number a step, or a schedule, as a number or a schedule that changes.

    Raises
    ------
    InvalidInput
        Naming the parameter, if it is none of these.

    Examples
    --------
    >>> as_schedule(Constant(0.5), "scale"), as_schedule([0.5, 0.25], "scale")
    (0.5, Explicit(sequence=(0.5, 0.25)))
    """
    value = unlabelled(value)
    if isinstance(value, Constant):
        return value.value
    if isinstance(value, Schedule):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str):
        return Explicit(as_numbers(value, name, minimum=0))
    return as_number(value, name, minimum=0)


def _nearest(evaluate: Callable[[Context], Decimal]) -> float:
    """Return the float64 nearest to a positive number that a decimal context evaluates to within 4 units.

    The precision grows until the number's error cannot change the rounding, or the number is exact (Ziv's method).
    """
    for precision in (25, 50, 100, 200, 400, 800, 1600):
        context = Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
        value = evaluate(context)
        error = context.scaleb(abs(value), 1 - precision) * 4
        nearest = float(value)
        if not context.flags[Inexact] or float(value - error) == nearest == float(value + error):
            break
    return nearest


def _set(schedule: Schedule, **checked: Any) -> None:
    """Put checked values into a frozen schedule that is being made."""
    for name, value in checked.items():
        object.__setattr__(schedule, name, value)
