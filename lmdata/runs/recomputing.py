"""Computing a sample of stored members again: a digest says that numbers are as written, not that they were right."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.data.frames import Frames, Sink
from lmdata.data.layout import Layout
from lmdata.data.store import storage
from lmdata.data.store.prevented import fetched
from lmdata.data.store.reading import Stored, read_initial
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.data.verify import Problem, Report
from lmdata.errors import InvalidInput
from lmdata.runs.means import Means
from lmdata.runs.proving import proved
from lmdata.runs.recipe import Recipe, stored_recipe
from lmdata.runs.road import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

ADVICE = (
    "what is computed otherwise here was computed by other code, with other libraries or on a machine that errs, there "
    "or here: compare the attribute 'versions', and make the run again into a store of its own"
)


def checked_count(recompute: int) -> int:
    """Return how many members are to be computed again.

    Raises
    ------
    InvalidInput
        If it is no number of members.
    """
    if not isinstance(recompute, int) or isinstance(recompute, bool) or recompute < 0:
        raise InvalidInput(f"recompute is {recompute!r}; give how many members are to be computed again, 0 for none")
    return recompute


def recomputed(
    report: Report,
    location: str | os.PathLike[str],
    count: int,
    *,
    kind_of: Callable[[Mapping[str, Any]], Kind[Any]],
    backend: str = "auto",
) -> Report:
    """Compute members of a run again, chosen at random, and report those that come out otherwise.

    Parameters
    ----------
    report
        Of `lmdata.data.verify.verify`, of one version or what is there now: members that are damaged are not computed.
    location
        A run store, or a plain zarr export of one.
    count
        How many complete members, at most.
    kind_of
        Called with a recipe's specification: returns the kind of run that it is.
    backend
        As for `lmdata.simulate`.

    Returns
    -------
    Report
        With the members that were computed, and a problem for each that differs.

    Raises
    ------
    InvalidInput
        If it is no run: a derived dataset, or trajectories without a recipe.
    """
    place = Place.of(location)
    if stored_as(place, report.version) is StoredAs.DERIVED:
        raise InvalidInput(f"{place} is no run, whose members could be computed again; leave out recompute")
    source = Stored.open(place, tag=report.version)
    attrs = source.layout.attrs
    if "recipe" not in attrs:
        raise InvalidInput(f"{place} has no recipe; leave out recompute")
    kind = kind_of(json.loads(str(attrs["recipe"])))
    recipe = stored_recipe(attrs, read_initial(source.group), kind.read)
    complete = np.setdiff1d(np.flatnonzero(source.members.complete), report.damaged)
    chosen = np.sort(np.random.default_rng().choice(complete, min(count, complete.size), replace=False)).tolist()
    sink = _Comparing(source)
    work = kind.prepare(recipe, Means(backend, location), source.layout)
    work([(member,) for member in chosen], sink)
    if isinstance(recipe, Recipe) and isinstance(source.layout, Layout):
        _compare_proofs(recipe, source.layout, chosen, sink.differences)
    problems = [Problem("different", source.layout.key(member), why) for member, why in sink.differences.items()]
    advice = report.advice
    if problems:
        advice = f"To do: {ADVICE}." if advice == "Nothing to do." else f"{advice.rstrip('.')}; {ADVICE}."
    return dataclasses.replace(report, problems=(*report.problems, *problems), advice=advice, recomputed=tuple(chosen))


def _compare_proofs(recipe: Recipe, layout: Layout, members: Sequence[int], differences: dict[int, str]) -> None:
    """Prove the limits of members anew, and note where another proof is stored."""
    if not layout.certificates or not members:
        return
    for name, made in proved(recipe, members).items():
        there = layout.certificates[name].reshape(layout.size, *made.shape[1:])
        for member, own in zip(members, made, strict=True):
            if own.tobytes() != there[member].tobytes():
                differences.setdefault(member, f"proved here, its {name} is not what is stored")


class _Comparing(Sink):
    """What takes the frames of members and compares them with those that are stored."""

    def __init__(self, source: Stored) -> None:
        self._layout = source.layout
        self._arrays = {name: storage.array(source.group, name) for name in source.layout.parts}
        self.differences: dict[int, str] = {}

    def fail(self, members: Iterable[int], reason: str, *, steps_done: int = 0) -> None:
        """Note that members are stored that cannot be computed here."""
        for member in members:
            self.differences[member] = f"computed here it fails: {reason}"

    def take(self, frames: Frames) -> None:
        """Compare frames with those that are stored."""
        first = frames.first
        for name, values in frames.by_name(self._layout.parts[0]).items():
            if name in self._arrays:
                for member, made in zip(frames.members, np.asarray(values, self._layout.dtype), strict=True):
                    self._compare(name, member, first, made)

    def _compare(self, name: str, member: int, first: int, made: NDArray[Any]) -> None:
        if member in self.differences or not len(made):
            return
        region: tuple[Any, ...] = (*self._layout.index(member), slice(first, first + len(made)))
        what = f"{self._layout.key(member)} cannot be read"
        there = fetched(lambda: np.asarray(self._arrays[name][region]), what)
        if made.tobytes() != there.tobytes():
            frame = next(row for row in range(len(made)) if made[row].tobytes() != there[row].tobytes())
            gap = np.max(np.abs(made[frame] - there[frame]))
            self.differences[member] = f"computed here it differs from frame {first + frame} on, first by {gap:.2g}"
