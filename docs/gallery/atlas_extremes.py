# %% [markdown]
"""Extreme small systems: where a larger sensitivity regains most vertices, and where transients last longest."""

# %%
from fractions import Fraction

import numpy as np

import lmdata

# %% [markdown]
# 400 systems of six tokens in the plane with coordinates k / 16, so that they can be written down.

# %%
tokens = np.random.default_rng(12).integers(-16, 17, (400, 6, 2)) / 16
ds = lmdata.atlas(lmdata.Localmax(), tokens, seeds=range(400), resolution=1e-5, limits=False)
pieces = lmdata.breakpoints(ds, "vertex_count")
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
wide = ds.sensitivity_to.values - ds.sensitivity_from.values > 1e-7
frozen = np.where(ds.certified.values & (ds.outcome.values == 1) & wide, ds.frozen_from.values, -1)
place = int(frozen.argmax())
system = tokens[int(ds.interval_seed[place])]
low, high = float(ds.sensitivity_from[place]), float(ds.sensitivity_to[place])
print(f"neighbourhoods still change at step {frozen[place]} for delta in [{low:.9g}, {high:.9g}):\n  {written(system)}")
assert frozen[place] >= 10
check = lmdata.certify(lmdata.simulate(lmdata.Localmax((low + high) / 2), system, steps=0), exact=True)
print(f"in rational arithmetic: {'proved' if bool(check.proved_exactly[0]) else 'decided by rounding'}")
assert int(check.frozen_from[0]) == frozen[place]
assert check.proved_exactly[0]
