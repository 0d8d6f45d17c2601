# %% [markdown]
"""With V = -I, plain tokens collapse to the origin (arXiv 2305.05465), and we measure how fast.

Near the origin x_i' = -mean - C x_i + ..., with C the covariance of the tokens: their mean vanishes fast, and C
solves C' = -2 C^2, so that 2 t C tends to the identity. The collapse is a power law, not an exponential.
"""

# %%
import numpy as np

import lmdata

# %%
x = lmdata.open("attention-collapse").position.load()
size = np.abs(x).max(("seed", "token", "component"))
print("largest |x|:", {t: round(float(size.sel(time=t)), 4) for t in (0, 50, 200, 1000)})
assert (np.diff(size) < 0).all()

# %%
mean = float(np.abs(x.isel(time=-1).mean("token")).max())
centred = x - x.mean("token")
covariance = (centred * centred.rename(component="other")).mean("token")
identity = np.eye(x.sizes["component"])
for t in (50, 200, 1000):
    off = float(np.abs(2 * t * covariance.sel(time=t) - identity).max())
    print(f"t = {t}: 2 t C is within {off:.1e} of the identity (tolerance 1 / t)")
    assert off < 1 / t
print(f"largest mean at the end: {mean:.1e} (tolerance 1e-6)")
assert mean < 1e-6

# %% [markdown]
# The same from the Gaussian closure (arXiv 2501.18322), begun with the tokens' covariance at t = 50.

# %%
begun = covariance.sel(time=50).transpose("seed", "component", "other").values
for seed, start in enumerate(begun):
    theory = lmdata.gaussian_closure([0.0, 950.0], np.zeros(2), start, values=-identity).covariance[1]
    found = covariance.sel(time=1000).isel(seed=seed).transpose("component", "other").values
    off = float(np.abs(found / np.trace(theory) - theory / np.trace(theory)).max())
    assert off < 1 / 950, "what is left out of the closure is one over the time smaller"
print(f"covariances at t = 1000 within {off:.1e} of the closure's, relative to its trace (tolerance 1 / 950)")
