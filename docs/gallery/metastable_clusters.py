# %% [markdown]
"""How many metastable clusters uniform tokens form: the fastest mode tells (arXiv 2410.06833)."""

# %%
import numpy as np

import lmdata

# %% [markdown]
# Modes grow out of the fluctuations of n tokens, 1/sqrt(n), until the fastest fills the circle, at ln(sqrt n) of its
# time constants. A mode that has then grown to within a factor e of it may win: that is the band.

# %%
ds = lmdata.open("metastable-circle")
formed = lmdata.cluster_counts(ds.isel(time=[-1])).cluster_count.isel(time=0)
for beta in ds.inverse_temperature.values:
    rate = lmdata.uniform_growth(beta, 40)
    band = 1 + np.flatnonzero(rate >= rate.max() * (1 - 2 / np.log(ds.sizes["token"])))
    predicted = lmdata.predicted_clusters(beta)
    counted = formed.sel(inverse_temperature=beta)
    print(
        f"beta = {beta:<4g} predicted {predicted:<3} ({band[0]} to {band[-1]}), counted {float(counted.mean()):.1f}: "
        f"{counted.values.tolist()}"
    )
    assert band[0] <= predicted <= band[-1]
    assert (counted <= band[-1]).all(), "no faster mode wins; clusters that have met are fewer"
    assert counted.max() >= band[0]
