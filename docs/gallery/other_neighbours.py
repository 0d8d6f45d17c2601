# %% [markdown]
"""Whom else a token may attend to: the near and few (arXiv 2602.11534), others only, the most opposed (2508.09628)."""

# %%
import numpy as np

import lmdata

# %% [markdown]
# Krause attention: among the 8 nearest tokens, local clusters; among all of them, one once the bandwidth is wide.

# %%
runs = {"square": lmdata.open("krause-transformer-square"), "all": lmdata.open("krause-transformer-all")}
counts = {name: lmdata.cluster_counts(ds).cluster_count.isel(time=-1).load() for name, ds in runs.items()}
for bandwidth in counts["all"].bandwidth.values:
    few, every = (counts[name].sel(bandwidth=bandwidth) for name in ("square", "all"))
    print(f"bandwidth {bandwidth:g}: {float(few.mean()):.1f} clusters among the nearest 8, {float(every.mean()):.1f} "
          "among all (means of 20 seeds at step 200)")  # fmt: skip
assert (counts["all"].sel(bandwidth=2.0) == 1).all()
assert (counts["square"].sel(bandwidth=2.0) >= 2).mean() > 0.9

# %% [markdown]
# Hardmax without oneself: nobody is a leader. Vertices move too, until each token shares its place with another.


# %%
def at_rest(ds):
    """Return how many tokens the first step has not moved, over all seeds."""
    x = ds.position
    return int((x.isel(time=1) == x.isel(time=0)).all("component").sum())


x = lmdata.open("hardmax-others").position.isel(time=-1).load()
gaps = np.sqrt(((x - x.rename(token="other")) ** 2).sum("component")).values + np.diag(np.full(16, np.inf))
apart = float(gaps.min(axis=-1).max())
with_oneself, without = at_rest(lmdata.open("hardmax-uniform-square")), at_rest(lmdata.open("hardmax-others"))
print(f"at rest at the first step: {with_oneself} of 320 tokens with oneself, {without} without")
print(f"in the end each has another within {apart:.1e}")
assert without == 0 < with_oneself
assert apart < 1e-9

# %% [markdown]
# Steps of Frank and Wolfe: with A = -I every token goes part of the way to the one most opposed to it.

# %%
x = lmdata.open("frank-wolfe-square").position.load()
extent = float((x.isel(time=-1).max("token") - x.isel(time=-1).min("token")).max())
largest = ((x**2).sum("component") / 2).max("token")
rise = float(largest.diff("time").max())
print(f"one cluster within {extent:.0e} for all seeds; the largest energy rises by {max(rise, 0):.0e}")
away = np.sqrt(2 * largest.isel(time=-1))
for influence, distance in zip(x.influence.values, away.mean("seed").values, strict=True):
    print(f"  influence {influence:g}: the cluster lies {distance:.4f} from the origin (mean of 20 seeds)")
assert extent < 1e-12
assert rise <= 1e-15
assert float(away.min()) > 1e-5, "near the origin, which has the least energy, and not at it"
