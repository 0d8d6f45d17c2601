# %% [markdown]
"""Attention alone collapses to rank one, doubly exponentially (arXiv 2103.03404); Sinkhorn's later (2604.07925).

A layer cubes the residual, so that its logarithm about triples from layer to layer.
"""

# %%
import numpy as np

import lmdata

# %%
residual = {}
for weights in ("softmax", "sinkhorn"):
    ds = {"softmax": lmdata.open("rank-collapse-softmax"), "sinkhorn": lmdata.open("rank-collapse-sinkhorn")}[weights]
    residual[weights] = lmdata.token_rank(ds).residual.load()
    for beta in ds.inverse_temperature.values:
        row = np.exp(np.log(residual[weights].sel(inverse_temperature=beta)).mean("seed")).values
        print(f"{weights:8s} beta = {beta:3.1f}: residual by layer " + " ".join(f"{value:7.1e}" for value in row))

# %%
soft = residual["softmax"].sel(inverse_temperature=1.0)
small = (soft < 0.05) & (soft.shift(time=-1) > 1e-13)
order = (np.log(soft.shift(time=-1)) / np.log(soft)).where(small)
print(f"once it is below 0.05, its logarithm grows {float(order.mean()):.2f} times a layer (3 as it goes to 0)")
assert abs(float(order.mean()) - 3) < 0.5

# %%
later = (residual["sinkhorn"] > residual["softmax"]).isel(time=[1, 2, 3]).mean(("seed", "time"))
for beta in later.inverse_temperature.values:
    print(
        f"beta = {beta:3.1f}: Sinkhorn's residual is the larger one in {float(later.sel(inverse_temperature=beta)):.0%}"
    )
assert (later.sel(inverse_temperature=[2.0, 4.0]) == 1).all()

# %% [markdown]
# The claim is about tokens that have a direction in common, as those of trained models. Of tokens with none, uniform
# on the sphere, and queries at random, Sinkhorn's residual is the smaller one.

# %%
queries = lmdata.tokens.normal(8, 8).draw(0) / np.sqrt(8)
ends = [
    lmdata.token_rank(
        lmdata.simulate(
            lmdata.PureAttention(weights=weights, inverse_temperature=4.0, queries=queries),
            lmdata.tokens.sphere(32, 8),
            steps=3,
            seeds=range(20),
        )
    ).residual.isel(time=-1)
    for weights in ("softmax", "sinkhorn")
]
print(f"without a common direction, after 3 layers: in {float((ends[1] > ends[0]).mean()):.0%} of 20 seeds")
assert float((ends[1] > ends[0]).mean()) < 0.5
