"""What an atlas is of, checked before any work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lmdata.data.digest import sha256_of_json
from lmdata.dynamics.limits.axis import Axis
from lmdata.dynamics.limits.shapes import horizon_of, shape_of
from lmdata.dynamics.model import Model, model_from_specification
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.schedules import Explicit
from lmdata.dynamics.tokens import TokenSource, as_source, source_from_specification
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.memory import available_memory
from lmdata.numerics.checks import as_number
from lmdata.runs.recipe import read_seeds
from lmdata.runs.sweep import check_seeds, check_steps
from lmdata.wording import counted

type Floats = NDArray[np.float64]

ATLAS = 1
"""Version of an atlas (attribute ``lmdata_atlas``)."""
RESOLUTION = 1e-6
"""Default of ``resolution``."""
KEYS = ("lmdata_atlas", "model", "tokens", "seeds", "sensitivity", "resolution", "steps", "limits")
PIECES = 12
"""Intervals of a start, over the squared number of its tokens: about twice what was measured for n = 8 to 64."""
MOST_WORK = 2.0**40
"""Pairs of tokens, times intervals, of one atlas: about a day of one core."""


@dataclass(frozen=True)
class AtlasRecipe(Specified):
    """What an atlas is of; made by `AtlasRecipe.of`, which checks every part.

    Examples
    --------
    >>> import lmdata
    >>> recipe = AtlasRecipe.of(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=10)
    >>> AtlasRecipe.from_specification(recipe.specification()).id == recipe.id
    True
    """

    model: Localmax
    tokens: TokenSource
    seeds: tuple[int, ...]
    sensitivity: tuple[float, float]
    resolution: float
    steps: int | None
    limits: bool

    @classmethod
    def of(
        cls,
        model: Model,
        tokens: Any,
        *,
        seeds: Any = (0,),
        sensitivity: Any = (0.0, math.inf),
        resolution: float = RESOLUTION,
        steps: int | None = None,
        limits: bool = True,
    ) -> Self:
        """Check the arguments of `atlas` and return them as a recipe.

        Raises
        ------
        InvalidInput
            Naming the argument, its value and what is allowed.
        """
        if not isinstance(model, Localmax):
            kind = getattr(model, "kind", type(model).__name__)
            raise InvalidInput(
                f"model is of kind {kind!r}; only localmax has an atlas, for its sensitivity enters through "
                "comparisons alone: give lmdata.Localmax(influence=..., alignment=...)"
            )
        if steps is None and isinstance(model.alignment_sensitivity, Explicit):
            raise InvalidInput(
                "alignment_sensitivity is a sequence that ends, so nothing holds for all time; give steps=T, at most "
                f"{len(model.alignment_sensitivity.sequence)}"
            )
        resolution = as_number(resolution, "resolution", minimum=0, above=True)
        if resolution >= 1.0:
            raise InvalidInput(
                f"resolution is {resolution!r}, relative to the largest gap: the whole axis would stay unresolved; "
                f"give a number below 1, such as {RESOLUTION}"
            )
        if not isinstance(limits, bool):
            raise InvalidInput(f"limits is {limits!r}; it must be True or False")
        seeds = check_seeds(seeds)
        return cls(
            model=model,
            tokens=as_source(tokens, seeds=seeds),
            seeds=seeds,
            sensitivity=_range(sensitivity),
            resolution=resolution,
            steps=None if steps is None else check_steps(steps),
            limits=limits,
        )

    @classmethod
    def from_specification(cls, specification: Any, *, initial: Any = None) -> Self:
        """Return the recipe of a specification; ``initial`` are tokens that it identifies but does not hold.

        Missing keys take the defaults of `lmdata.atlas`; ``seeds`` are a list, or ``{first: 0, count: 20}``; an upper
        end of ``sensitivity`` that is None is infinite.

        Raises
        ------
        InvalidInput
            If a key is missing or not known, or what it says is not allowed.
        """
        if not isinstance(specification, Mapping):
            kind = type(specification).__name__
            raise InvalidInput(f"the recipe of an atlas is a mapping with the keys {', '.join(KEYS)}; got {kind}")
        if unknown := sorted(set(map(str, specification)) - set(KEYS)):
            raise InvalidInput(f"the recipe of an atlas has no key {unknown[0]!r}; it may have {', '.join(KEYS)}")
        for key in ("model", "tokens"):
            if key not in specification:
                raise InvalidInput(f"the recipe of an atlas lacks {key!r}")
        if (version := specification.get("lmdata_atlas", ATLAS)) != ATLAS:
            raise InvalidInput(f"lmdata_atlas is {version!r}; this lmdata makes atlases of version {ATLAS}")
        sensitivity = specification.get("sensitivity", (0.0, None))
        if isinstance(sensitivity, list | tuple) and len(sensitivity) == 2 and sensitivity[1] is None:
            sensitivity = (sensitivity[0], math.inf)
        return cls.of(
            model_from_specification(specification["model"]),
            source_from_specification(specification["tokens"], values=initial),
            seeds=read_seeds(specification.get("seeds", (0,))),
            sensitivity=sensitivity,
            resolution=specification.get("resolution", RESOLUTION),
            steps=specification.get("steps"),
            limits=specification.get("limits", True),
        )

    def specification(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        low, high = self.sensitivity
        return {
            "lmdata_atlas": ATLAS,
            "model": self.model.specification(),
            "tokens": self.tokens.specification(),
            "seeds": list(self.seeds),
            "sensitivity": [low, None if math.isinf(high) else high],
            "resolution": self.resolution,
            "steps": self.steps,
            "limits": self.limits,
        }

    @property
    def id(self) -> str:
        """SHA-256 of the specification."""
        return sha256_of_json(self.specification())

    @property
    def horizon(self) -> int:
        """The last step: of the record, or within which a proof is sought."""
        if self.steps is not None:
            return self.steps
        return horizon_of(self.model)

    def axis(self) -> Axis:
        """Return what is asked of every start."""
        shape = shape_of(self.model, self.horizon)
        matrix = self.model.matrix
        return Axis(
            np.empty((0, 0)) if matrix is None else np.ascontiguousarray(matrix),
            self.model.influence,
            *shape,
            *self.sensitivity,
            self.steps is not None,
            self.resolution,
            self.limits,
        )

    def starts(self) -> Floats:
        """Return the tokens of every seed (seed, token, component), checked.

        Raises
        ------
        InvalidInput
            If scores would overflow or underflow, or A does not fit the tokens.
        """
        drawn = np.stack([self.tokens.draw(seed) for seed in self.seeds]) + 0.0
        checked = Localmax(0.0, self.model.influence, self.model.alignment)
        for tokens in drawn if self.tokens.depends_on_seed else drawn[:1]:
            checked.check(tokens, 0)
        return drawn


def prepared(recipe: AtlasRecipe) -> Floats:
    """Return the starts of a recipe, once it is sure that its atlas is not too large.

    Raises
    ------
    InvalidInput
        If it is; the message says how large, and what to do.
    """
    n, d = recipe.tokens.shape
    count = len(recipe.seeds)
    intervals = PIECES * n**2
    if recipe.steps is None:
        intervals = min(intervals, math.ceil(1.0 / recipe.resolution))
    size = intervals * count * (100 + (8 * n * (d + 1) if recipe.limits else 0))
    work = float(intervals) * count * n**2
    memory = available_memory()
    if size > memory or work > MOST_WORK:
        raise InvalidInput(
            f"the atlas of {counted(count, 'start', form=',')} of {n:,} tokens has about "
            f"{intervals * count:,} intervals, {size / 2**30:,.2f} GiB (available: "
            f"{memory / 2**30:,.2f}) and {work:.1e} pairs of tokens "
            f"(allowed: {MOST_WORK:.1e}); give fewer tokens or seeds, a coarser resolution or limits=False"
        )
    return recipe.starts()


def _range(sensitivity: Any) -> tuple[float, float]:
    """Return a range of the axis as two floats, the second perhaps infinite."""
    try:
        low, high = sensitivity
    except (TypeError, ValueError):
        raise InvalidInput(f"sensitivity is {sensitivity!r}; it must be a pair (from, to) of numbers") from None
    low = as_number(low, "sensitivity[0]", minimum=0)
    high = math.inf if isinstance(high, float) and high == math.inf else as_number(high, "sensitivity[1]", minimum=0)
    if not low < high:
        raise InvalidInput(f"sensitivity is ({low!r}, {high!r}); it must ascend, such as (0, inf)")
    return low, high
