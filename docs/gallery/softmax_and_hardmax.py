# %% [markdown]
"""Softmax follows hardmax as the temperature falls; where alignments nearly tie, the two part."""

# %%
import lmdata
from lmdata.analysis import transport_distance

# %%
far = transport_distance(lmdata.open("softmax-temperatures"), lmdata.open("hardmax-uniform-square")).load()
mean = far.isel(time=-1).mean("seed")
for beta in mean.inverse_temperature.values:
    last = far.sel(inverse_temperature=beta).isel(time=-1)
    print(
        f"beta = {beta:7g}: distance of the clouds after 40 steps {float(mean.sel(inverse_temperature=beta)):.4f} "
        f"on average, {float(last.max()):.4f} at most"
    )
assert (mean.diff("inverse_temperature") < 0).all()
assert float(mean[-1]) < 1e-3
