"""The recipe of a training run: everything that decides its bits, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lmdata.data.digest import canonical_json
from lmdata.data.identity import recorded_steps
from lmdata.errors import InvalidInput
from lmdata.markup import Specified
from lmdata.runs.recipe import RECIPE_VERSION, read_recipe
from lmdata.runs.sweep import MOST_MEMBERS, check_record, check_seeds, check_steps, check_sweep
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.source import ProblemSource, source_from_specification
from lmdata.selection.sources import Given, Starts
from lmdata.selection.sources import starts as starts_of


@dataclass(frozen=True)
class SelectionRecipe(Specified):
    """What to train, on what, from where, how long; made by `of` or `from_specification`, which check every part.

    Examples
    --------
    >>> from lmdata.selection import TokenSelection, construction
    >>> recipe = SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=100)
    >>> SelectionRecipe.from_specification(recipe.specification()).id == recipe.id
    True
    """

    model: TokenSelection
    problem: ProblemSource
    starts: Starts
    steps: int
    record: int | tuple[int, ...] | None
    seeds: tuple[int, ...]
    sweep: dict[str, tuple[float, ...]]

    @classmethod
    def of(
        cls,
        model: TokenSelection,
        problem: ProblemSource | Problem,
        *,
        steps: int,
        starts: Any = None,
        seeds: Any = (0,),
        sweep: Any = None,
        record: Any = None,
    ) -> Self:
        """Check the arguments of `lmdata.selection.train` and return them as a recipe.

        Raises
        ------
        InvalidInput
            Naming the argument, its value and what is allowed.
        """
        if not isinstance(model, TokenSelection):
            raise InvalidInput(f"model must be a TokenSelection(...); got {model!r}")
        source = Given(problem) if isinstance(problem, Problem) else problem
        if not isinstance(source, ProblemSource):
            raise InvalidInput(f"problem must be a source such as construction('single-local'); got {problem!r:.200}")
        if starts is None:
            starts = starts_of(scale=0.0)
        steps = check_steps(steps)
        recipe = cls(
            model=model,
            problem=source,
            starts=starts if isinstance(starts, Starts) else starts_of(starts),
            steps=steps,
            record=check_record(record, steps),
            seeds=check_seeds(seeds),
            sweep=check_sweep(sweep, (*model.sweepable, *source.sweepable), type(model).__name__),
        )
        if recipe.size > MOST_MEMBERS:
            raise InvalidInput(f"the run has {recipe.size:,} members; at most {MOST_MEMBERS:,} are allowed: split it")
        for name, values in recipe.sweep.items():
            for value in values:
                recipe.at({name: value})
        return recipe

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the recipe that a JSON-like mapping describes; missing keys take the defaults of `train`."""
        given = read_recipe(specification, ("starts",))
        if given.pop("dtype", "float64") != "float64":
            raise InvalidInput(f"dtype is {specification['dtype']!r}; training runs are stored as 'float64'")
        starts = given.pop("starts", None)
        return cls.of(
            TokenSelection.from_specification(given.pop("model")),
            source_from_specification(given.pop("tokens")),
            starts=None if starts is None else Starts.from_specification(starts),
            **given,
        )

    def specification(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values; `from_specification` gives the recipe back."""
        return {
            "lmdata_recipe": RECIPE_VERSION,
            "model": self.model.specification(),
            "tokens": self.problem.specification(),
            "starts": self.starts.specification(),
            "steps": self.steps,
            "record": list(self.record) if isinstance(self.record, tuple) else self.record,
            "seeds": list(self.seeds),
            "sweep": [[name, list(values)] for name, values in self.sweep.items()],
            "dtype": "float64",
        }

    @functools.cached_property
    def text(self) -> str:
        """The canonical JSON of `specification`."""
        return canonical_json(self.specification())

    @functools.cached_property
    def id(self) -> str:
        """SHA-256 of `text`, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def initial(self) -> None:
        """Nothing: problems and starts are drawn again, and are kept with the run."""
        return

    @property
    def size(self) -> int:
        """Number of members."""
        return math.prod(map(len, self.sweep.values())) * self.starts.count * len(self.seeds)

    @property
    def recorded(self) -> tuple[int, ...]:
        """The iterations that are kept."""
        return recorded_steps(self.record, self.steps)

    @property
    def problem_sweep(self) -> tuple[str, ...]:
        """The swept parameters that change the problem."""
        return tuple(name for name in self.sweep if name in self.problem.sweepable)

    def at(self, point: Mapping[str, float]) -> tuple[TokenSelection, ProblemSource]:
        """Return the model and the problem source at some values of swept parameters."""
        model, problem = self.model, self.problem
        for name, value in point.items():
            if name in model.sweepable:
                model = model.with_parameter(name, value)
            else:
                problem = problem.with_parameter(name, value)
        return model, problem

    def points(self, names: Sequence[str] | None = None) -> list[dict[str, float]]:
        """Return the points of the sweep over some of its parameters (all by default), in C order."""
        found: list[dict[str, float]] = [{}]
        for name in self.sweep if names is None else names:
            found = [{**point, name: value} for point in found for value in self.sweep[name]]
        return found
