# %% [markdown]
"""With two positive eigenvalues of V, tokens in space end on parallel lines, of codimension two (arXiv 2305.05465)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis.clusters import clusters

# %%
ds = lmdata.open("attention-codimension").isel(time=[0, -1])
first, last = (ds.position.isel(time=time).values for time in (0, 1))
reach = 0.01 * np.ptp(first[:, :, 0], axis=1)

# %% [markdown]
# Eigenvalues 1 and 0.6: tokens agree in both components on a few places. Eigenvalue -1/2: they all differ.


# %%
def places(tokens):
    """Return how many places, farther apart than 1 % of the first extent, each seed's tokens occupy."""
    return [int(clusters(np.ascontiguousarray(x), r).max()) + 1 for x, r in zip(tokens, reach, strict=True)]


leading, along = places(last[:, :, :2]), places(last[:, :, 2:])
print(f"places in the first two components at t = 0: {places(first[:, :, :2])}, at t = {ds.time[-1]:g}: {leading}")
print(f"places in the third at t = {ds.time[-1]:g}: {along} (all within 1 % of the first extent)")
assert min(places(first[:, :, :2])) > 3
assert max(leading) <= 3
assert min(along) > 3
