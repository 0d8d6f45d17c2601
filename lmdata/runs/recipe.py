"""A recipe: everything that decides the bits of a dataset, and nothing else.

A recipe holds a model, a token source, the number of steps, the seeds, the sweep and which steps are kept.
Its canonical JSON is stored with each dataset; the SHA-256 of that JSON is the *recipe id*. What changes from
run to run (time, versions, backend, place) stays outside.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from lmdata.data.digest import canonical_json
from lmdata.data.identity import recorded_steps
from lmdata.dynamics.model import Model, model_from_specification
from lmdata.dynamics.tokens import TokenSource, as_source, source_from_specification
from lmdata.dynamics.tokens.given import ArrayTokens
from lmdata.errors import InvalidInput, RecipeMismatch
from lmdata.markup import Specified
from lmdata.numerics.checks import as_count
from lmdata.plugins import explaining
from lmdata.runs.provenance import check_origin
from lmdata.runs.sweep import (
    MOST_MEMBERS,
    Member,
    check_record,
    check_seeds,
    check_steps,
    check_sweep,
    members,
    recorded_count,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECIPE_VERSION = 1
DTYPES = ("float64", "float32")
_KEYS = ("lmdata_recipe", "model", "tokens", "steps", "record", "seeds", "sweep", "dtype")


class AnyRecipe(Protocol):
    """What the road asks of a recipe."""

    @property
    def text(self) -> str:
        """The canonical JSON of `specification`."""

    @property
    def id(self) -> str:
        """SHA-256 of `text`, in hexadecimal."""

    @property
    def initial(self) -> NDArray[np.float64] | None:
        """Tokens that the specification identifies but does not hold."""

    def specification(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""


@dataclass(frozen=True)
class Recipe(Specified):
    """What to simulate; made by `Recipe.of` or `Recipe.from_specification`, which check every part.

    Examples
    --------
    >>> import lmdata
    >>> recipe = Recipe.of(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=10, sweep={"influence": [0.5, 1]})
    >>> len(recipe.members), recipe.recorded[-1]
    (2, 10)
    >>> Recipe.from_specification(recipe.specification()).id == recipe.id
    True
    """

    model: Model
    tokens: TokenSource
    steps: int
    record: int | tuple[int, ...] | None
    seeds: tuple[int, ...]
    sweep: dict[str, tuple[float, ...]]
    dtype: str = "float64"

    @classmethod
    def of(
        cls,
        model: Model,
        tokens: Any,
        *,
        steps: int,
        seeds: Any = (0,),
        sweep: Any = None,
        record: Any = None,
        dtype: str = "float64",
    ) -> Self:
        """Check the arguments of `lmdata.simulate` and return them as a recipe.

        Raises
        ------
        InvalidInput
            Naming the argument, its value and what is allowed.
        """
        if isinstance(model, type) or not isinstance(model, Model):
            raise InvalidInput(f"model must be a model such as lmdata.Localmax(...); got {model!r}")
        if dtype not in DTYPES:
            raise InvalidInput(f"dtype is {dtype!r}; positions are stored as {' or '.join(DTYPES)}")
        steps = check_steps(steps)
        seeds = check_seeds(seeds)
        recipe = cls(
            model=model,
            tokens=as_source(tokens, seeds=seeds),
            steps=steps,
            record=check_record(record, steps),
            seeds=seeds,
            sweep=check_sweep(sweep, model.sweepable, type(model).__name__),
            dtype=dtype,
        )
        if recipe.size > MOST_MEMBERS:
            raise InvalidInput(f"the sweep has {recipe.size:,} members; at most {MOST_MEMBERS:,} are allowed: split it")
        for name, values in recipe.sweep.items():
            for value in values:
                model.with_parameter(name, value)
        return recipe

    @classmethod
    def from_specification(cls, specification: Any, *, initial: NDArray[np.float64] | None = None) -> Self:
        """Return the recipe that a JSON-like mapping describes (of a store, a catalogue entry or a YAML file).

        ``sweep`` may be a mapping or a list of ``[name, values]`` pairs; ``seeds`` a list, or
        ``{first: 0, count: 20}``. Missing keys take the defaults of `lmdata.simulate`. ``initial`` are the tokens
        of a recipe that only identifies them (see `initial`).
        """
        given = read_recipe(specification)
        return cls.of(
            model_from_specification(given.pop("model")),
            source_from_specification(given.pop("tokens"), values=initial),
            **given,
        )

    def specification(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values; `from_specification` gives the recipe back."""
        return {
            "lmdata_recipe": RECIPE_VERSION,
            "model": self.model.specification(),
            "tokens": self.tokens.specification(),
            "steps": self.steps,
            "record": list(self.record) if isinstance(self.record, tuple) else self.record,
            "seeds": list(self.seeds),
            "sweep": [[name, list(values)] for name, values in self.sweep.items()],
            "dtype": self.dtype,
        }

    @functools.cached_property
    def text(self) -> str:
        """The canonical JSON of `specification`."""
        return canonical_json(self.specification())

    @functools.cached_property
    def id(self) -> str:
        """SHA-256 of `text`, in hexadecimal: `lmdata.data.digest.sha256_of_json` of the specification."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def initial(self) -> NDArray[np.float64] | None:
        """Tokens that the specification identifies but does not hold: they must be kept beside it.

        Raises
        ------
        InvalidInput
            If the token source is not rebuildable, and no array.
        """
        if self.tokens.rebuildable:
            return None
        if isinstance(self.tokens, ArrayTokens):
            return self.tokens.values
        raise InvalidInput(
            f"tokens {self.tokens.kind!r} are not rebuildable from their specification, so that a store of them could "
            "not be resumed; give them as an array: lmdata.tokens.array(numpy.stack([source.draw(seed) for seed in "
            "seeds]), seeds=seeds)"
        )

    @property
    def distinct_seeds(self) -> tuple[int, ...]:
        """One seed for each different start."""
        return self.seeds if self.tokens.depends_on_seed else self.seeds[:1]

    @property
    def recorded(self) -> tuple[int, ...]:
        """The step numbers that are kept."""
        return recorded_steps(self.record, self.steps)

    @property
    def size(self) -> int:
        """Number of members."""
        return math.prod(map(len, self.sweep.values())) * len(self.seeds)

    @property
    def member_bytes(self) -> int:
        """Bytes of one member's frames in float64."""
        n, d = self.tokens.shape
        return recorded_count(self.record, self.steps) * n * d * 8

    @functools.cached_property
    def members(self) -> list[Member]:
        """Every member, in C order of the grid."""
        return members(self.sweep, self.seeds)

    @functools.cached_property
    def models(self) -> list[Model]:
        """The model at every swept point, in C order of the grid; the members of a point share it."""
        models = [self.model]
        for name, values in self.sweep.items():
            models = [model.with_parameter(name, value) for model in models for value in values]
        return models

    def models_of(self, numbers: Sequence[int]) -> list[Model]:
        """Return the model of each of the members with these numbers in the grid."""
        models, seeds = self.models, len(self.seeds)
        return [models[number // seeds] for number in numbers]

    def seeds_of(self, numbers: Sequence[int]) -> list[int]:
        """Return the seed of each of the members with these numbers in the grid."""
        seeds, count = self.seeds, len(self.seeds)
        return [seeds[number % count] for number in numbers]


def stored_specification(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of the recipe that a store's attributes hold.

    Raises
    ------
    RecipeMismatch
        If they hold none: it was not made by a run.

    Examples
    --------
    >>> stored_specification({"title": "measured elsewhere"})
    Traceback (most recent call last):
    ...
    lmdata.errors.RecipeMismatch: the store holds no recipe that its members could be computed from: open it as it is
    """
    if "recipe" not in attrs and "source" in attrs:
        raise RecipeMismatch("the store holds states that came from elsewhere: there is nothing to compute, open it")
    try:
        return dict(json.loads(attrs["recipe"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeMismatch(
            "the store holds no recipe that its members could be computed from: open it as it is"
        ) from error


def stored_recipe[R: AnyRecipe](
    attrs: Mapping[str, Any], initial: NDArray[np.float64] | None, read: Callable[..., R]
) -> R:
    """Return the recipe that a store's attributes hold, with the tokens kept beside it where it needs them.

    Parameters
    ----------
    attrs
        Attributes of the dataset.
    initial
        The tokens kept beside it.
    read
        Reads recipes of this kind: ``read(specification, initial=...)``.

    Raises
    ------
    RecipeMismatch
        If the recipe id in the attributes is not that of the recipe, or a part of it is of another package here.
    UnknownName
        If a part of it is of a package that is not installed; the message says which.
    """
    with explaining(attrs):
        recipe = read(json.loads(attrs["recipe"]), initial=initial)
    if recipe.id != attrs["recipe_id"]:
        raise RecipeMismatch(
            f"the store's recipe has the id {recipe.id[:12]}, but {attrs['recipe_id'][:12]} stands beside it: "
            "the store was edited or damaged; make it anew"
        )
    check_origin(attrs, recipe)
    return recipe


def read_recipe(specification: Any, further: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a recipe given as plain values holds, by key; of every kind of run, recipes are read here.

    Parameters
    ----------
    specification
        A mapping with the keys ``model``, ``tokens`` and ``steps``, and perhaps ``seeds``, ``sweep``, ``record`` and
        ``dtype``. ``sweep`` is a mapping, or a list of ``[name, values]`` pairs; ``seeds`` a list, or
        ``{first: 0, count: 20}``.
    further
        Keys that recipes of this kind may have besides.

    Returns
    -------
    dict
        The keys that are there, without the version; the sweep as a mapping, in the order given.

    Raises
    ------
    InvalidInput
        If it is no mapping, lacks a key, has one that is not known, is of another version, or if the sweep names a
        parameter twice.

    Examples
    --------
    >>> read_recipe({"model": {}, "tokens": {}, "steps": 3, "seeds": {"first": 5, "count": 2}})
    {'model': {}, 'tokens': {}, 'steps': 3, 'seeds': range(5, 7)}
    >>> read_recipe({"model": {}, "tokens": {}, "steps": 3, "sweep": [["a", [1]], ["a", [2]]]})
    Traceback (most recent call last):
    ...
    lmdata.errors.InvalidInput: sweep names a parameter twice in ['a', 'a']; give each once
    """
    keys = (*_KEYS, *further)
    if not isinstance(specification, Mapping):
        raise InvalidInput(f"a recipe is a mapping with the keys {', '.join(keys)}; got {type(specification).__name__}")
    unknown = sorted(set(map(str, specification)) - set(keys))
    if unknown:
        raise InvalidInput(f"a recipe has no key {', '.join(map(repr, unknown))}; it may have {', '.join(keys)}")
    for key in ("model", "tokens", "steps"):
        if key not in specification:
            raise InvalidInput(f"the recipe lacks {key!r}; it needs model, tokens and steps")
    given = dict(specification)
    version = given.pop("lmdata_recipe", RECIPE_VERSION)
    if version != RECIPE_VERSION:
        raise InvalidInput(
            f"the recipe is of version {version!r}, and this lmdata reads version {RECIPE_VERSION}; "
            "use the lmdata that wrote it"
        )
    if isinstance(given.get("sweep"), list):
        given["sweep"] = _pairs(given["sweep"])
    if "seeds" in given:
        given["seeds"] = read_seeds(given["seeds"])
    return given


def read_seeds(seeds: Any) -> Any:
    """Return the seeds of a recipe given as plain values: ``{first: 0, count: 20}`` as a range, others as they are.

    Raises
    ------
    InvalidInput
        If a mapping has other keys, or one of its values is no count. What seeds must be besides, `check_seeds` says.

    Examples
    --------
    >>> read_seeds({"first": 5, "count": 2}), read_seeds([3, 4])
    (range(5, 7), [3, 4])
    """
    if not isinstance(seeds, Mapping):
        return seeds
    if set(seeds) != {"first", "count"}:
        raise InvalidInput(f"seeds as a mapping is {{first: 0, count: 20}}; got {dict(seeds)!r}")
    first, count = (as_count(seeds[key], f"seeds[{key!r}]", minimum=0) for key in ("first", "count"))
    if count > MOST_MEMBERS:
        raise InvalidInput(f"seeds['count'] is {count:,}; a dataset has at most {MOST_MEMBERS:,} members: split it")
    return range(first, first + count)


def _pairs(sweep: list[Any]) -> dict[str, Any]:
    """Return a sweep given as ``[name, values]`` pairs as a mapping; refuse what is no such list."""
    if not all(isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2 for pair in sweep):
        raise InvalidInput(f"sweep as a list holds [name, values] pairs, e.g. [[influence, [0.5, 1]]]; got {sweep!r}")
    if not all(isinstance(name, str) for name, _ in sweep):
        raise InvalidInput(f"sweep as a list holds [name, values] pairs, with names that are text; got {sweep!r:.200}")
    found = dict(sweep)
    if len(found) < len(sweep):
        raise InvalidInput(f"sweep names a parameter twice in {[name for name, _ in sweep]}; give each once")
    return found
