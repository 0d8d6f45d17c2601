# %% [markdown]
"""Hardmax tokens settle in the dominance cell of the vertex that they approach (arXiv 2508.09628)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import dominance_cells, limit_polytope

# %%
ds = lmdata.open("hardmax-uniform-square")
limit = limit_polytope(ds).load()
stayed, settled = 0, 0
for seed in range(ds.sizes["seed"]):
    one, end = ds.isel(seed=[seed]), limit.isel(seed=seed)
    vertices = end.vertex_position.values[: int(end.vertex_count)]
    cell = dominance_cells(one, vertices).isel(seed=0).values
    at = end.token_vertex.values >= 0
    settled += int(at.sum())
    stayed += int((cell[-1] == end.token_vertex.values)[at].sum())
print(f"{stayed} of the {settled} tokens at a vertex lie in that vertex's cell in the end (all)")
assert stayed == settled
assert np.isfinite(vertices).all()
