# %% [markdown]
"""Extreme small systems: most vertices regained as the sensitivity grows, longest transients, most exits."""

# %%
from fractions import Fraction

import numpy as np

import lmdata
from lmdata import view
from lmdata.analysis.quiescent import closed_sets
from lmdata.dynamics.kernels import fused

# %% [markdown]
# 400 systems of six tokens in the plane with coordinates k / 16, so that they can be written down.

# %%
tokens = np.random.default_rng(12).integers(-16, 17, (400, 6, 2)) / 16
ds = lmdata.atlas(lmdata.Localmax(), tokens, seeds=range(400), resolution=1e-5)
pieces = lmdata.breakpoints(ds, "vertex_count")
low, high, of = ds.sensitivity_from.values, ds.sensitivity_to.values, ds.interval_seed.values
print(f"{ds.sizes['interval']:,} intervals, limits proved on {ds.attrs['proved_share']:.4%} of the axis")


# %%
def written(system):
    """Return a system's tokens as rational numbers."""
    return ", ".join(f"({Fraction(x)}, {Fraction(y)})" for x, y in system.tolist())


# %% [markdown]
# Vertices regained as the sensitivity grows.

# %%
regained = np.zeros(400, np.int64)
for seed in range(400):
    own = pieces.isel(piece=pieces.piece_seed.values == seed)
    counts = own.value.values[own.known.values]
    regained[seed] = np.maximum(np.diff(counts), 0).sum()
worst = int(regained.argmax())
print(f"{(regained > 0).mean():.0%} of the systems regain a vertex; most often, {regained[worst]} times:")
print(f"  {written(tokens[worst])}")
assert regained[worst] >= 2

# %% [markdown]
# Longest transients: the step from which no neighbourhood ever changes again, on an interval that is no accident of
# rounding.

# %%
wide = high - low > 1e-7
frozen = np.where(ds.certified.values & (ds.outcome.values == 1) & wide, ds.frozen_from.values, -1)
place = int(frozen.argmax())
system = tokens[of[place]]
begin, end = float(low[place]), float(high[place])
print(
    f"neighbourhoods still change at step {frozen[place]} for delta in [{begin:.9g}, {end:.9g}):\n  {written(system)}"
)
assert frozen[place] >= 10
check = lmdata.certify(lmdata.simulate(lmdata.Localmax((begin + end) / 2), system, steps=0), exact=True)
print(f"in rational arithmetic: {'proved' if bool(check.proved_exactly[0]) else 'decided by rounding'}")
assert int(check.frozen_from[0]) == frozen[place]
assert check.proved_exactly[0]

# %% [markdown]
# Most exits: how often a token leaves a closed set of the vertex at which it ends. On every interval wider than 0.001
# the trajectory up to its proof, after which nothing is left any more.

# %%
some = np.flatnonzero(ds.certified.values & (high - low > 1e-3) & (ds.frozen_from.values > 0))
steps = int(ds.frozen_from.values[some].max()) + 1
delta = np.repeat(low[some, None], steps, axis=1)
starts = np.ascontiguousarray(tokens[of[some]])
frames, _ = fused.advance(starts, delta, np.ones(len(some)), None, tuple(range(steps + 1)))
cluster = ds.cluster.values[some]
ends = np.where(cluster < ds.vertex_count.values[some, None], cluster, -1)
found = closed_sets(frames, low[some, None], ends, np.arange(steps + 1))
exits = found.exits.sum(axis=1)
most = int(exits.argmax())
leaver = some[most]
print(f"exits on {(exits > 0).mean():.1%} of {len(some):,} intervals; most, {exits[most]},", end=" ")
print(f"for delta in [{low[leaver]:.9g}, {high[leaver]:.9g}):\n  {written(tokens[of[leaver]])}")
assert exits[most] >= 2
rational = lmdata.certify(
    lmdata.simulate(lmdata.Localmax(float(low[leaver] + high[leaver]) / 2), tokens[of[leaver]], steps=0), exact=True
)
assert rational.proved_exactly[0]

# %% [markdown]
# The three systems, as catalogued.

# %%
chosen = [worst, int(of[place]), int(of[leaver])]
extremes = lmdata.open("atlas-extremes").load()
assert (extremes.initial_position.values == tokens[chosen]).all()
figures = {"atlas-extremes": view.sensitivity_bands(extremes)}
figures["atlas-extremes"]
