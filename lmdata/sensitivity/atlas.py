"""`atlas`: the whole sensitivity axis of every start, as one dataset."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lmdata.dynamics.limits.walk import Leaves
from lmdata.dynamics.model import Model
from lmdata.errors import InvalidInput
from lmdata.runs.cluster import checked
from lmdata.sensitivity.dataset import assemble
from lmdata.sensitivity.recipe import RESOLUTION, AtlasRecipe, prepared
from lmdata.sensitivity.storing import Progress, kept, walked

if TYPE_CHECKING:
    import xarray


def atlas(
    model: Model,
    tokens: Any,
    *,
    seeds: Iterable[int] = (0,),
    sensitivity: tuple[float, float] = (0.0, math.inf),
    resolution: float = RESOLUTION,
    steps: int | None = None,
    limits: bool = True,
    store: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    scheduler: int | str | None = None,
    progress: Progress | None = None,
) -> xarray.Dataset:
    """Find every trajectory of localmax over the sensitivity axis, each on the exact interval that has it.

    The sensitivity delta enters only through the comparisons ``max_l s_il - s_ij <= delta``. So the axis falls into
    intervals of which every delta has one and the same trajectory, to the bit, and the next begins at the least float
    at which a comparison of the canonical step turns. Where an interval's limit is *proved*, that holds for all time:
    from some step on every gap keeps clear of the interval, with the rounding of all later steps accounted for.

    For all time the intervals accumulate, at 0 and where a limit gap is only approached; what is narrower than
    ``resolution`` is not cut any more: if no proof covers it whole it stays *unresolved*, and is reported as such.

    Parameters
    ----------
    model : Localmax
        Its influence and alignment matrix. Its sensitivity only says what is scaled: a number stands for all constant
        sensitivities, a schedule for itself times delta0, ``delta(t) = fl(delta0 shape(t))``.
    tokens : token source or array
        As for `lmdata.simulate`.
    seeds : sequence of int
        One start per seed.
    sensitivity : (float, float)
        The part [from, to) of the axis, the whole by default.
    resolution : float
        Relative to the largest gap of the start, beyond which all tokens listen to all; below 1. It has no say in a
        record of ``steps``.
    steps : int, optional
        Give the exact list of the record of so many steps instead, its last graph included.
    limits : bool
        Keep ``limit_position`` and ``cluster`` of every token.
    store : path, optional
        Where to keep it; starts that are finished are kept as it goes, and another call with the same arguments goes
        on. A finished one is opened.
    threads : int, optional
        One a core by default; the result does not depend on it.
    scheduler : int or str, optional
        As for `lmdata.simulate`: starts are walked by the workers of a dask.distributed cluster, one a task.
    progress : callable, optional
        Called as ``progress(done, total)`` after some starts each.

    Returns
    -------
    xarray.Dataset
        Over ``interval``, the starts one after the other (CF's contiguous ragged arrays: ``interval_count`` (seed) says
        how many each has; ``interval_seed`` (interval) whose each is), ascending and without holes:

        - ``sensitivity_from``, ``sensitivity_to``: every float delta in [from, to) has this trajectory
        - ``outcome``: ``certified``, a proof covers the interval; ``at_rest``, the state repeats to the bit;
          ``enclosed``, of schedules that change for ever: the tokens of each limit are in a box that they never
          leave, and never listen outside, though who of them listens to whom may differ at the last bits;
          ``unresolved``, several trajectories narrower than the resolution; ``open``, no proof was found;
          ``recorded``, of a record
        - ``certified``: one of the first three
        - ``steps_done``, ``frozen_from``: steps to the proof; step from which no neighbourhood ever changes, -1
          where enclosed
        - ``margin``: by how much the proof exceeds the interval on its narrower side
        - ``vertex_count``, ``limit_count``: vertices of the limit polytope; different limits, vertices among them
        - ``s1_size``, ``s2_size``: tokens that end at a vertex (S1), and the others
        - ``limit_position`` (interval, token, component), ``limit_error``: where the canonical floats end, within the
          error in every component; ``last_position`` of a record instead
        - ``cluster`` (interval, token): number of the token's limit, those of vertices first

        ``proved_share`` and ``unresolved_share`` in the attributes are of the axis up to the largest gap, the mean over
        the starts.

    Raises
    ------
    InvalidInput
        If the model is another than localmax or its schedule has no single scale, the range or the resolution is not
        allowed, or the atlas would be too large: the message has the estimate.
    StoreExists, RecipeMismatch
        If ``store`` holds something else.
    BackendUnavailable
        If no scheduler answers.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> ds.sizes["interval"] > 2, bool(ds.certified[-1]), int(ds.vertex_count[-1])
    (True, True, 1)
    >>> ds.attrs["proved_share"] > 0.999
    True
    """
    recipe = AtlasRecipe.of(
        model, tokens, seeds=seeds, sensitivity=sensitivity, resolution=resolution, steps=steps, limits=limits
    )
    if progress is not None and not callable(progress):
        raise InvalidInput(f"progress is {progress!r}; it must be a function of (done, total)")
    return made(recipe, store=store, threads=threads, scheduler=scheduler, progress=progress)


def made(
    recipe: AtlasRecipe,
    *,
    store: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    scheduler: int | str | None = None,
    progress: Progress | None = None,
) -> xarray.Dataset:
    """Make the atlas of a recipe: `atlas` with its arguments already checked."""
    if scheduler is not None:
        checked(scheduler)
    if store is not None:
        return kept(recipe, store, threads=threads, scheduler=scheduler, progress=progress)
    starts = prepared(recipe)
    found: dict[int, Leaves] = {}
    for some in walked(starts, list(range(len(starts))), recipe.axis(), threads, scheduler):
        found |= some
        if progress is not None:
            progress(len(found), len(starts))
    return assemble(recipe, starts, [found[number] for number in range(len(starts))])
