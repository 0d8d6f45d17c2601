# %% [markdown]
"""With V = diag(1, 1, -1/2): a polygon in the plane of eigenvalue 1, times a line (arXiv 2305.05465)."""

# %%
import lmdata

# %%
end = lmdata.subspace_polytope(lmdata.open("attention-polytope-line").isel(time=[0, -1])).isel(time=-1).load()
far = float(end.boundary_distance.max())

# %%
print(f"corners of the polygon: {end.corner_count.values.tolist()}, of 20 tokens")
print(f"dimensions along which the tokens of a corner differ: {end.subspace_dimension.values.tolist()}")
print(f"largest distance of a token from boundary or origin, in the plane: {far:.1e} (tolerance 1e-2)")
assert far < 1e-2
assert (end.corner_count < 20).all()
assert (end.subspace_dimension == 1).all()
