# %% [markdown]
"""On the line, attention becomes a Boolean matrix of rank at most two (arXiv 2305.05465)."""

# %%
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
