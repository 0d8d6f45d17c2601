# %% [markdown]
"""How the limit depends on the sensitivity, for every sensitivity at once (after arXiv 2509.15958)."""

# %%
import numpy as np

import lmdata
from lmdata import view

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
where = np.concatenate([b[1:][k[1:] & k[:-1] & (np.diff(c) > 0)] for b, _, c, k in map(of_start, ds.seed.values)])
print("  of these rises 10, 50 and 90 % lie below delta =", *(f"{q:.3g}" for q in np.quantile(where, [0.1, 0.5, 0.9])))

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
nonempty = lmdata.breakpoints(ds, (ds.s2_size > 0).astype(int).rename("s2_nonempty"))
lengths = (nonempty.sensitivity_to - nonempty.sensitivity_from).values[(nonempty.value == 1).values]
print(f"  on {len(lengths):,} stretches: half are shorter than {np.median(lengths):.2g},", end=" ")
print(f"the longest is {lengths.max():.3f}")

# %% [markdown]
# From which sensitivity on all agree, against the bound D^2 / 2 of the vertex gap (D the diameter of the start).

# %%
found, bound = [], []
for number, seed in enumerate(ds.seed.values):
    _, ends, count, known = of_start(seed)
    found.append(ends[(count != 1) | ~known][-1])
    tokens = ds.initial_position.values[number]
    bound.append(((tokens[:, None] - tokens[None]) ** 2).sum(axis=-1).max() / 2)
ratio = np.array(found) / np.array(bound)
print(f"consensus from {np.min(ratio):.2f} to {np.max(ratio):.2f} of the bound on, {np.mean(ratio):.2f} on average")
assert np.max(ratio) < 1.0, "the bound is one"

# %% [markdown]
# The number of vertices, and of tokens at none, over the axis: the share of the starts that has each.

# %%
figures = {
    "atlas-vertices": view.sensitivity_shares(ds),
    "atlas-s2": view.sensitivity_shares(ds, of="s2_size", since=0.02),
    "atlas-consensus": view.curves(
        {"starts": (bound, found)},
        title="From where on all agree",
        note="200 starts; the bound of the vertex gap is D²/2",
        x="D²/2 of the start",
        y="sensitivity from which all agree",
        dots=True,
    ),
}
figures["atlas-vertices"]
