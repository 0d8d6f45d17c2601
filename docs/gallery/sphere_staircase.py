# %% [markdown]
"""Metastable clusters: the energy climbs in stairs, and waits longer at each (arXiv 2410.06833)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import cluster_counts, energy, metastability

# %%
ds = lmdata.open("sphere-staircase")
stairs = energy(ds, inverse_temperature=30.0, relative=True).load()
count = cluster_counts(ds, reach=0.1).cluster_count.load()
merge = metastability(ds, reach=0.1).merge_time.load()

# %%
for seed in range(3):
    found = count.isel(seed=seed)
    print(f"seed {seed}: {int(found[0])} tokens, clusters at t = 50, 500, 10000: {found[[1, 10, -1]].values.tolist()}")
print(f"the energy falls at {int(stairs.against.sum())} of {count.sizes['time'] * count.sizes['seed']} stored times")
print(f"first merges below four clusters, where they come: {merge.sel(clusters=3).values.tolist()}")
assert (stairs.against == 0).all()
assert (count.isel(time=1) <= 6).all(), "the fast phase ends in a few clusters"
assert (count.isel(time=-1) > 1).all(), "which outlive the record"

# %% [markdown]
# Waits grow exponentially with the angle between the closest clusters. In time rescaled by the closest pair they are
# of order one: three tokens that merge one after another, and when two clusters of their angles would.

# %%
ds = lmdata.open("three-clusters")
found = lmdata.rescaled_time(ds).isel(seed=0).load()
cosine = found.closest_cosine.dropna("time")
jump = int(np.argmin(np.diff(cosine.values)))
ends = [float(cosine.time[place]) for place in (jump, -1)]
starts = ((np.cos(0.8), (1, 1)), (np.cos(1.6), (2, 1)))
own, rescaled = (
    [lmdata.merging_time(r, 12.0, shares=shares, rescaled=which) for r, shares in starts] for which in (False, True)
)
passed = [float(found.rescaled_time.sel(time=time)) for time in ends]
print(f"mergers at t = {ends[0]:.1f} and {ends[1]:.1f}; two clusters alone take {own[0]:.1f} and {own[1]:.1f}")
print(
    f"in rescaled time {passed[0]:.3f} and {passed[1] - passed[0]:.3f}; alone {rescaled[0]:.3f} and {rescaled[1]:.3f}"
)
np.testing.assert_allclose(ends, np.cumsum(own), rtol=0.05)
np.testing.assert_allclose(passed, np.cumsum(rescaled), rtol=0, atol=0.5 / 12)  # frames are 0.5 apart
