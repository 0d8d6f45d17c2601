# %% [markdown]
"""How many modes a Gaussian kernel density estimate has: as sqrt(beta log beta) (arXiv 2412.09080)."""

# %%
import numpy as np

import lmdata

# %%
ds = lmdata.open("normal-line")
before = None
ratios = []
for beta in (1, 4, 16, 64, 256, 1024):
    modes = lmdata.kernel_modes(ds, inverse_temperature=beta).isel(time=0).load()
    law = np.sqrt(beta * max(np.log(beta), 1))
    error = float(modes.std(ddof=1)) / np.sqrt(ds.sizes["seed"])
    print(f"beta = {beta:<5} {float(modes.mean()):.2f} +- {error:.2f} modes; over the law {modes.mean() / law:.2f}")
    assert before is None or (modes >= before).all(), "on the line no mode is lost as the bandwidth falls"
    before = modes
    ratios.append(float(modes.mean()) / law)
assert max(ratios[3:]) / min(ratios[3:]) < 1.25, "beta from 64 to 1024, between powers of n: one constant"
