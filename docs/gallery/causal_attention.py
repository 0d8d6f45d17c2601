# %% [markdown]
"""Under a causal mask the first token wins in the end, and parked tokens hold out for long (arXiv 2411.04990).

With positions besides, the last token comes to hold its own start and the first tokens', and loses the middle (arXiv
2605.09213, 2603.10123).
"""

# %%
import numpy as np

import lmdata

# %% [markdown]
# All tokens go to the first one, which does not move.

# %%
x = lmdata.open("causal-first-token").position.load()
away = np.sqrt(((x.isel(time=-1) - x.isel(time=0, token=0)) ** 2).sum("component")).max("token")
print(f"farthest token from the first one's start, 20 seeds: {float(away.max()):.1e} (tolerance 1e-9)")
assert float(away.max()) < 1e-9

# %% [markdown]
# Parking: how many tokens of a uniform sequence find room.

# %%
centres = lmdata.parking_centres(lmdata.open("parking-circle"), 0.5).load().isel(time=0)
for name, expected in (("strong_centre", np.pi / 0.5), ("parking_centre", 9.15)):
    count = centres[name].sum("token")
    mean, error = float(count.mean()), float(count.std(ddof=1)) / np.sqrt(count.size)
    print(f"{name}: {mean:.3f} +- {error:.3f} of 200 tokens, expected {expected:.3f}")
    assert abs(mean - expected) < 3 * np.hypot(error, 0.015 if name == "parking_centre" else 0.0)

# %% [markdown]
# Strong centres hold their places for long, and others gather at them.

# %%
ds = lmdata.open("causal-parking")
strong = lmdata.parking_centres(ds, 0.5).strong_centre.isel(time=0, drop=True).load()
x = ds.position.load()
angle = 2 * np.arcsin(np.sqrt(((x - x.isel(time=0)) ** 2).sum("component")).clip(max=2) / 2)
for time in (4, 20):
    moved = angle.sel(time=time)
    print(f"t = {time}: strong centres have moved by {float(moved.where(strong).max()):.3f} at most, others by "
          f"{float(moved.where(~strong).mean()):.3f} in the mean")  # fmt: skip
assert float(moved.where(strong).max()) < 0.01 < 0.1 < float(moved.where(~strong).mean())

# %% [markdown]
# The last token holds what is near, then the first tokens; linear theory says when.

# %%
ds = lmdata.open("alibi-retrieval")
profile = lmdata.retrieval_profile(ds).load()
mean, error = profile.mean("seed"), profile.std("seed", ddof=1) / np.sqrt(ds.sizes["seed"])
turn = lmdata.retrieval_turn(1.0, slope=1.0)
print(f"linear theory turns at t = {turn:.3f}; what the last token holds of each, by position:")
for time in (1, 2, 5, 10):
    print(f"  t = {time:2d}  " + " ".join(f"{value:5.2f}" for value in mean.sel(time=time).values))
early, late = (mean.sel(time=time).values for time in (1, 5))
assert early.argmax() == 11, "first what is near"
assert late.argmax() == 0, "then the first token"
assert (late[0] - late[1:] > 10 * error.sel(time=5).values[1:]).all(), "and the middle is lost"

# %% [markdown]
# With the weights by distance averaged the whole sequence counts, and the slope over all of it. The profile is a U
# before the critical time: the middle is lost, the first and the nearest tokens are held. Of a sequence so short all
# is held less than of an endless one, which theory is for.

# %%
ds = lmdata.open("alibi-u-shape")
n, slope = ds.sizes["token"], 0.125 * ds.sizes["token"]
profile = lmdata.retrieval_profile(ds).isel(token=slice(0, -1)).load()
turn = lmdata.retrieval_turn(1.0, slope=slope)
for time in profile.time.values[1:]:
    bins = profile.sel(time=time).coarsen(token=4, boundary="trim").mean()
    mean, error = bins.mean("seed").values, (bins.std("seed", ddof=1) / np.sqrt(ds.sizes["seed"])).values
    theory = lmdata.retrieval_theory([time], 1.0, tokens=n, slope=0.125, averaged=True)[0, :28].reshape(-1, 4).mean(1)
    print(f"t = {time / turn:.2f} of the critical time, by fours from the first token on:")
    print("  held    " + " ".join(f"{value:6.3f}" for value in mean) + f"  +- {error.max():.3f}")
    print("  theory  " + " ".join(f"{value:6.3f}" for value in theory))
    if time == 1.0:
        np.testing.assert_array_less(np.abs(mean - theory), 3 * error)
    if time == 3.0:
        least = mean.argmin()
        falls, rises = mean[0] - mean[least], mean[-1] - mean[least]
        assert 0 < least < mean.size - 1
        assert min(falls, rises) > 3 * np.hypot(error[0], error[least]), "primacy and recency"
        assert (np.diff(mean[least:]) > -3 * error[least + 1 :]).all(), "one minimum"

# %% [markdown]
# Cesaro's cousin: layers of averages with skip connections, exactly.

# %%
row = lmdata.rollout(lmdata.open("causal-cesaro")).isel(seed=0, time=-1, token=-1).load().values
print(f"weights of the last token: first {row[0]:.6f}, 50th {row[49]:.6f}, last {row[-1]:.6f}")
np.testing.assert_allclose(row[[0, 49, 99]], [0.173489, 0.003556, 0.016586], rtol=0, atol=5e-7)
