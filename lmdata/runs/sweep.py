"""Members of a sweep: which there are, their keys, their order.

A *member* is one simulation: one value of every swept parameter and one seed. Members are keyed by these
values, never by their position, so that a wider sweep leaves the old members what they were.
"""

from __future__ import annotations

import itertools
import math
import numbers
import operator
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from lmdata.dynamics.kinds import meant_by
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_float, unlabelled

MOST_STEPS = 10**8
"""Steps of one run: more would take years, and their schedule alone gigabytes."""
MOST_MEMBERS = 2**20
"""Members of one dataset."""


@dataclass(frozen=True)
class Member:
    """One point of a sweep: its place in the grid, the swept values and the seed.

    Examples
    --------
    >>> first, *others = members({"influence": (0.5, 1.0)}, (0, 7))
    >>> first
    Member(index=(0, 0), parameters={'influence': 0.5}, seed=0)
    >>> len(others)
    3
    """

    index: tuple[int, ...]
    parameters: dict[str, float]
    seed: int


def members(sweep: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> list[Member]:
    """Return the members of a sweep in C order of the grid (swept parameters as given, then seed)."""
    axes = [*sweep.values(), seeds]
    found = []
    for index in itertools.product(*(range(len(axis)) for axis in axes)):
        values = {name: sweep[name][i] for name, i in zip(sweep, index, strict=False)}
        found.append(Member(index=index, parameters=values, seed=seeds[index[-1]]))
    return found


def check_sweep(sweep: Any, sweepable: Sequence[str], model: str) -> dict[str, tuple[float, ...]]:
    """Return ``sweep`` as a dict of tuples of floats, in the order given.

    Raises
    ------
    InvalidInput
        If it is no mapping, names a parameter that the model does not sweep, or a parameter has no values,
        a value that is no finite number, or one value twice.
    """
    if sweep is None:
        return {}
    if not isinstance(sweep, Mapping):
        raise InvalidInput(
            f"sweep must map parameter names to values, e.g. {{'{sweepable[0]}': [0, 0.1]}}; got {sweep!r}"
        )
    checked: dict[str, tuple[float, ...]] = {}
    for name, values in sweep.items():
        if name not in sweepable:
            meant = "".join(f"; did you mean {one!r}?" for one in meant_by(name) if one in sweepable)
            raise InvalidInput(
                f"sweep names {name!r}, which {model} does not sweep; it sweeps {', '.join(sweepable)}{meant}"
            )
        checked[name] = _values(name, values)
    return checked


def _values(name: str, values: Any) -> tuple[float, ...]:
    where, values = f"sweep[{name!r}]", unlabelled(values)
    if isinstance(values, str | bytes | numbers.Number) or not isinstance(values, Iterable):
        raise InvalidInput(f"{where} must be a sequence of numbers; got {values!r}")
    if isinstance(values, Sized) and len(values) > MOST_MEMBERS:
        raise InvalidInput(f"{where} holds {len(values):,} values; a dataset has at most {MOST_MEMBERS:,} members")
    seen: dict[float, int] = {}
    for position, value in enumerate(map(unlabelled, values)):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InvalidInput(f"{where}[{position}] must be a number; got {value!r}")
        number = as_float(value)  # -0.0 and 0.0 are one value, hence one key
        if not math.isfinite(number):
            raise InvalidInput(f"{where}[{position}] is {number}; swept values must be finite")
        if number in seen:
            raise InvalidInput(
                f"{where} holds {number!r} twice, at positions {seen[number]} and {position}; give each value once"
            )
        seen[number] = position
    if not seen:
        raise InvalidInput(f"{where} is empty; give at least one value, or leave the parameter out of the sweep")
    return tuple(seen)


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Return ``seeds`` as a tuple of Python ints; refuse empty, negative, fractional or repeated ones."""
    seeds = unlabelled(seeds)
    if isinstance(seeds, str | bytes | numbers.Number) or not isinstance(seeds, Iterable):
        raise InvalidInput(f"seeds must be a sequence of non-negative integers, e.g. range(20); got {seeds!r}")
    if isinstance(seeds, Sized) and len(seeds) > MOST_MEMBERS:
        raise InvalidInput(
            f"seeds holds {len(seeds):,} seeds; a dataset has at most {MOST_MEMBERS:,} members: split it"
        )
    seeds = list(seeds)
    if set(map(type, seeds)) == {int} and min(seeds) >= 0 and max(seeds) < 2**63 and len(set(seeds)) == len(seeds):
        return tuple(seeds)
    found: dict[int, int] = {}  # one is wrong, or of another type: find out which
    for position, seed in enumerate(seeds):
        number = _integer(seed, f"seeds[{position}]")
        if number < 0:
            raise InvalidInput(f"seeds[{position}] is {number}; seeds must not be negative")
        if number > 2**63 - 1:
            raise InvalidInput(f"seeds[{position}] is {number}; seeds must be below 2**63")
        if number in found:
            raise InvalidInput(
                f"seeds holds {number} twice, at positions {found[number]} and {position}; give each seed once"
            )
        found[number] = position
    if not found:
        raise InvalidInput("seeds is empty; give at least one, e.g. seeds=(0,)")
    return tuple(found)


def check_steps(steps: Any) -> int:
    """Return ``steps`` as a non-negative int."""
    number = _integer(steps, "steps")
    if number < 0:
        raise InvalidInput(f"steps is {number}; it must not be negative (0 keeps the initial state alone)")
    if number > MOST_STEPS:
        raise InvalidInput(f"steps is {number}; at most {MOST_STEPS:,} are allowed: ask for fewer")
    return number


def check_record(record: Any, steps: int) -> int | tuple[int, ...] | None:
    """Return ``record`` in its canonical form: None, an int k, or an ascending tuple of step numbers."""
    record = unlabelled(record)
    if record is None:
        return None
    if isinstance(record, str | bytes):
        raise InvalidInput(
            f"record must be None, an int k (every k steps) or a sequence of step numbers; got {record!r}"
        )
    if not isinstance(record, Iterable):
        every = _integer(record, "record")
        if every < 1:
            raise InvalidInput(f"record is {every}; as an int it means 'every k steps' and must be at least 1")
        return every
    wanted = [_integer(step, f"record[{position}]") for position, step in enumerate(record)]
    if not wanted:
        raise InvalidInput("record is an empty sequence; name at least one step, e.g. record=[0, steps]")
    for position, step in enumerate(wanted):
        if not 0 <= step <= steps:
            raise InvalidInput(f"record[{position}] is {step}; step numbers lie between 0 and steps={steps}")
    if any(later <= earlier for earlier, later in itertools.pairwise(wanted)):
        raise InvalidInput(f"record must ascend without repeats; got {wanted}")
    return tuple(wanted)


def recorded_count(record: int | tuple[int, ...] | None, steps: int) -> int:
    """Return the number of frames that ``record`` keeps, without listing them."""
    if isinstance(record, tuple):
        return len(record)
    every = record or 1
    return steps // every + 1 + (steps % every > 0)


def _integer(value: Any, name: str) -> int:
    value = unlabelled(value)
    if isinstance(value, bool | np.bool | np.ndarray) or not hasattr(value, "__index__"):
        raise InvalidInput(f"{name} must be an integer; got {value!r}")
    return operator.index(value)
