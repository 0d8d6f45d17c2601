"""What a model is, and the registry of their kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput, UnknownName


class Frames(NamedTuple):
    """What a batch of members did: the frames asked for, and what the kernel knows besides."""

    position: NDArray[np.float64]
    """Tokens, (member, frame, token, component)."""
    diagnostics: dict[str, NDArray[Any]]
    """Further numbers for each member and frame, (member, frame) each; often empty."""


@runtime_checkable
class Model(Protocol):
    """A system of tokens that moves in time: frozen, validated when made, and the same as its specification."""

    kind: ClassVar[str]
    """Its name in recipes."""
    sweepable: ClassVar[tuple[str, ...]]
    """The numeric parameters that a sweep may vary."""
    time_unit: ClassVar[str]
    """"step" for maps, "1" for the dimensionless time of a continuous model."""

    def specification(self) -> dict[str, Any]:
        """Return the model as plain JSON values, ``{"kind": ..., parameters}``; it comes back exactly."""
        ...

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the model of a specification."""
        ...

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        ...

    def check(self, tokens: NDArray[np.float64], steps: int) -> None:
        """Raise InvalidInput, or warn, if ``steps`` steps from (n, d) tokens cannot be computed right."""
        ...

    def times(self, steps: Sequence[int]) -> NDArray[Any]:
        """Return the time coordinate of these step numbers, in ``time_unit``."""
        ...

    @classmethod
    def advance(
        cls,
        models: Sequence[Self],
        state: NDArray[np.float64],
        *,
        start: int,
        record: Sequence[int],
        seeds: Sequence[int],
        backend: str = "auto",
    ) -> Frames:
        """Step a batch, one model and seed a member, from ``state`` (m, n, d) at step ``start``.

        ``record`` are ascending step numbers >= start; only those frames are held. Going to T by way of any T1
        gives the same bits as going at once.
        """
        ...


_KINDS: dict[str, type[Model]] = {}


def register[M: type](cls: M) -> M:
    """Enter a model class into the registry by its ``kind``; use as a decorator.

    Raises
    ------
    InvalidInput
        If another class has that kind.
    """
    kind: str = cls.kind  # type: ignore[attr-defined]
    if kind in _KINDS and _full_name(_KINDS[kind]) != _full_name(cls):  # a module may be loaded anew
        raise InvalidInput(f"model kind {kind!r} is taken by {_full_name(_KINDS[kind])}; choose another `kind`")
    _KINDS[kind] = cls
    return cls


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def model_kinds() -> tuple[str, ...]:
    """Return the names of all registered models, sorted."""
    return tuple(sorted(_KINDS))


def model_from_specification(specification: Mapping[str, Any]) -> Model:
    """Return the model of a specification, of whichever kind it names.

    Raises
    ------
    InvalidInput
        If it is not a mapping with a ``kind``.
    UnknownName
        If no model has that kind.

    Examples
    --------
    >>> from lmdata.dynamics import model_from_specification
    >>> model_from_specification({"kind": "localmax", "influence": 0.5}).influence
    0.5
    """
    if not isinstance(specification, Mapping) or "kind" not in specification:
        raise InvalidInput(
            f"model specification {specification!r} has no 'kind'; give a mapping such as {{'kind': 'localmax'}}"
        )
    kind = specification["kind"]
    if kind not in _KINDS:
        raise UnknownName.among("model", str(kind), _KINDS)
    return _KINDS[kind].from_specification(specification)


def read_parameters(specification: Mapping[str, Any], kind: str, known: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a specification of this kind, refusing names that it does not have."""
    parameters = {name: value for name, value in specification.items() if name != "kind"}
    for name in parameters:
        if name not in known:
            raise UnknownName.among(f"parameter of {kind}", str(name), known)
    return parameters
