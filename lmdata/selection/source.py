"""What a problem source is, and the register of their kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from lmdata.dynamics.model import read_parameters
from lmdata.errors import InvalidInput, UnknownName
from lmdata.selection.problem import Problem


@runtime_checkable
class ProblemSource(Protocol):
    """Gives the problem of a seed; frozen, and described by its specification."""

    kind: ClassVar[str]
    sweepable: ClassVar[tuple[str, ...]]
    """The numeric parameters that a sweep may vary; each needs ``with_parameter(name, value)``."""

    @property
    def depends_on_seed(self) -> bool:
        """Whether different seeds have different problems."""
        ...

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        ...

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values, from which `source_from_specification` makes it again."""
        ...

    def draw(self, seed: int) -> Problem:
        """Return the problem of a seed."""
        ...


class PlainSource:
    """The specification of a source that is a dataclass of plain numbers and words."""

    kind: ClassVar[str]
    sweepable: ClassVar[tuple[str, ...]] = ()

    def specification(self) -> dict[str, Any]:
        """Return the source as plain JSON values."""
        return {"kind": self.kind, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}  # type: ignore[arg-type]

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a validated copy in which a sweepable parameter has another value."""
        if name not in self.sweepable:
            raise UnknownName.among(f"sweepable parameter of problem {self.kind!r}", name, self.sweepable)
        return dataclasses.replace(self, **{name: value})  # type: ignore[type-var]

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the source of a specification."""
        names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
        parameters = read_parameters(specification, f"problem {cls.kind!r}", names)
        try:
            return cls(**parameters)
        except TypeError as error:
            raise InvalidInput(
                f"problem {cls.kind!r} lacks a parameter ({error}); it has {', '.join(names)}"
            ) from error


_KINDS: dict[str, Any] = {}


def register[S: type](cls: S) -> S:
    """Enter a source into the register by its ``kind``; use as a decorator."""
    _KINDS[cls.kind] = cls  # type: ignore[attr-defined]
    return cls


def source_from_specification(specification: Any) -> ProblemSource:
    """Return the problem source of a specification, of whichever kind it names.

    Raises
    ------
    InvalidInput, UnknownName
        If it has no kind, or one that is not known, or a parameter is missing or not known.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> source_from_specification({"kind": "construction", "name": "single-local"}).name
    'single-local'
    """
    if not isinstance(specification, Mapping) or "kind" not in specification:
        raise InvalidInput(
            f"problem {specification!r:.200} has no 'kind'; give {{'kind': 'construction', 'name': ...}}"
        )
    if specification["kind"] not in _KINDS:
        raise UnknownName.among("problem", str(specification["kind"]), _KINDS)
    source: ProblemSource = _KINDS[specification["kind"]].from_specification(specification)
    return source
