"""What a model is, and the kinds that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kinds import Kinds


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
        """Raise InvalidInput, or warn, if ``steps`` steps from (n, d) tokens cannot be computed right.

        A model may also have a class method ``check_batch(models, tokens, steps)``, which does so in one go for models
        that differ in sweepable parameters alone, each with each of the tokens (m, n, d).
        """
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

        Members whose parameters are the same share one object, see `lmdata.dynamics.batch.distinct`.
        ``record`` are ascending step numbers >= start; only those frames are held. Going to T by way of any T1
        gives the same bits as going at once.
        """
        ...


MODELS: Kinds[Model] = Kinds("model", "models")
"""The models by their kinds: lmdata's own, those registered, and those of other packages."""

register = MODELS.register


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
    return MODELS.read(specification)
