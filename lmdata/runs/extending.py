"""Widening a stored run: more seeds and swept values, the members that it has left as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lmdata.data.layout import Layout
from lmdata.data.registry import COMPLETE
from lmdata.errors import InvalidInput, RecipeMismatch
from lmdata.runs.means import Means
from lmdata.runs.proving import proved
from lmdata.runs.recipe import Recipe, stored_recipe, stored_specification
from lmdata.runs.road import Kind, resumable, versions
from lmdata.runs.sizes import check_size
from lmdata.runs.sweep import check_seeds, check_sweep

if TYPE_CHECKING:
    import xarray


def extend(
    kind_of: Callable[[Mapping[str, Any]], Kind[Any]],
    means: Means,
    *,
    seeds: Any = None,
    sweep: Any = None,
) -> xarray.Dataset:
    """Widen a stored run, compute what it then lacks, and return the dataset.

    Everything is checked before the store is changed. Its grid is then widened in one commit: a store is never
    extended in part, and what is interrupted later is an unfinished run of the wider recipe.

    Parameters
    ----------
    kind_of
        Called with a recipe's specification: returns the kind of run that it is.
    means
        Where the store is, and with what its members are computed.
    seeds, sweep
        All seeds, and all values of swept parameters, of the wider run, those of the store first; as they are where
        nothing is given.

    Raises
    ------
    InvalidInput
        If old values are missing or stand elsewhere, a parameter is not swept, or the wider run cannot be computed.
    RecipeMismatch
        If the run cannot be widened, or not by this version of lmdata.
    StoreLocked
        If another process is writing to the store.
    Interrupted, ClusterLost
        As for `lmdata.runs.road.run`.
    """
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.writer import RunStore

    assert means.store is not None
    with ExitStack() as opened:
        writer = opened.enter_context(RunStore.append_to(means.store, durable=means.durable))
        kind = kind_of(stored_specification(writer.layout.attrs))
        narrow = stored_recipe(writer.layout.attrs, writer.initial, kind.read)
        there = writer.layout
        if not isinstance(narrow, Recipe) or not isinstance(there, Layout):
            raise RecipeMismatch(f"{means.store} holds training runs, and only simulations are extended: train anew")
        wider = _wider(narrow, seeds, sweep)
        kind.check(wider, means)
        layout = there if wider.id == narrow.id else _widened(there, wider)
        writer.check_extension(layout)
        if layout is there and not writer.pending():
            return open_dataset(means.store)
        check_size(wider, means.store, kept=int((writer.status == COMPLETE).sum()))
        work = kind.prepare(wider, means, layout)
        opened.pop_all()  # from here on an interruption may leave a wider store, and says how to go on with it
    with resumable(means), writer, work.computing() as compute:
        if layout is not there:
            writer.extend(layout)
        compute(writer)
    return open_dataset(means.store)


def _wider(recipe: Recipe, seeds: Any, sweep: Any) -> Recipe:
    """Return the recipe with more seeds and swept values; refuse what is not that recipe made wider."""
    if seeds is None and sweep is None:
        raise InvalidInput(
            "nothing is given to extend the run by; give seeds=..., sweep=... or both: all that the wider run has, "
            f"what there is first (seeds {_listed(recipe.seeds)}, swept {', '.join(recipe.sweep) or 'nothing'})"
        )
    all_seeds = recipe.seeds if seeds is None else check_seeds(seeds)
    _check_longer("seeds", recipe.seeds, all_seeds)
    if not recipe.sweep and sweep:
        raise InvalidInput(
            "sweep is given, and the run sweeps nothing: a run is extended along the dimensions that it has; "
            "simulate the sweep into a store of its own"
        )
    given = check_sweep(sweep, tuple(recipe.sweep), "the stored run")
    for name, values in given.items():
        _check_longer(f"sweep[{name!r}]", recipe.sweep[name], values)
    return recipe.of(
        recipe.model,
        recipe.tokens,
        steps=recipe.steps,
        record=recipe.record,
        seeds=all_seeds,
        sweep=recipe.sweep | given,
        dtype=recipe.dtype,
    )


def _check_longer(name: str, there: Sequence[float], given: Sequence[float]) -> None:
    """Refuse values that do not begin with those that are there."""
    if tuple(given[: len(there)]) == tuple(there):
        return
    if set(given) <= set(there):
        remedy = "all of these are there: open the run, or resume it"
    else:
        new = [value for value in given if value not in there]
        remedy = f"give what is there first, then what is new: {_listed([*there, *new])}"
    raise InvalidInput(
        f"{name} is {_listed(given)}, and the run has {_listed(there)}, which must come first and in this order, since "
        f"no member is dropped or moved; {remedy}"
    )


def _listed(values: Sequence[float]) -> str:
    text = repr(list(values))
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-60:]}"


def _widened(layout: Layout, recipe: Recipe) -> Layout:
    """Return the layout of a store as that of the wider recipe."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    extended = f"{now} extended from {layout.size} to {recipe.size} members by lmdata {versions()['lmdata']}"
    attrs = {
        **layout.attrs,
        "recipe": recipe.text,
        "recipe_id": recipe.id,
        "history": "\n".join(filter(None, [str(layout.attrs.get("history", "")), extended])),
    }
    certificates = proved(recipe) if layout.certificates else {}
    return replace(layout, swept=recipe.sweep, seeds=recipe.seeds, attrs=attrs, certificates=certificates)
