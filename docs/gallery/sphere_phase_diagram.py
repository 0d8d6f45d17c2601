# %% [markdown]
"""Clustering on the sphere over (t, beta), and the curve that it follows in high dimension (arXiv 2312.10794)."""

# %%
import numpy as np
import xarray as xr

import lmdata
from lmdata.analysis import equiangular_alignment, pair_alignment

# %% [markdown]
# The phase diagram over (t, beta).

# %%
share = pair_alignment(lmdata.open("sphere-temperatures")).mean("seed").load()
print("share of clustered pairs (rows: beta; columns: t = 0, 10, 20, 30)")
for beta in share.inverse_temperature:
    row = share.sel(inverse_temperature=beta, time=[0, 10, 20, 30])
    print(f"  beta = {float(beta):4.1f}  " + "  ".join(f"{value:.2f}" for value in row.values))
assert (np.diff(share.isel(time=-1)) <= 0.02).all(), "colder systems cluster later"
assert float(share.sel(inverse_temperature=1, time=30)) > 0.99

# %% [markdown]
# High dimension: the curve of the equiangular solution.

# %%
x = lmdata.open("sphere-high-dimension").position.load()
n = x.sizes["token"]
mean = (xr.dot(x, x.rename(token="other"), dim="component").sum(("token", "other")) - n) / (n * (n - 1))
for beta in mean.inverse_temperature.values:
    curve = equiangular_alignment(mean.time.values, float(beta), tokens=n)
    off = float(abs(mean.sel(inverse_temperature=beta) - curve).max())
    print(f"d = 512, beta = {beta:g}: mean cosine within {off:.3f} of the equiangular solution (tolerance 0.15)")
    assert off < 0.15
