# %% [markdown]
"""With V = I, rescaled tokens end on the boundary of a polytope, or at the origin (arXiv 2305.05465)."""

# %%
import lmdata

# %%
end = (
    lmdata.subspace_polytope(lmdata.open("attention-polytope").isel(time=[0, -1]), tolerance=1e-6).isel(time=-1).load()
)
far = float(end.boundary_distance.max())

# %%
print(f"corners of the limit: {end.corner_count.values.tolist()}, of 20 tokens")
print(f"largest distance of a token from the boundary or the origin: {far:.1e} (tolerance 1e-6)")
assert far < 1e-6
assert (end.corner_count < 20).all()
assert (end.subspace_dimension == 0).all(), "a polytope alone"
