# %% [markdown]
"""How the limit depends on the sensitivity, for every sensitivity at once (after arXiv 2509.15958)."""

# %%
import numpy as np

import lmdata

ds = lmdata.open("atlas-uniform-square").load()
starts = ds.sizes["seed"]
pieces = lmdata.breakpoints(ds, "vertex_count")
print(
    f"{starts} starts, {ds.sizes['interval']:,} intervals, limits proved on {ds.attrs['proved_share']:.5%} of the axis"
)
assert ds.attrs["proved_share"] > 0.9999


# %%
def of_start(seed):
    """Return where the number of limit vertices changes for a start, as lower ends, upper ends, numbers and known."""
    own = pieces.isel(piece=pieces.piece_seed.values == seed)
    return own.sensitivity_from.values, own.sensitivity_to.values, own.value.values, own.known.values


# %% [markdown]
# The number of limit vertices: its exact mean over the axis, with what is not proved as bounds, and its distribution.

# %%
mean = ds.atlas.mean("vertex_count")
print(
    f"mean over starts and the axis: between {float(mean.least.mean()):.4f} and {float(mean.most.mean()):.4f} vertices"
)
assert float((mean.most - mean.least).max()) < 0.05
for sensitivity in (0.01, 0.1, 0.3, 0.5, 1.0):
    there = ds.atlas.at(sensitivity)
    counts = there.vertex_count.values[there.certified.values]
    print(f"  delta = {sensitivity:g}: {counts.mean():.2f}, from {counts.min()} to {counts.max()}")

# %% [markdown]
# It is not monotone: a larger sensitivity may regain vertices.

# %%
rises = np.array([(np.diff(count[known]) > 0).sum() for _, _, count, known in map(of_start, ds.seed.values)])
often = rises.argmax()
print(f"{(rises > 0).sum()} of {starts} starts regain a vertex somewhere; start {often} does so {rises[often]} times")
assert (rises > 0).mean() > 0.5

# %% [markdown]
# The share of the axis on which some token ends at no vertex (S2 is not empty), exactly.

# %%
low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
top = np.repeat([of_start(seed)[0][-1] for seed in ds.seed.values], ds.interval_count.values)
width = (np.minimum(high, top) - np.minimum(low, top)) / top
s2 = ds.s2_size.values > 0
some = np.unique(ds.interval_seed.values[s2]).size
share = width[s2].sum() / starts
print(f"S2 is not empty on {share:.3%} of the axis up to consensus, in {some} of {starts} starts somewhere")
assert 0.005 < share < 0.2

# %% [markdown]
# From which sensitivity on all agree, against the bound D^2 / 2 of the vertex gap (D the diameter of the start).

# %%
ratio = []
for number, seed in enumerate(ds.seed.values):
    _, ends, count, known = of_start(seed)
    consensus = ends[(count != 1) | ~known][-1]
    tokens = ds.initial_position.values[number]
    ratio.append(consensus / (((tokens[:, None] - tokens[None]) ** 2).sum(axis=-1).max() / 2))
print(f"consensus from {np.min(ratio):.2f} to {np.max(ratio):.2f} of the bound on, {np.mean(ratio):.2f} on average")
assert np.max(ratio) < 1.0, "the bound is one"

# %% [markdown]
# Hardmax as the beginning of the axis: up to where the number of vertices is that of sensitivity 0.

# %%
hardmax = lmdata.simulate(
    lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=200, seeds=ds.seed.values.tolist(), record=[0, 200]
)
vertices = lmdata.limit_polytope(hardmax).vertex_count.values
until = []
for number, seed in enumerate(ds.seed.values):
    begins, _, count, known = of_start(seed)
    other = begins[known & (count != vertices[number])]
    until.append(other[0])
print(f"as many vertices as hardmax up to delta = {np.median(until):.3f} (median),", end=" ")
print(f"from {np.min(until):.1e} to {np.max(until):.2f}")
assert np.median(until) > 0.01
