# %% [markdown]
"""On a long context a layer of attention gathers all tokens or does nothing (arXiv 2510.05554)."""

# %%
import numpy as np

import lmdata

# %%
after = lmdata.token_rank(lmdata.open("long-context-layer")).mean_cosine.isel(seed=0, time=-1).load()
for beta, cosine in zip(after.inverse_temperature.values, after.values, strict=True):
    gamma = beta / np.log(100)
    theory = lmdata.layer_alignment(100, start=0.5, exponent=gamma)
    print(f"gamma = {gamma:.2f}: cosine {cosine:.6f}, by the formula {theory:.6f} (tolerance 1e-12)")
    assert abs(cosine - theory) < 1e-12

# %% [markdown]
# The longer the context, the sharper: 1 below, 4 rho / (1 + 3 rho) = 0.8 at, and rho above gamma = 2.

# %%
for n in (10, 100, 10**4, 10**8, 10**16):
    row = [lmdata.layer_alignment(n, start=0.5, exponent=gamma) for gamma in (1.0, 1.5, 2.0, 2.5, 3.0)]
    print(f"n = {n:.0e}, gamma = 1, 1.5, 2, 2.5, 3: " + " ".join(f"{value:.6f}" for value in row))
np.testing.assert_allclose(row, [1, 1, 0.8, 0.5, 0.5], rtol=0, atol=1e-3)
