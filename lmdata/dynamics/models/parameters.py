"""Parameters of a model: each field says once what it allows, and is checked whenever a model is made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import Matrix
from lmdata.numerics.checks import as_alignment, as_count, as_number, as_real_array
from lmdata.wording import counted


def number(default: float, *, minimum: float = -math.inf, above: bool = False, later: bool = False) -> Any:
    """Return a dataclass field for a finite number, at least ``minimum`` or above it; for ``later`` see `flag`."""

    def check(name: str, value: Any) -> float:
        return as_number(value, name, minimum=minimum, above=above)

    return _field(default, check, **_added(later))


def count(default: int | None, *, minimum: int = 1) -> Any:
    """Return a dataclass field for an integer of at least ``minimum``; None is allowed where it is the default."""

    def check(name: str, value: Any) -> int | None:
        return None if value is None and default is None else as_count(value, name, minimum=minimum)

    return _field(default, check)


def choice(default: str, allowed: Sequence[str], *, later: bool = False) -> Any:
    """Return a dataclass field for one of a few words; for ``later`` see `flag`."""

    def check(name: str, value: Any) -> str:
        if value not in tuple(allowed):
            raise InvalidInput(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}")
        return str(value)

    return _field(default, check, **_added(later))


def flag(default: bool, *, later: bool = False) -> Any:
    """Return a dataclass field for True or False.

    A parameter that a model was given ``later`` stands in its specification only where it is not at its default, so
    that recipes from before keep their identity.
    """

    def check(name: str, value: Any) -> bool:
        if not isinstance(value, bool | np.bool_):
            raise InvalidInput(f"{name} is {value!r}; it must be True or False")
        return bool(value)

    return _field(default, check, **_added(later))


def matrix(*, symmetric: bool = False, positive: bool = False, square: bool = True, of_components: bool = True) -> Any:
    """Return a dataclass field for a real matrix, or None, the default, for the identity.

    Nested sequences and arrays are taken, and kept as nested tuples. Unless it is not ``of_components``, it acts on
    tokens, and must have as many columns as they have components.
    """

    def check(name: str, value: Any) -> Matrix | None:
        if value is None:
            return None
        entries = as_alignment(value, name) if positive else as_real_array(value, name) + 0.0
        if entries.ndim != 2 or 0 in entries.shape or (square and entries.shape[0] != entries.shape[1]):
            wanted = "(component, component)" if square else "(any, component)"
            raise InvalidInput(f"{name} has shape {entries.shape}; it must be {wanted}, or None for the identity")
        if symmetric and (entries != entries.T).any():
            raise InvalidInput(f"{name} is not symmetric: {entries.tolist()}; give (M + M.T) / 2 if that is rounding")
        return tuple(map(tuple, entries.tolist()))

    return _field(None, check, **({"of_components": True} if of_components else {}))


def vector() -> Any:
    """Return a dataclass field for a sequence of finite numbers, or None, the default; kept as a tuple."""

    def check(name: str, value: Any) -> tuple[float, ...] | None:
        if value is None:
            return None
        entries = as_real_array(value, name) + 0.0
        if entries.ndim != 1 or entries.size == 0:
            raise InvalidInput(f"{name} has shape {entries.shape}; it must be a sequence of numbers, or None")
        return tuple(entries.tolist())

    return _field(None, check)


def matrices(default: Sequence[Any]) -> Any:
    """Return a dataclass field for one real square matrix or more, all of one size, kept as nested tuples."""

    def check(name: str, value: Any) -> tuple[Matrix, ...]:
        entries = as_real_array(value, name) + 0.0
        if entries.ndim != 3 or 0 in entries.shape or entries.shape[1] != entries.shape[2]:
            raise InvalidInput(f"{name} has shape {entries.shape}; it must be (head, component, component)")
        return tuple(tuple(map(tuple, each)) for each in entries.tolist())

    return _field(default, check, of_components=True)


def check_parameters(model: Any) -> None:
    """Replace each field of a frozen dataclass by its checked value; for ``__post_init__``."""
    for field in dataclasses.fields(model):
        if "check" in field.metadata:
            object.__setattr__(model, field.name, field.metadata["check"](field.name, getattr(model, field.name)))


def check_components(model: Any, components: int) -> None:
    """Refuse matrices that do not act on tokens of so many components."""
    for field in dataclasses.fields(model):
        entries = getattr(model, field.name)
        if "of_components" in field.metadata and entries is not None and len(entries[0]) != components:
            raise InvalidInput(
                f"{field.name} has shape ({len(entries)}, {len(entries[0])}), but the tokens have "
                f"{counted(components, 'component')}; give a matrix with {counted(components, 'column')}, or None for "
                "the identity"
            )


LARGEST_EXPONENT = 700.0
"""exp of it, and sums of thousands of them, are numbers of float64."""


def refuse_overflow(inverse_temperature: float, reach: float) -> None:
    """Refuse an inverse temperature at which exp(beta s), not normalised, exceeds float64 for scores s up to reach."""
    largest = inverse_temperature * reach
    if largest > LARGEST_EXPONENT:
        raise InvalidInput(
            f"inverse_temperature is {inverse_temperature:g} and scores reach {reach:g}: weights that are not "
            f"normalised would be exp({largest:g}), beyond float64; keep the product below {LARGEST_EXPONENT:g}, or "
            "take a model with normalised weights"
        )


def as_array(entries: Matrix | None) -> Any:
    """Return a kept matrix as an array; None stays None."""
    return None if entries is None else np.array(entries)


def _added(later: bool) -> dict[str, bool]:
    return {"later": True} if later else {}


def _field(default: Any, check: Callable[[str, Any], Any], **metadata: Any) -> Any:
    return dataclasses.field(default=default, metadata={"check": check, **metadata})
