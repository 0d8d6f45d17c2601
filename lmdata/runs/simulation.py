"""Simulate the members of a recipe, in memory or into a store."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmdata.data.digest import canonical_json
from lmdata.data.frames import Sink
from lmdata.data.registry import of_data
from lmdata.dynamics.kernels.backends import choose
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.tokens import source_from_specification
from lmdata.runs import road
from lmdata.runs.cluster import checked, connected
from lmdata.runs.means import Means
from lmdata.runs.progress import Progress
from lmdata.runs.provenance import check_returns
from lmdata.runs.proving import check_provable, proved
from lmdata.runs.recipe import Recipe
from lmdata.runs.runner import Runner
from lmdata.runs.sizes import check_size

if TYPE_CHECKING:
    import numpy as np
    import xarray
    from numpy.typing import NDArray

    from lmdata.data.layout import Layout
    from lmdata.dynamics.model import Model


def simulate(
    model: Model,
    tokens: Any,
    *,
    steps: int,
    seeds: Sequence[int] = (0,),
    sweep: dict[str, Sequence[float]] | None = None,
    record: int | Sequence[int] | None = None,
    backend: str = "auto",
    store: str | os.PathLike[str] | None = None,
    durable: bool = False,
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
    certify: bool = False,
) -> xarray.Dataset:
    r"""Simulate every member of a sweep and return the trajectories as a labelled dataset.

    Members are the points of ``sweep`` times ``seeds``. All members of one seed start from the same tokens.
    A member's bits depend on the model, its tokens and its own swept values alone: not on the other members,
    the backend, the block sizes or the number of threads.

    Parameters
    ----------
    model : Model
        The dynamics, e.g. ``lmdata.Localmax(alignment_sensitivity=0.1)``.
    tokens : token source or array
        A source from `lmdata.tokens`, a (token, component) array (one start for all seeds) or a
        (seed, token, component) array (one start per seed); dimensionless.
    steps : int
        Number of steps T; time runs from 0 (the initial state) to T.
    seeds : sequence of int
        One member per seed; the ``seed`` dimension is always there.
    sweep : mapping of parameter name to values, optional
        Each swept parameter overrides the model's own value and becomes a dimension, in the order given.
    record : None, int or sequence of int
        Every step, every k steps (first and last always), or exactly these step numbers.
    backend : str
        ``"auto"``, ``"numpy"`` or ``"cupy"``, with a kernel after a colon where one is to be forced.
        ``"auto"`` takes what serves; what was taken stands in the ``backend`` attribute.
    store : path or address, optional
        Where to keep the run, a path or ``s3://bucket/prefix`` (credentials in the environment): members are
        committed as they finish. An existing store is opened if it is finished and of the same recipe, and refused
        otherwise.
    durable : bool
        Flush every commit to disk before a member counts as kept: it then survives a loss of power too, not only the
        end of the process. Each commit takes as long as the disk needs.
    scheduler : int or str, optional
        With a store: let the workers of a dask.distributed cluster compute, while this process commits. Either the
        number of worker processes to be started here, or the address of a scheduler, ``tls://...`` on another
        machine (see `lmdata.runs.cluster.connected`), whose workers must reach the store under the same path. A script
        that starts workers needs the usual ``if __name__ == "__main__":``.
    progress : callable, bool or None
        Called as ``progress(done, total)`` after each batch; True shows a bar; silent by default.
    certify : bool
        Prove the members' limits for all time, as `lmdata.certify` does of a record, before any of them moves: they
        follow from where members start. The proofs are kept beside the members, in a store too, where the digest of
        the layout covers them; `lmdata.verify` with ``recompute`` proves some again, and `lmdata.extend` proves those
        of new members. This process finds them, also where workers compute. Recipe, digests and frames are those of
        the run without, to the last step: no member is cut short where it is proved. The closed form of its later
        states (`lmdata.continue_to`) has not the bits of its steps, a record with holes would be none to measure, and
        the kernels stop by themselves where a state repeats to the bit. To keep less, ask for fewer ``steps``:
        ``frozen_from`` and ``certified_step`` say how many decide.

    Returns
    -------
    xarray.Dataset
        ``position`` (<swept>, seed, time, token, component), with ``status``, ``digest`` and ``steps_done`` a
        member, and with ``certify`` the variables of `lmdata.certify` but ``proved_exactly``. In memory without a
        store; with one, lazy, as `lmdata.open` returns it.

    Raises
    ------
    InvalidInput
        Before any work, naming the argument, its value and the remedy.
    StoreExists, RecipeMismatch, IncompleteDataset
        If ``store`` holds something else, another recipe, an unfinished run (resume it), or one without the proofs
        that are asked for.
    BackendUnavailable
        If the backend cannot run here, or no scheduler answers.
    ClusterLost
        If the cluster is lost, or a worker cannot go on; finished members are kept and the message says how to resume.
    Interrupted
        On Ctrl-C; finished members are kept and the message says how to resume.

    Examples
    --------
    >>> import lmdata
    >>> model = lmdata.Localmax(influence=0.5)
    >>> ds = lmdata.simulate(model, lmdata.tokens.uniform(16, 2), steps=20,
    ...                      sweep={"alignment_sensitivity": [0, 0.1]}, seeds=range(3))
    >>> dict(ds.sizes)
    {'alignment_sensitivity': 2, 'seed': 3, 'time': 21, 'token': 16, 'component': 2}
    >>> proved = lmdata.simulate(lmdata.Localmax(0.1), lmdata.tokens.uniform(16, 2), steps=2, certify=True)
    >>> bool(proved.certified[0]), int(proved.certified_vertex_count[0])
    (True, 4)
    """
    recipe = Recipe.of(model, tokens, steps=steps, seeds=seeds, sweep=sweep, record=record)
    means = Means(
        backend=backend, store=store, durable=durable, scheduler=scheduler, progress=progress, certify=certify
    )
    return road.run(SIMULATION, recipe, means)


class Simulation:
    """The kind of run in which tokens move; see `lmdata.runs.road.Kind`."""

    def read(self, specification: Any, *, initial: NDArray[np.float64] | None = None) -> Recipe:
        """Return the recipe of a specification."""
        return Recipe.from_specification(specification, initial=initial)

    def check(self, recipe: Recipe, means: Means) -> None:
        """Check backend and scheduler, and that there is something to be proved, if that is asked for."""
        if means.certify:
            check_provable(recipe)
        n, d = recipe.tokens.shape
        choose(means.backend, kind=recipe.model.kind, members=recipe.size, tokens=n, components=d)
        if means.scheduler is not None:
            checked(means.scheduler)

    def prepare(self, recipe: Recipe, means: Means, layout: Layout | None = None) -> Simulating:
        """Choose the kernel, draw the tokens, and check all models and sizes."""
        if layout is not None:
            return Simulating(Runner.of(recipe, means.backend, means.progress, layout.diagnostics), layout, means)
        if means.store is not None:
            _check_returns(recipe)
        check_size(recipe, means.store)
        if means.certify:
            check_provable(recipe)
        runner = Runner.of(recipe, means.backend, means.progress)
        layout = _layout(runner)
        if means.certify:
            layout = replace(layout, certificates=proved(recipe))
        return Simulating(runner, layout if means.scheduler is None else _spread_out(layout, runner.most), means)


SIMULATION = Simulation()


@dataclass(frozen=True)
class Simulating:
    """A simulation that is ready to be computed; see `lmdata.runs.road.Work`."""

    runner: Runner
    layout: Layout
    means: Means

    def __call__(self, blocks: Iterable[Sequence[int]], sink: Sink) -> None:
        """Compute members in this process."""
        self.runner(blocks, sink)

    @contextmanager
    def computing(self) -> Iterator[road.Compute]:
        """Yield what computes the members that a store lacks: this process, or the workers of a cluster."""
        if self.means.scheduler is None:
            yield lambda store: self.runner(store.pending(), store)
            return
        from lmdata.runs.code import Code
        from lmdata.runs.scaling import check_workers, scale_out

        with connected(self.means.scheduler) as client:
            check_workers(client, Code.here(self.runner.recipe.model, self.runner.recipe.tokens))
            yield lambda store: scale_out(self.runner, store, client)


def _check_returns(recipe: Recipe) -> None:
    """Refuse what could not be resumed: a recipe that its own specification would not give back."""
    initial = recipe.initial
    read: Callable[[Any], Any] = functools.partial(source_from_specification, values=initial)
    array = "give its tokens as an array (lmdata.tokens.array)"
    check_returns(recipe.model, model_from_specification, what="the model", otherwise="leave out store")
    check_returns(recipe.tokens, read, what="the token source", otherwise=array)


def _layout(runner: Runner) -> Layout:
    from lmdata.data.layout import Layout

    recipe = runner.recipe
    n, d = recipe.tokens.shape
    others = [name for name in runner.diagnostics if name not in of_data()]
    return Layout(
        swept=recipe.sweep,
        seeds=recipe.seeds,
        time=recipe.model.times(recipe.recorded),
        time_unit=recipe.model.time_unit,
        labels=recipe.tokens.labels,
        tokens=n,
        components=d,
        dtype=recipe.dtype,
        diagnostics=runner.diagnostics,
        attrs={
            **road.attributes(recipe, backend=str(runner.choice), made="simulated"),
            **({"diagnostics": canonical_json(others)} if others else {}),
        },
    )


def _spread_out(layout: Layout, members: int) -> Layout:
    """Return the layout with about so many members in a storage chunk, if it has more: no two workers share one."""
    from lmdata.data.grid import chunk_of

    if math.prod(layout.chunk[:-1]) <= members:
        return layout
    return replace(layout, chunk=(*chunk_of(layout.shape, members), layout.chunk[-1]))
