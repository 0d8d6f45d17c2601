# %% [markdown]
"""Tokens of an open half-space gather at one point; Wendel knew in 1962 how many starts are in one (2312.10794)."""

# %%
from math import comb, sqrt

import lmdata

# %%
ds = lmdata.open("hemisphere-tokens")
margin = lmdata.cone_margin(ds).load()
inside = margin.isel(time=0) > 0
n, d, seeds = ds.sizes["token"], ds.sizes["component"], ds.sizes["seed"]
wendel = sum(comb(n - 1, k) for k in range(d)) / 2 ** (n - 1)
share, error = float(inside.mean()), sqrt(wendel * (1 - wendel) / seeds)
order = lmdata.order_parameter(ds).isel(time=-1)
print(f"in an open half-space: {share:.3f} of {seeds} starts; Wendel: {wendel:.6f} +- {error:.3f}")
print(f"order parameter at the end, least over those: {float(order.where(inside).min()):.12f}")
assert abs(share - wendel) < 3 * error
assert (margin.diff("time").where(inside) > 0).all(dim="time").where(inside, True).all(), "the cone only narrows"
assert float(order.where(inside).min()) > 1 - 1e-12
