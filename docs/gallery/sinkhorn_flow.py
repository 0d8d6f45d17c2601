# %% [markdown]
"""Doubly stochastic weights: nobody is ignored, and the mean of the tokens follows V alone (arXiv 2110.11773)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import attention_statistics

# %%
ds = lmdata.open("sinkhorn-flow")
sums = attention_statistics(ds).load()
off = float(max(abs(sums.row_sum - 1).max(), abs(sums.column_sum - 1).max()))
mean = ds.position.mean("token").load()
drift = float(abs(mean - np.exp(-0.5 * mean.time) * mean.isel(time=0)).max())
print(f"row and column sums are one within {off:.1e} (tolerance 1e-12)")
print(f"the mean is exp(tV) times the first one within {drift:.1e} (tolerance 1e-6, of Runge-Kutta at step 0.1)")
assert off < 1e-12
assert drift < 1e-6
