"""Whatever xarray does to a dataset first, a measure is right, of its positions and true parameters, or refuses.

The truth rides along as data variables, out of reach of labels and of what arithmetic does to them: the sensitivity,
influence, step, token and component that each number really has.
"""

from __future__ import annotations

import tempfile
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lmdata
from lmdata.analysis.lyapunov import energies
from lmdata.analysis.polytope import limit_sets
from lmdata.analysis.quiescent import closed_sets
from lmdata.dynamics.models import Softmax
from lmdata.errors import InvalidInput

A = np.array([[2.0, 0.5], [0.5, 1.0]])
TRUTH = ("true_delta", "true_influence", "true_beta", "true_step", "true_token", "true_component")
CORE = ("time", "token", "component")


def with_truth(ds, model):
    """Return the dataset with the truth beside the positions, as data variables."""
    frames = xr.DataArray(np.arange(ds.sizes["time"]), dims="time")
    steps = xr.DataArray(ds["time"].values.astype(float), dims="time")
    grid = xr.zeros_like(ds["position"].isel(token=0, component=0, drop=True)).reset_coords(drop=True)

    def own(name):
        swept = ds[name].drop_vars(ds[name].coords) if name in ds.coords else getattr(model, name, np.nan)
        return swept

    delta = own("alignment_sensitivity")
    if hasattr(delta, "values") and not isinstance(delta, xr.DataArray):
        values = delta.values(len(delta.sequence) if hasattr(delta, "sequence") else 100)
        delta = xr.DataArray(values[np.minimum(steps.astype(int), len(values) - 1)], dims="time")
    assert frames.size == steps.size
    truth = {
        "true_delta": grid + delta,
        "true_influence": grid + own("influence"),
        "true_beta": grid + own("inverse_temperature"),
        "true_step": grid + steps,
        "true_token": ("token", np.arange(float(ds.sizes["token"]))),
        "true_component": ("component", np.arange(float(ds.sizes["component"]))),
    }
    return ds.assign(truth)


def run(model, *, n=5, d=2, steps=4, **settings):
    return with_truth(lmdata.simulate(model, lmdata.tokens.uniform(n, d), steps=steps, **settings), model)


BASES = (
    *("grid", "schedule", "explicit", "single", "softmax", "runs of one model", "runs of two influences"),
    *("runs by influence", "localmax and softmax", "one after the other", "a run and its sweep"),
)


@cache
def bases():
    """Return the datasets that chains begin from, by their names in `BASES`."""
    localmax, schedules = lmdata.Localmax, lmdata.schedules
    grid = {"alignment_sensitivity": [0.05, 0.4], "influence": [0.5, 2.0]}
    one, two = localmax(0.2, influence=0.5), localmax(0.2, influence=2.0)
    soft = Softmax(inverse_temperature=3.0, causal=True)
    alone = run(localmax([0.0, 0.2, 0.3, 0.5]), seeds=range(2))
    return {
        "grid": run(localmax(alignment=A), seeds=range(2), sweep=grid),
        "schedule": run(
            localmax(schedules.Geometric(1.0, 0.6), alignment=A),
            steps=7,
            record=2,
            seeds=range(2),
            sweep={"influence": [0.5, 1.0]},
        ),
        "explicit": alone,
        "single": run(localmax(0.3, alignment=A)),
        "softmax": run(soft, seeds=range(2), sweep={"inverse_temperature": [1.0, 4.0]}),
        "runs of one model": xr.concat([alone, alone.assign_coords(seed=[7, 8])], dim="seed"),
        "runs of two influences": xr.concat([run(one), run(two)], dim="run"),
        "runs by influence": xr.concat([run(one), run(two)], dim=pd.Index([0.5, 2.0], name="influence")),
        "localmax and softmax": xr.concat([run(one), run(soft)], dim="run"),
        "one after the other": xr.concat([run(one), run(two)], dim="time"),
        "a run and its sweep": xr.concat(
            [run(localmax(), sweep={"influence": [0.5]}), run(localmax(), sweep={"influence": [2.0]})], dim="influence"
        ),
    }


# what people do with a dataset: each takes a dataset and a generator of choices


def members(ds):
    return [dim for dim in ds["position"].dims if dim not in CORE]


def pick(random, items):
    items = list(items)
    return items[random.integers(len(items))]


def some(ds, random):
    """Return an indexer of a random dimension: a number, a list with repeats, a slice either way."""
    dim = pick(random, ds["position"].dims if random.random() < 0.3 else [*members(ds), "time"])
    size = ds.sizes[dim]
    kinds = [
        int(random.integers(size)),
        random.integers(size, size=random.integers(1, size + 1)).tolist(),
        np.sort(random.permutation(size)[: random.integers(1, size + 1)]).tolist(),
        random.permutation(size).tolist(),
        slice(None, None, -1),
        slice(int(random.integers(size)), None),
        slice(0, None, 2),
    ]
    return {dim: pick(random, kinds)}


def isel(ds, random):
    return ds.isel(some(ds, random), drop=bool(random.integers(2)))


def sel(ds, random):
    dim = pick(random, [*members(ds), "time"])
    value = pick(random, ds[dim].values.tolist())
    if random.random() < 0.5:
        return ds.sel({dim: value}, drop=bool(random.integers(2)))
    return ds.sel({dim: [value]})


def squeeze(ds, random):
    return ds.squeeze(drop=bool(random.integers(2)))


def drop_vars(ds, random):
    return ds.drop_vars(pick(random, ds.coords))


def rename(ds, random):
    name = pick(random, [name for name in ds.coords if name not in CORE])
    return ds.rename({name: f"{name}_renamed"})


def transpose(ds, random):
    return ds.transpose(*random.permutation(list(ds.dims)).tolist())


def concat_parts(ds, random):
    dim = pick(random, [*members(ds), "time", "token"])
    cut = int(random.integers(1, ds.sizes[dim]))
    parts = [ds.isel({dim: slice(0, cut)}), ds.isel({dim: slice(cut, None)})]
    return xr.concat(parts if random.random() < 0.7 else parts[::-1], dim=dim)


def concat_again(ds, random):
    other = ds.isel(some(ds, random))
    return xr.concat([ds, other], dim=pick(random, ["again", *members(ds), "time"]))


def where(ds, random):
    dim = pick(random, ds["position"].dims)
    least = xr.DataArray(np.arange(ds.sizes[dim]) >= random.integers(ds.sizes[dim] + 1), dims=dim)
    kept = ds[list(TRUTH)]
    if random.random() < 0.4:
        return ds.where(least, drop=True)
    return ds.where(least).assign(kept)


def coarsen(ds, random):
    dim = pick(random, [*members(ds), "time"])
    return ds.drop_vars("digest", errors="ignore").coarsen({dim: int(random.integers(2, 4))}, boundary="trim").mean()


def average(ds, random):
    return ds.mean(pick(random, [*members(ds), "time"]))


def interp(ds, random):
    return ds.interp(time=ds["time"].values[:-1] + 0.5)


def pad(ds, random):
    return ds.pad({pick(random, [*members(ds), "time"]): (0, 1)})


def reindex(ds, random):
    dim = pick(random, [*members(ds), "time"])
    return ds.reindex({dim: [*ds[dim].values.tolist(), 99]})


def sortby(ds, random):
    return ds.sortby(pick(random, [*members(ds), "time"]), ascending=bool(random.integers(2)))


def assign_coords(ds, random):
    dim = pick(random, [*members(ds), "time", "time", "token", "component"])
    column = ds[dim].values
    new = [
        lambda: column * 2,
        lambda: column - 5,
        lambda: column[::-1],
        lambda: column.astype(float) / 100,
        lambda: np.array([f"{value} %" for value in column]),
        lambda: np.zeros(len(column)),
        lambda: random.permutation(column),
    ]
    return ds.assign_coords({dim: (dim, pick(random, new)())})


def foreign_label(ds, random):
    return ds.assign_coords(influence=0.7, alignment_sensitivity=0.9, inverse_temperature=50.0)


def stack(ds, random):
    dims = random.permutation(members(ds)).tolist()
    return ds.stack(point=dims)


def unstack(ds, random):
    return ds.unstack()


def expand_dims(ds, random):
    return ds.expand_dims(pick(random, [{"extra": 1}, {"extra": 2}, {"influence": [9.0]}, {"seed": [3]}]))


def arithmetic(ds, random):
    """Compute with positions: their numbers are others then, and the parameters of their members what they were."""
    acts = [lambda d: 2 * d, lambda d: d + 1, abs, lambda d: d - d.isel(time=0, drop=True), lambda d: d - d]
    bare = ds.drop_vars(TRUTH)
    return pick(random, acts)(bare).assign(ds[list(TRUTH)])


def rolling(ds, random):
    """Average frames under their own labels: positions of which no attribute and no coordinate says so."""
    return ds.drop_vars(TRUTH).rolling(time=2, min_periods=1).mean().assign(ds[list(TRUTH)])


def thin(ds, random):
    dim = pick(random, [*members(ds), "time"])
    return pick(random, [ds.thin, ds.head, ds.tail])({dim: 2})


def rename_dims(ds, random):
    """Take a dimension's labels from it, or give it those of another coordinate."""
    dim = pick(random, members(ds))
    return ds.reset_index(dim) if random.random() < 0.5 else ds.rename_dims({dim: f"{dim}_renamed"})


def difference(ds, random):
    """Take differences between neighbours, under the labels of the later ones."""
    dim = pick(random, [*members(ds), "time"])
    return ds.drop_vars(TRUTH).diff(dim).assign(ds[list(TRUTH)].isel({dim: slice(1, None)}))


def combine(ds, random):
    dim = pick(random, [*members(ds), "time"])
    cut = int(random.integers(1, ds.sizes[dim]))
    parts = [ds.isel({dim: slice(cut, None)}), ds.isel({dim: slice(0, cut)})]
    return xr.combine_by_coords(parts, combine_attrs=pick(random, ["drop", "override", "no_conflicts"]))


def drop_sel(ds, random):
    dim = pick(random, ["token", *members(ds), "time"])
    return ds.drop_sel({dim: [pick(random, ds[dim].values.tolist())]})


def keep(ds, random):
    """Keep variables by name, and what rides along with them."""
    return ds[["position", *TRUTH]]


def reset(ds, random):
    return ds.reset_coords(drop=bool(random.integers(2)))


def chunk(ds, random):
    return ds.chunk({dim: int(random.integers(1, 4)) for dim in [*members(ds), "time"]})


def to_zarr(ds, random):
    with tempfile.TemporaryDirectory() as folder:
        ds.to_zarr(f"{folder}/data", consolidated=False)
        return xr.open_dataset(f"{folder}/data").load()


def float32(ds, random):
    return ds.assign(position=ds["position"].astype(np.float32))


ACTS = (
    *(isel, isel, isel, sel, sel, squeeze, drop_vars, rename, transpose, concat_parts, concat_again, where, coarsen),
    *(
        average,
        interp,
        pad,
        reindex,
        sortby,
        assign_coords,
        assign_coords,
        foreign_label,
        stack,
        unstack,
        expand_dims,
        to_zarr,
    ),
    *(thin, rename_dims, difference, combine, drop_sel, keep, arithmetic, rolling, reset, chunk, float32),
)


# the same numbers by hand, from arrays in the order of the data


def neighbourhoods(state, delta, matrix):
    """Return C, and whether any decision is too near to a tie to be told by another order of sums."""
    scores = state @ matrix @ state.T
    gap = scores - (scores.max(axis=1, keepdims=True) - delta)
    return gap >= 0, bool((np.abs(gap[gap != 0]) < 1e-5 * max(1.0, np.abs(scores).max())).any())


class Truth:
    """Arrays of what a dataset holds: positions (..., t, n, d) and the true parameters of each member and frame."""

    def __init__(self, ds, base):
        self.dims = [dim for dim in ds["position"].dims if dim not in CORE]
        grid = xr.zeros_like(ds["position"].isel(token=0, component=0, drop=True)).reset_coords(drop=True).fillna(0)
        self.grid = grid
        self.position = ds["position"].transpose(*self.dims, *CORE).values.astype(np.float64)

        def broadcast(name):
            copies = {dim: 0 for dim in ("token", "component") if dim in ds[name].dims}  # of a concatenation along them
            return (grid + ds[name].isel(copies).reset_coords(drop=True)).transpose(*self.dims, "time").values

        self.delta, self.influence = broadcast("true_delta"), broadcast("true_influence")
        self.beta, self.step = broadcast("true_beta"), broadcast("true_step")
        self.token, self.component = (
            ds[f"true_{dim}"].isel({other: 0 for other in ds[f"true_{dim}"].dims if other != dim}).values
            for dim in ("token", "component")
        )
        whole = self.component.astype(int)
        softmax = base == "softmax"
        self.matrix = A[np.ix_(whole, whole)] if base in ("grid", "schedule", "single") else np.eye(len(whole))
        self.softmax = softmax

    def expected(self, name):
        """Return what a variable should be, by hand; NaN where it cannot be told."""
        return getattr(self, f"_{name}")()

    def _frames(self, function, shape, dtype=float):
        found = np.full((*self.position.shape[:-2], *shape), np.nan)
        for place in np.ndindex(self.position.shape[:-2]):
            state = self.position[place]
            if np.isfinite(state).all():
                found[place] = function(state, place)
        return found

    def _neighbour_count(self):
        def count(state, place):
            graph, tie = neighbourhoods(state, self.delta[place], self.matrix)
            return np.full(len(state), np.nan) if tie else graph.sum(axis=1)

        return self._frames(count, self.position.shape[-2:-1])

    def _leader(self):
        def own(state, place):
            graph, tie = neighbourhoods(state, self.delta[place], self.matrix)
            return np.full(len(state), np.nan) if tie else graph.diagonal()

        return self._frames(own, self.position.shape[-2:-1])

    def _attention(self):
        def weights(state, place):
            if not self.softmax:
                graph, tie = neighbourhoods(state, self.delta[place], self.matrix)
                return np.full(graph.shape, np.nan) if tie else graph / graph.sum(axis=1, keepdims=True)
            scores = self.beta[place] * state @ state.T
            scores[self.token[None, :] > self.token[:, None]] = -np.inf
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            return powers / powers.sum(axis=1, keepdims=True)

        return self._frames(weights, 2 * self.position.shape[-2:-1])

    def _row_sum(self):
        return np.where(np.isfinite(self.position).all(axis=-1), 1.0, np.nan)

    def _width(self):
        return self._frames(lambda state, _: np.ptp(state, axis=0).max(), ())

    def _hull_volume(self):
        if self.position.shape[-1] != 2:
            return np.full(self.position.shape[:-2], np.nan)
        from scipy.spatial import ConvexHull, QhullError

        def area(state, _):
            try:
                return ConvexHull(state).volume
            except QhullError:
                return np.nan

        size = self._frames(area, ())
        first = np.argmin(self.step, axis=-1)[..., None]
        with np.errstate(all="ignore"):
            return size / np.take_along_axis(size, first, axis=-1)

    def _rate_expected(self):
        return 1 / (1 + self.influence)

    def _displacement(self):
        move = np.sqrt((np.diff(self.position, axis=-3) ** 2).sum(axis=-1)).max(axis=-1)
        return np.concatenate([np.full((*move.shape[:-1], 1), np.nan), move], axis=-1)

    def _over_time(self, function):
        """Apply a kernel of the library to members in the order of their steps, with the true parameters."""
        order = np.argsort(self.step, axis=-1)
        if not (np.diff(np.take_along_axis(self.step, order, -1), axis=-1) > 0).all():
            return None
        position = np.take_along_axis(self.position, order[..., None, None], axis=-3)
        delta = np.take_along_axis(self.delta, order, axis=-1)
        return function(position, delta, np.sort(self.step, axis=-1), np.argsort(order, axis=-1))

    def _energy(self):
        def value(position, delta, _, back):
            found = energies(position, delta[..., 0], alignment=self.matrix)[0]
            return np.take_along_axis(found, back, axis=-1)

        return self._over_time(value)

    def _vertex_count(self):
        def value(position, delta, *_):
            return limit_sets(position[..., -1, :, :], position[..., 0, :, :], delta[..., -1]).vertex_count

        return self._over_time(value)

    def _entry_time(self):
        def value(position, delta, step, _):
            vertex = limit_sets(
                position[..., -1, :, :], position[..., 0, :, :], delta[..., -1], alignment=self.matrix
            ).token_vertex
            times = step.reshape(-1, step.shape[-1])[0]
            return closed_sets(position, delta, vertex, times, alignment=self.matrix).entry_time

        return self._over_time(value)


MEASURES = {
    "neighbour_count": (lambda ds: lmdata.interaction(ds).neighbour_count, ("time", "token")),
    "leader": (lambda ds: lmdata.leaders(ds), ("time", "token")),
    "attention": (lambda ds: lmdata.analysis.attention(ds), ("time", "token", "key")),
    "row_sum": (lambda ds: lmdata.analysis.attention_statistics(ds).row_sum, ("time", "token")),
    "hull_volume": (lambda ds: lmdata.hull_volume(ds), ("time",)),
    "displacement": (lambda ds: lmdata.convergence(ds).displacement, ("time",)),
    "rate_expected": (lambda ds: lmdata.convergence(ds).rate_expected, ()),
    "energy": (lambda ds: lmdata.lyapunov(ds).energy, ("time",)),
    "vertex_count": (lambda ds: lmdata.limit_polytope(ds).vertex_count, ()),
    "entry_time": (lambda ds: lmdata.quiescent_sets(ds).entry_time, ("token",)),
}


def compare(name, ds, base):
    """Return "refused" or "equal"; raise where a measure gives another number, or another error than its own."""
    measure, core = MEASURES[name]
    try:
        found = measure(ds).compute(scheduler="synchronous")
    except InvalidInput:
        return "refused"
    truth = Truth(ds, base)
    expected = truth.expected(name)
    assert expected is not None, "frames that are no sequence were followed over time"
    if name == "rate_expected":
        found = (found.reset_coords(drop=True) + truth.grid).transpose(*truth.dims, "time")
    else:
        found = found.transpose(*truth.dims, *core)
    known = np.isfinite(expected)
    values = found.values.astype(float)
    assert values.shape == expected.shape
    np.testing.assert_allclose(values[known], expected[known], rtol=1e-6, atol=1e-9, err_msg=name)
    absent = ~np.isfinite(truth.position).all(axis=(-2, -1)) if "time" in core else None
    if absent is not None and values.dtype.kind == "f" and name not in ("leader", "displacement"):
        there = values[absent]
        assert (np.isnan(there) | (there == -1)).all(), "a number where nothing was"
    return "equal"


def follow(base, acts, seed):
    """Return a dataset after a chain of manipulations; one that xarray refuses is left out."""
    random = np.random.default_rng(seed)
    ds = bases()[base]
    for act in acts:
        try:
            changed = act(ds, random)
            assert all(name in changed for name in TRUTH)
        except Exception:  # what xarray does not do, or would lose the truth, is no subject here
            continue
        ds = changed
    return ds


chains = {
    "base": st.sampled_from(BASES),
    "acts": st.lists(st.sampled_from(ACTS), min_size=1, max_size=5),
    "seed": st.integers(0, 2**32 - 1),
}  # fmt: skip


def check(base, acts, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = follow(base, acts, seed)
        return [compare(name, ds, base) for name in MEASURES]


SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@given(**chains)
@settings(max_examples=20, **SETTINGS)
def test_a_measure_is_right_or_refuses(base, acts, seed):
    check(base, acts, seed)


@pytest.mark.long
@pytest.mark.parametrize("base", BASES)
@given(acts=chains["acts"], seed=chains["seed"])
@settings(max_examples=2000 // len(BASES) + 1, **SETTINGS)
def test_a_measure_is_right_or_refuses_after_two_thousand_chains(base, acts, seed):
    check(base, acts, seed)
