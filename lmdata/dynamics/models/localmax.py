"""Localmax dynamics: every token moves towards the mean of the tokens it is most aligned with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmdata.dynamics.batch import distinct
from lmdata.dynamics.kernels.backends import choose, kernel, to_host, to_namespace
from lmdata.dynamics.kinds import read_parameters, unknown_parameter
from lmdata.dynamics.model import Frames, register
from lmdata.dynamics.schedules import Constant, Explicit, Schedule, as_schedule, schedule_from_specification
from lmdata.errors import InvalidInput, ResolutionWarning
from lmdata.markup import Specified
from lmdata.numerics.arrays import apply, inner
from lmdata.numerics.checks import as_alignment, as_number, as_tokens, check_batch, check_scores
from lmdata.wording import counted


@register
@dataclass(frozen=True)
class Localmax(Specified):
    """Localmax dynamics (arXiv 2509.15958); hardmax (arXiv 2407.01602) at sensitivity 0.

    ::

        C_i(t)   = {j : <A z_i, z_j> >= max_l <A z_i, z_l> - delta(t)}
        m_i(t)   = mean of z_j over j in C_i(t)
        z_i(t+1) = (z_i + alpha m_i) / (1 + alpha)

    Computed as :mod:`lmdata.dynamics.kernels.canonical` defines it: the same bits by every backend.

    This definition is our reading of the abstract of arXiv 2509.15958, which names an alignment sensitivity and says
    that localmax lies between hardmax and softmax, and no formula. Other readings are built too: `LocalmaxVariant` has
    sensitivities relative to the spread or to the maximum of a token's scores, causal masks, tokens that do not attend
    to themselves, any symmetric A, and the sphere; `Softmax` has weights instead of a threshold.

    Parameters
    ----------
    alignment_sensitivity : float, Schedule or sequence of float
        delta >= 0, in units of squared token length: a number, a schedule of :mod:`lmdata.schedules`, or one number
        for each step.
    influence : float
        alpha > 0, dimensionless.
    alignment : array (component, component), optional
        A, symmetric positive definite; the identity by default.

    Raises
    ------
    InvalidInput
        If a parameter is not allowed.

    Examples
    --------
    >>> Localmax(alignment_sensitivity=0.1)
    Localmax(alignment_sensitivity=0.1, influence=1.0, alignment=None)
    """

    kind: ClassVar[str] = "localmax"
    sweepable: ClassVar[tuple[str, ...]] = ("alignment_sensitivity", "influence")
    time_unit: ClassVar[str] = "step"

    alignment_sensitivity: float | Schedule | Sequence[float] = 0.0
    influence: float = 1.0
    alignment: ArrayLike | None = None

    def __post_init__(self) -> None:
        checked = {
            "alignment_sensitivity": as_schedule(self.alignment_sensitivity, "alignment_sensitivity"),
            "influence": as_number(self.influence, "influence", minimum=0, above=True),
            "alignment": None if self.alignment is None else _as_rows(as_alignment(self.alignment)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def schedule(self) -> Schedule:
        """The sensitivity as a schedule, constant or not."""
        sensitivity = self.alignment_sensitivity
        return sensitivity if isinstance(sensitivity, Schedule) else Constant(sensitivity)  # type: ignore[arg-type]

    @property
    def matrix(self) -> NDArray[np.float64] | None:
        """The alignment matrix A as an array; None is the identity."""
        return None if self.alignment is None else np.array(self.alignment)

    def specification(self) -> dict[str, Any]:
        """Return the model as plain JSON values; :meth:`from_specification` gives it back exactly."""
        sensitivity, matrix = self.alignment_sensitivity, self.matrix
        return {
            "kind": self.kind,
            "alignment_sensitivity": sensitivity.specification() if isinstance(sensitivity, Schedule) else sensitivity,
            "influence": self.influence,
            "alignment": None if matrix is None else matrix.tolist(),
        }

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the model of a specification; parameters that are absent take their defaults.

        Raises
        ------
        UnknownName
            If it names a parameter or schedule that there is not.
        InvalidInput
            If a parameter is not allowed.

        Examples
        --------
        >>> Localmax.from_specification({"alignment_sensitivity": {"kind": "periodic", "period": [0.1, 0]}}).schedule
        Periodic(period=(0.1, 0.0))
        """
        parameters = read_parameters(specification, cls.kind, ("alignment_sensitivity", "influence", "alignment"))
        if isinstance(parameters.get("alignment_sensitivity"), Mapping):
            parameters["alignment_sensitivity"] = schedule_from_specification(parameters["alignment_sensitivity"])
        return cls(**parameters)

    def with_parameter(self, name: str, value: float) -> Self:
        """Return a copy in which a sweepable parameter has another value.

        Raises
        ------
        UnknownName
            If no such parameter can be swept.

        Examples
        --------
        >>> Localmax().with_parameter("influence", 0.5).influence
        0.5
        """
        if name not in self.sweepable:
            raise unknown_parameter(f"sweepable parameter of {self.kind}", name, self.sweepable)
        return replace(self, **{name: as_number(value, name)})

    def check(self, tokens: NDArray[np.float64], steps: int) -> None:
        """Check that ``steps`` steps from (n, d) tokens can be computed right.

        Raises
        ------
        InvalidInput
            If A does not fit the tokens, scores would overflow or underflow, or the sensitivities do not fit the steps.

        Warns
        -----
        ResolutionWarning
            If the largest sensitivity is above 0, yet below the spacing of float64 at the largest score.

        Examples
        --------
        >>> Localmax(0.1).check(np.eye(2), 10)
        """
        tokens = as_tokens(tokens)
        if tokens.ndim != 2:
            raise InvalidInput(f"tokens have shape {tokens.shape}; a member starts from (token, component)")
        self.check_batch([self], tokens[None], steps)

    @classmethod
    def check_batch(cls, models: Sequence[Self], tokens: NDArray[np.float64], steps: int) -> None:
        """Check tokens (m, n, d), each for each of the models, which share one alignment matrix; see `check`."""
        tokens = as_tokens(tokens)
        n, d = tokens.shape[-2:]
        matrix = models[0].matrix
        if matrix is not None and len(matrix) != d:
            raise InvalidInput(
                f"alignment has shape {matrix.shape}, but the tokens have {counted(d, 'component')}; "
                f"A must be ({d}, {d})"
            )
        check_scores(tokens, matrix)
        for model in models:
            model._check_length(n, steps)
        resolution = np.spacing(inner(apply(matrix, tokens), tokens).max())
        largest = np.array([model._largest_sensitivity(steps) for model in models])
        unresolved = largest[(largest > 0.0) & (largest < resolution)]
        if unresolved.size:
            warn(
                f"alignment_sensitivity is at most {unresolved.min():.3g}, below the resolution {resolution:.3g} of "
                "the largest scores: rounding decides who is a neighbour; choose 0 for hardmax, or a larger "
                "sensitivity",
                ResolutionWarning,
                stacklevel=3,
            )

    def _largest_sensitivity(self, steps: int) -> float:
        """Return the largest sensitivity of so many steps; 0 for none."""
        if isinstance(self.alignment_sensitivity, float) and steps > 0:
            return self.alignment_sensitivity
        return float(self.schedule.values(steps).max(initial=0.0))

    def _check_length(self, n: int, steps: int) -> None:
        """Refuse an explicit schedule that is too short, or has one value a token instead of a step."""
        if not isinstance(self.alignment_sensitivity, Explicit):
            return
        given = len(self.alignment_sensitivity.sequence)
        if given < steps or (given == n and given != steps):
            raise InvalidInput(
                f"alignment_sensitivity has {counted(given, 'value')} for {counted(steps, 'step')}"
                f"{' and as many tokens' * (given == n)}; "
                f"a sequence is one value a step, the same for all tokens: give {counted(steps, 'value')}"
            )

    def times(self, steps: Sequence[int]) -> NDArray[np.int64]:
        """Return the step numbers themselves."""
        return np.array(steps, dtype=np.int64)

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
        """Step a batch of models that share one alignment matrix; see :class:`lmdata.dynamics.model.Model`.

        Raises
        ------
        InvalidInput
            If the batch is no batch, or its models have different alignment matrices.
        UnknownName, BackendUnavailable
            If the backend is not there, or cannot run here.

        Examples
        --------
        >>> state = np.array([[[1.0], [0.5], [-1.0]]])
        >>> Localmax.advance([Localmax()], state, start=0, record=[2], seeds=[0]).position
        array([[[[ 1.   ],
                 [ 0.875],
                 [-1.   ]]]])
        """
        members, n, d = check_batch(models, state, start=start, record=record)
        own, places = distinct(models)
        if any(model.alignment != own[0].alignment for model in own):
            raise InvalidInput("the models of one batch have different alignment matrices; advance them apart")
        choice = choose(backend, kind=cls.kind, members=members, tokens=n, components=d)
        frames, diagnostics = kernel(choice, cls.kind)(
            to_namespace(choice, state + 0.0),  # -0.0 becomes 0.0, which no step turns back
            _sensitivities(own, record[-1], start=start)[places],
            np.array([model.influence for model in own])[places],
            own[0].matrix,
            tuple(step - start for step in record),
        )
        return Frames(to_host(choice, frames), {name: to_host(choice, d) for name, d in diagnostics.items()})


def _sensitivities(models: Sequence[Localmax], steps: int, *, start: int = 0) -> NDArray[np.float64]:
    """Return delta(start), ..., delta(steps - 1) of each model, (model, steps - start)."""
    given = [model.alignment_sensitivity for model in models]
    if not any(isinstance(sensitivity, Schedule) for sensitivity in given):
        constant = np.array(given, dtype=np.float64)
        return np.broadcast_to(constant[:, None], (len(models), steps - start))
    return np.stack([model.schedule.values(steps, start=start) for model in models])


def _as_rows(matrix: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """Return a matrix as hashable rows."""
    return tuple(tuple(row) for row in matrix.tolist())
