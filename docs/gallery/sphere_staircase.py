# %% [markdown]
"""Metastable clusters: the energy climbs in stairs, and waits longer at each (arXiv 2410.06833)."""

# %%
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
