# %% [markdown]
"""On the line, attention becomes a Boolean matrix of rank at most two (arXiv 2305.05465)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import attention_statistics

# %%
ds = lmdata.open("attention-one-dimension").isel(time=[0, -1])
found = attention_statistics(ds, tolerance=1e-3).load()
first, last = found.isel(time=0), found.isel(time=-1)

# %%
print(f"rank of P at t = 0: {first.attention_rank.values.tolist()}")
print(f"rank of P at t = {float(last.time):g}: {last.attention_rank.values.tolist()}")
print(f"largest distance of a weight from 0 or 1: {float(last.distance_to_boolean.max()):.1e} (tolerance 1e-3)")
assert (first.attention_rank > 2).all()
assert (last.attention_rank <= 2).all()
assert (last.distance_to_boolean < 1e-3).all()

# %% [markdown]
# Leaders are the tokens that are attended to in the end, whose columns of P hold the ones: on the line the greatest and
# the least token, each with its followers.

# %%
column = last.column_sum
leads = column > 1e-3
start = ds.position.isel(time=0, component=0)
extreme = (start == start.max("token")) | (start == start.min("token"))
print(f"leaders: {leads.sum('token').values.tolist()}, the greatest and the least token for", end=" ")
print(f"{int((leads == extreme).all('token').sum())} of 20 seeds; followers of the greatest with seed 0: ", end="")
print(f"{float(column.isel(seed=0, token=int(start.values[0].argmax()))):g} of 8")
assert (leads == extreme).all()

# %% [markdown]
# Where the leaders end depends on all tokens, not on themselves alone: derivatives of both limits with respect to each
# initial token, by central differences.

# %%
model = lmdata.SelfAttention(values=[[1.0]], step_size=0.05, estimate_error=False)
tokens = start.isel(seed=0).values
shifts = 1e-4 * np.eye(8)
starts = np.concatenate([tokens + shifts, tokens - shifts])
ends = [lmdata.simulate(model, one[:, None], steps=600, record=[0, 600]).position.values[0, -1, :, 0] for one in starts]
limits = np.array([[end.max(), end.min()] for end in ends])
slope = (limits[:8] - limits[8:]) / 2e-4
for name, own, column_of in zip(("greatest", "least"), (tokens.argmax(), tokens.argmin()), slope.T, strict=True):
    print(f"limit of the {name}: slope {column_of[own]:.3f} in itself, {np.delete(column_of, own).min():.4f} in others")
    assert column_of[own] > 1
    assert np.delete(column_of, own).min() < -1e-3
