# %% [markdown]
"""Hardmax as the beginning of the sensitivity axis: up to where localmax ends as hardmax does (arXiv 2509.15958)."""

# %%
import numpy as np

import lmdata
from lmdata import view

ds = lmdata.open("atlas-hardmax").load()
seeds = ds.seed.values.tolist()
STEPS = 200
hardmax = lmdata.simulate(
    lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=STEPS, seeds=seeds, record=[0, STEPS]
).position.values[:, -1]
print(
    f"{len(seeds)} starts, {ds.sizes['interval']:,} intervals, limits proved on {ds.attrs['proved_share']:.4%} of them"
)
assert ds.attrs["proved_share"] > 0.99

# %% [markdown]
# The first interval of a record, [0, x): every sensitivity in it has hardmax's trajectory of 60 steps, to the bit.

# %%
record = lmdata.atlas(
    lmdata.Localmax(), lmdata.tokens.uniform(16, 2), seeds=seeds, steps=60, sensitivity=(0.0, 1e-3), limits=False
)
first = record.sensitivity_to.values[np.cumsum(record.interval_count.values) - record.interval_count.values]
print(f"to the bit up to delta = {np.median(first):.1e} (median), from {first.min():.1e} to {first.max():.1e}")
assert (first > 0).all()

# %% [markdown]
# In the limit: which tokens end together, and how far the limits are from hardmax's. Both are constant on an interval.

# %%
size = np.abs(ds.initial_position.values).max()
counts = ds.interval_count.values
rows = [slice(end - count, end) for end, count in zip(np.cumsum(counts), counts, strict=True)]
apart, near = [], []
for number, own in enumerate(rows):
    known, low = ds.certified.values[own], ds.sensitivity_from.values[own]
    ends, labels = hardmax[number], ds.cluster.values[own]
    together = np.linalg.norm(ends[:, None] - ends[None], axis=-1) < 1e-6
    same = (labels[:, :, None] == labels[:, None, :]) == together
    apart.append(low[known & ~same.all(axis=(1, 2))][0])
    distance = np.abs(ds.limit_position.values[own] - ends).max(axis=(1, 2))
    near.append([low[known & (distance > part * size)][0] for part in (1e-3, 1e-2, 1e-1)])
apart, near = np.array(apart), np.array(near)
print(f"the same tokens end together up to delta = {np.median(apart):.3f} (median),", end=" ")
print(f"from {apart.min():.1e} to {apart.max():.2f}")
for k, part in enumerate((0.001, 0.01, 0.1)):
    these = near[:, k]
    print(f"  within {part:g} of hardmax's limits up to {np.median(these):.2g}, {these.min():.1e} to {these.max():.2g}")
assert (np.diff(near, axis=1) >= 0).all()
assert np.median(apart) > 0.005

# %% [markdown]
# The share of the starts that still end as hardmax does.

# %%
until = {"the same tokens together": apart}
until |= {f"within {part:g}": near[:, k] for k, part in enumerate((0.001, 0.01, 0.1))}
curves = {name: (np.sort(ends), 1 - np.arange(1, len(ends) + 1) / len(ends)) for name, ends in until.items()}
figures = {
    "atlas-hardmax": view.curves(
        curves,
        title="Localmax ends as hardmax does",
        note=f"{len(seeds)} starts of 16 tokens, α = 1",
        x="alignment sensitivity δ (log scale)",
        y="share of the starts",
        logx=True,
    )
}
figures["atlas-hardmax"]
