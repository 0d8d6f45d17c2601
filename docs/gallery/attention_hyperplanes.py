# %% [markdown]
"""With a simple leading eigenvalue, tokens end on at most three hyperplanes (arXiv 2305.05465)."""

# %%
import lmdata
from lmdata.analysis import hyperplanes

# %%
count = hyperplanes(lmdata.open("attention-hyperplanes").isel(time=[0, -1]), tolerance=1e-2).plane_count.load()

# %%
print(f"levels at t = 0: {count.isel(time=0).values.tolist()}")
print(
    f"levels at t = {float(count.time[-1]):g}: {count.isel(time=-1).values.tolist()} (within 1 % of the first extent)"
)
assert (count.isel(time=0) > 3).all()
assert (count.isel(time=-1) <= 3).all()
