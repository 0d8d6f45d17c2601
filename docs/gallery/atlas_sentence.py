# %% [markdown]
"""How many different limits a sentence has: the whole sensitivity axis of a film review of 62 words."""

# %%
import numpy as np

import lmdata
from lmdata import view

ds = lmdata.open("atlas-film-review").load()
proved = ds.certified.values
print(
    f"{ds.sizes['token']} words in {ds.sizes['component']} components: {proved.sum():,} intervals with a proved limit,"
)
print(f"on {ds.attrs['proved_share']:.1%} of the axis; the rest holds intervals narrower than 0.1 % of it")
assert proved.sum() > 1000

# %% [markdown]
# Intervals with different trajectories may have one limit, up to the error of their proofs; and limits that differ may
# gather the same words. Both are counted over the proved intervals.

# %%
found = ds.atlas.distinct_limits()
limits, groupings = int(found.distinct_limit_count[0]), int(found.distinct_grouping_count[0])
largest = float(ds.limit_error.values[proved].max())
print(f"{limits:,} different limits (errors up to {largest:.0e}), {groupings:,} different groupings of the words")
assert proved.sum() >= limits >= groupings > 50
assert f"{limits:,} different limits" in lmdata.catalog.info("atlas-film-review")["description"]
assert limits == found.limit_number.values.max() + 1

# %% [markdown]
# What the words gather in, along the axis.

# %%
low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
for count in np.unique(ds.vertex_count.values[proved])[::-1]:
    own = proved & (ds.vertex_count.values == count)
    begin, end = low[own].min(), min(high[own].max(), low[-1])
    several = len(set(found.limit_number.values[own].tolist()))
    print(f"  {count} vertices: {own.sum()} intervals, {several} limits between delta = {begin:.4f} and {end:.4f}")
assert ds.vertex_count.values[-1] == 1

# %%
figures = {
    "atlas-sentence": view.sensitivity_bands(ds, since=1e-3),
    "atlas-sentence-limits": view.limits_along(ds, since=1e-3)[0],
}
figures["atlas-sentence"]
