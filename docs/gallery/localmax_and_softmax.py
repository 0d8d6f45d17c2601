# %% [markdown]
"""Localmax lies between hardmax and the mean, as softmax does, but meets softmax at these two ends alone."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import transport_distance

localmax, softmax = lmdata.open("localmax-grid"), lmdata.open("softmax-grid")
far = transport_distance(localmax, softmax).load()

# %% [markdown]
# Which temperature is nearest to each sensitivity, after 40 steps: means of 20 seeds, with three standard errors.

# %%
after = far.sel(time=40)
mean, error = after.mean("seed"), 3 * after.std("seed", ddof=1) / np.sqrt(after.sizes["seed"])
nearest = mean.idxmin("inverse_temperature")
for delta in mean.alignment_sensitivity.values:
    beta = nearest.sel(alignment_sensitivity=delta)
    at = {"alignment_sensitivity": delta, "inverse_temperature": beta}
    print(
        f"sensitivity {delta:4g}: nearest at beta = {float(beta):4g}, {float(mean.sel(at)):.3f} +- "
        f"{float(error.sel(at)):.3f} away"
    )
for delta, beta, by_hand in ((0.05, 50, 0.162), (0.2, 10, 0.384), (0.5, 2, 0.348)):
    at = {"alignment_sensitivity": delta, "inverse_temperature": beta}
    assert nearest.sel(alignment_sensitivity=delta) == beta
    assert abs(mean.sel(at) - by_hand) < error.sel(at)
print(f"farthest: {float(mean.max()):.2f}")
assert abs(mean.max() - 1.05) < error.max()
between = mean.min("inverse_temperature").sel(alignment_sensitivity=[0.05, 0.1, 0.2, 0.35, 0.5])
assert (between > 0.15).all()
assert (mean.min("inverse_temperature").isel(alignment_sensitivity=[0, -1]) < 0.03).all()

# %% [markdown]
# Limits part for a reason: softmax gives every token some weight, so that it ends in one point at every temperature,
# if after a time that grows exponentially with beta. Localmax keeps its vertices.

# %%
width = softmax.position.isel(time=-1).std("token").max(["component", "seed"]).load()
points = lmdata.limit_polytope(localmax).vertex_count.mean("seed").load()
limit = far.isel(time=-1).mean("seed").min("inverse_temperature")
print(f"width of softmax's tokens at step 4,000, by beta: {width.values.round(3).tolist()}")
print(f"vertices of localmax's limits, by sensitivity: {points.values.tolist()}")
print(f"nearest temperature at step 4,000, by sensitivity: {limit.values.round(3).tolist()}")
assert (width.where(width.inverse_temperature <= 5, drop=True) < 1e-9).all()
assert (points.where(points.alignment_sensitivity <= 0.35, drop=True) > 1).all()
