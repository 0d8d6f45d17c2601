# %% [markdown]
"""Tokens that end at vertices (S1) and the others (S2): whom they hear, and when; none arrives in finite time."""

# %%
from fractions import Fraction

import numpy as np

import lmdata
from lmdata.analysis import convergence, quiescent_sets

# %% [markdown]
# Weights between S1 and S2 over time, where there is an S2. Limits are proved, and so is the step from which no
# neighbourhood changes: what is zero there stays so for ever.

# %%
ds = lmdata.open("localmax-listeners").load()
ds = ds.assign(lmdata.certify(ds).data_vars)
quiet = quiescent_sets(ds)
runs = quiet.where(~quiet.s1.all("token")).stack(run=["alignment_sensitivity", "seed"]).dropna("run", how="all")
count = int(runs.s2_to_s2.notnull().any("time").sum())
print(f"{count} of {quiet.s1.size // 32} runs have an S2")
mean = runs[["s1_to_s2", "s2_to_s1", "s2_to_s2"]].mean("run")
for time in (0, 1, 2, 5, 10, 200):
    one = mean.sel(time=time)
    print(
        f"step {time:3d}: S1 gives S2 {float(one.s1_to_s2):.1e}, S2 gives S1 {float(one.s2_to_s1):.3f}, "
        f"S2 gives S2 {float(one.s2_to_s2):.3f}"
    )
error = runs.s1_to_s2.std("run", ddof=1) / np.sqrt(count)
assert count == 24
assert abs(mean.s1_to_s2.sel(time=0) - 0.0090) < 3 * error.sel(time=0)
assert abs(mean.s1_to_s2.sel(time=5) - 1.5e-4) < 3 * error.sel(time=5)
assert bool(ds.certified.all())
frozen = ds.frozen_from.max()
print(f"no neighbourhood changes from step {int(frozen)} on, proved for all runs")
assert (quiet.s1_to_s2.where(quiet.time >= 10, drop=True) == 0).all()
assert (quiet.s1_to_s2.where(quiet.time >= ds.frozen_from) > 0).sum() == 0

# %% [markdown]
# A token's way to its neighbour mean shrinks by exactly 1 / (1 + alpha) in every step: it is never there. Floats are,
# once the way is below their resolution.

# %%
run = lmdata.open("localmax-arrival").load()
still = convergence(run).displacement > 0
last = still.time.where(still).max("time") + 1
print(f"floats stand still from steps {int(last.min())} to {int(last.max())} on, with seed 0 from {int(last[0])}")
assert int(last[0]) == 70
tokens = [[Fraction(x) for x in token] for token in run.position.values[0, 0].tolist()]
delta = Fraction(0.1)
for _ in range(91):
    score = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in tokens] for x in tokens]
    heard = [[j for j, s in enumerate(row) if s >= max(row) - delta] for row in score]
    means = [[sum(tokens[j][k] for j in near) / len(near) for k in range(2)] for near in heard]
    moved = max(abs(m - z) for mean, token in zip(means, tokens, strict=True) for m, z in zip(mean, token, strict=True))
    tokens = [[(z + m) / 2 for z, m in zip(*pair, strict=True)] for pair in zip(tokens, means, strict=True)]
print(f"fractions still move by {float(moved / 2):.1e} at step 91")
assert moved > 0
