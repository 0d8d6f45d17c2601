# %% [markdown]
"""Does the system concentrate on S1? What S1 tokens still hear of S2 tokens, certified for all time (2509.15958)."""

# %%
import numpy as np

import lmdata
from lmdata import view
from lmdata.dynamics.kernels import canonical, fused

# %% [markdown]
# Every sensitivity of ten starts: where its limit is proved, S1 (tokens that end at a vertex) and S2 (the others) are
# final. On an interval the trajectory is one and the same, so that what follows is exact for all of it.

# %%
ds = lmdata.open("atlas-listeners").load()
low, high, count = ds.sensitivity_from.values, ds.sensitivity_to.values, ds.interval_count.values
mixed = np.flatnonzero(ds.certified.values & (ds.s2_size.values > 0))
width = (high - low)[mixed]
top = np.array([low[end - 1] for end in np.cumsum(count)]).sum()
frozen = ds.frozen_from.values[mixed]
steps = int(frozen.max()) + 1
print(f"S2 is not empty on {len(mixed):,} intervals of {ds.sizes['seed']} starts, {width.sum() / top:.1%} of the axis")
assert len(mixed) > 100

# %% [markdown]
# The weight that S1 gives S2, step by step: the mean over these sensitivities (each interval counts by its width) and
# the largest. From the step at which the neighbourhoods freeze on, it is 0 for ever: that is proved.

# %%
place = {seed: number for number, seed in enumerate(ds.seed.values.tolist())}
starts = ds.initial_position.values[[place[seed] for seed in ds.interval_seed.values[mixed].tolist()]]
delta = np.repeat(low[mixed, None], steps, axis=1)
frames, _ = fused.advance(np.ascontiguousarray(starts), delta, np.full(len(mixed), 0.3), None, tuple(range(steps + 1)))
s1 = ds.cluster.values[mixed] < ds.vertex_count.values[mixed, None]
heard = np.zeros((len(mixed), steps + 1))
for step in range(steps + 1):
    graph = canonical.neighbourhoods(frames[:, step : step + 1], low[mixed, None], None)[:, 0]
    others = (graph & s1[:, :, None] & ~s1[:, None, :]).sum(axis=2) / graph.sum(axis=2)
    heard[:, step] = others.sum(axis=1) / np.maximum(s1.sum(axis=1), 1)
for step in (0, 2, 5, 10, 20):
    mean = (heard[:, step] * width).sum() / width.sum()
    print(f"  step {step}: S1 gives S2 {mean:.2%} of its weight on average, at most {heard[:, step].max():.1%}")
assert all((row[first:] == 0).all() for row, first in zip(heard, frozen, strict=True))
last = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else 0 for row in heard])
print(
    f"S1 stops listening to S2 at step {np.median(last):.0f} (median), at most {last.max()}; then never again, proved"
)
assert (last <= frozen).all()

# %% [markdown]
# Mean and largest weight, step by step.

# %%
most = min(steps, int(np.quantile(last, 0.999)) + 5)
at = np.arange(most + 1)
mean, largest = (heard * width[:, None]).sum(axis=0) / width.sum(), heard.max(axis=0)
figures = {
    "atlas-listeners": view.curves(
        {"largest": (at, largest[: most + 1]), "mean over the axis": (at, mean[: most + 1])},
        title="What S1 hears of S2",
        note="10 starts of 16 tokens, every sensitivity, α = 0.3",
        x="time (steps)",
        y="weight of S2 in neighbourhoods of S1",
    )
}
figures["atlas-listeners"]
