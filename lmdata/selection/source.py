"""What a problem source is, and the register of their kinds."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from lmdata.dynamics.kinds import Kinds
from lmdata.errors import UnknownName
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


PROBLEMS: Kinds[ProblemSource] = Kinds("problem")
"""The problem sources by their kinds."""

register = PROBLEMS.register


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
    return PROBLEMS.read(specification)
