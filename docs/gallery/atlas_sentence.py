# %% [markdown]
"""How many trajectories a sentence has: the whole sensitivity axis of a film review of 62 words."""

# %%
import numpy as np

import lmdata

ds = lmdata.open("atlas-film-review").load()
proved = ds.certified.values
print(
    f"{ds.sizes['token']} words in {ds.sizes['component']} components: {proved.sum():,} intervals with a proved limit,"
)
print(f"on {ds.attrs['proved_share']:.1%} of the axis; the rest holds intervals narrower than 0.1 % of it")
assert proved.sum() > 1000

# %% [markdown]
# One interval, one trajectory: what the words gather in, along the axis.

# %%
low, high = ds.sensitivity_from.values, ds.sensitivity_to.values
for count in np.unique(ds.vertex_count.values[proved])[::-1]:
    own = proved & (ds.vertex_count.values == count)
    begin, end = low[own].min(), min(high[own].max(), low[-1])
    print(f"  {count} vertices: {own.sum()} intervals between delta = {begin:.4f} and {end:.4f}")
assert ds.vertex_count.values[-1] == 1
