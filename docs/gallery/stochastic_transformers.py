# %% [markdown]
"""Deep stochastic transformers, values of mean zero: two tokens meet, or end opposite each other (arXiv 2601.21942)."""

# %%
import numpy as np

import lmdata

# %% [markdown]
# The cosine of two tokens is a diffusion that both ends attract; its scale function gives the probabilities.

# %%
GIVEN = {0.5: 0.1433, 1.0: 0.2675, 2.0: 0.3638, 4.0: 0.4163}
x = lmdata.open("stochastic-two-tokens").position.isel(time=-1).load()
opposite = ((x.isel(token=0) + x.isel(token=1)) ** 2).sum("component") < 2
for beta, given in GIVEN.items():
    expected = lmdata.antipodal_probability(beta)
    share = float(opposite.sel(inverse_temperature=beta).mean())
    error = np.sqrt(expected * (1 - expected) / x.sizes["seed"])
    print(f"beta = {beta:g}: {share:.3f} +- {error:.3f} of the pairs end opposite; the diffusion {expected:.4f}")
    assert round(expected, 4) == given
    assert abs(share - expected) < 3 * error
print(f"to 1 + r = 1e-9 alone: {lmdata.antipodal_probability(0.5, cutoff=1e-9):.4f} at beta = 0.5")
