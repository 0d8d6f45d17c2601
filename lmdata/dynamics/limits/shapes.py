"""Schedules with one scale, delta(t) = fl(delta0 shape(t)), and what is known of their shapes for ever."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.schedules import Constant, Explicit, Geometric, Periodic, Piecewise, Power, Scaled, Schedule
from lmdata.errors import InvalidInput

type Floats = NDArray[np.float64]

KNOWN = (Geometric, Power, Periodic, Piecewise, Explicit)
"""Schedules that have an atlas."""
MOST_STEPS = 2**21
"""Steps within which a proof is sought, at most."""


class Shape(NamedTuple):
    """The shape of a family of sensitivities, step by step."""

    values: Floats
    """shape(t) for t = 0 to the last step."""
    least: Floats
    """inf of shape over all steps from t on, for ever; 0 where nothing is known."""
    most: Floats
    """sup of shape over all steps from t on, for ever; inf where nothing is known."""


def shape_of(model: Localmax, steps: int) -> Shape:
    """Return the shape of a model's family: 1 for a number, which only stands for constant sensitivities.

    Raises
    ------
    InvalidInput
        If the schedule is of a kind of which it is not known that one number scales it, or it is zero throughout.

    Examples
    --------
    >>> from lmdata.dynamics.models import Localmax
    >>> shape_of(Localmax(Periodic((1.0, 0.5))), 2).least
    array([0.5, 0.5, 0.5])
    """
    sensitivity = model.alignment_sensitivity
    if not isinstance(sensitivity, Schedule):
        one = np.ones(steps + 1)
        return Shape(one, one, one)
    found = shape_for_ever(sensitivity, steps)
    if not found.values.any():
        raise InvalidInput(
            f"alignment_sensitivity is {sensitivity!r}, which is 0 at every step: no scale changes it; "
            "give a schedule that is not 0, or a number"
        )
    if type(sensitivity) not in KNOWN:
        raise InvalidInput(
            f"alignment_sensitivity is {sensitivity!r}; an atlas knows numbers, and the schedules "
            f"{', '.join(kind.__name__ for kind in KNOWN)}, each times one scale"
        )
    return found


def shape_for_ever(schedule: Schedule, steps: int) -> Shape:
    """Return the sensitivities of a schedule of any kind, and what is known of those to come.

    Examples
    --------
    >>> shape_for_ever(Power(1.0, 1.0), 1)
    Shape(values=array([1. , 0.5]), least=array([0., 0.]), most=array([1. , 0.5]))
    """
    values = _values(schedule, steps)
    low, high = _afterwards(schedule, values)
    least = np.minimum.accumulate(np.minimum(values, low)[::-1])[::-1]
    most = np.maximum.accumulate(np.maximum(values, high)[::-1])[::-1]
    return Shape(values, np.ascontiguousarray(least), np.ascontiguousarray(most))


def _values(schedule: Schedule, steps: int) -> Floats:
    """Return shape(0..steps); a sequence that is given keeps its last value for the graph of the last step."""
    if isinstance(schedule, Explicit) and len(schedule.sequence) == steps:
        return np.array([*schedule.sequence, schedule.sequence[-1]])
    return schedule.values(steps + 1)


def _afterwards(schedule: Schedule, values: Floats) -> tuple[float, float]:
    """Return bounds of a schedule beyond its last value here."""
    last = float(values[-1])
    match schedule:
        case Geometric():
            return (0.0 if schedule.ratio < 1.0 else last), (last if schedule.ratio <= 1.0 else np.inf)
        case Power():
            return (0.0 if schedule.exponent > 0.0 else last), last
        case Periodic():
            return min(schedule.period), max(schedule.period)
        case Piecewise():
            later = schedule.pieces[sum(switch < len(values) for switch in schedule.switches) :]
            return min(later), max(later)
        case Constant():
            return last, last
        case Scaled():  # rounding is monotone
            low, high = _afterwards(schedule.shape, _values(schedule.shape, len(values) - 1))
            return schedule.scale * low, schedule.scale * high if schedule.scale > 0.0 else 0.0
    return 0.0, np.inf  # sequences end; of schedules of other packages nothing is known


def horizon_of(model: Localmax) -> int:
    """Return within how many steps a proof is sought; a sequence that ends has no more than it holds.

    Examples
    --------
    >>> horizon_of(Localmax())
    3000
    """
    steps = min(MOST_STEPS, 1000 + math.ceil(1000 * (1.0 + model.influence) / model.influence))
    own = model.alignment_sensitivity
    return min(steps, len(own.sequence)) if isinstance(own, Explicit) else steps


def model_at(model: Localmax, sensitivity: float) -> Localmax:
    """Return the member of a model's family at one sensitivity delta0.

    Examples
    --------
    >>> from lmdata.dynamics.models import Localmax
    >>> model_at(Localmax(), 0.25).alignment_sensitivity
    0.25
    """
    own = model.alignment_sensitivity
    scaled: float | Schedule = sensitivity
    if isinstance(own, Explicit):
        scaled = Explicit(tuple(sensitivity * value for value in own.sequence))
    elif isinstance(own, Schedule):
        scaled = Scaled(own, sensitivity)
    return Localmax(scaled, model.influence, model.alignment)
