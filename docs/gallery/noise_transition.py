# %% [markdown]
"""Random value matrices about the identity, which draws tokens together: some end opposite (arXiv 2601.21942)."""

# %%
import lmdata

# %%
x = lmdata.open("noise-two-tokens").position.isel(time=-1).load()
cosine = (x.isel(token=0) * x.isel(token=1)).sum("component")
opposite = (cosine < -0.99).mean("seed")
together = (cosine > 0.99).mean("seed")
for scale in cosine.scale.values:
    shares = [float(share.sel(scale=scale)) for share in (together, opposite)]
    print(f"noise {scale:g}: {shares[0]:.3f} together, {shares[1]:.3f} opposite")
print("400 seeds: a standard error of at most 0.025")
assert float(opposite.sel(scale=0)) == 0
assert float(opposite.sel(scale=4)) > 0.1
