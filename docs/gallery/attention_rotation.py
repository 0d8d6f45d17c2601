# %% [markdown]
"""A complex leading pair of V: tokens turn in its plane for ever, and rescaled they come to rest (2305.05465)."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import convergence

# %% [markdown]
# V has the eigenvalues 1 + i and 1 - i, and exp(tV) is a turn by t times e^t: scores are those of V = I, the pull is
# not.

# %%
ds = lmdata.open("attention-rotation").load()
rest = convergence(ds).displacement.isel(time=-1)
print(f"largest move of a rescaled token from t = 19 to 20: {float(rest.max()):.1e} for 10 seeds")
assert float(rest.max()) < 1e-6

# %% [markdown]
# Tokens computed without rescaling: from t = 7 to 8 they turn by the imaginary part, 1, and grow by e.

# %%
plain = lmdata.SelfAttention(values=[[1.0, -1.0], [1.0, 1.0]], form="plain", step_size=0.01, estimate_error=False)
run = lmdata.simulate(plain, lmdata.tokens.uniform(20, 2, low=-3.0, high=3.0), steps=800, record=100)
x = run.position.values[0, :, :, 0] + 1j * run.position.values[0, :, :, 1]
turn, growth = np.angle(x[8] / x[7]), np.abs(x[8] / x[7])
print(f"turns from {turn.min():.4f} to {turn.max():.4f}, growth from {growth.min():.4f} to {growth.max():.4f}")
z = ds.sel(seed=0, time=8.0).position.values
apart = np.abs(x[8] / np.exp(8 * (1 + 1j)) - z[:, 0] - 1j * z[:, 1]).max()
print(f"rescaled, they are the tokens of the dataset within {apart:.0e}")
assert np.abs(turn - 1).max() < 0.02
assert np.abs(growth - np.e).max() < 0.05
assert apart < 1e-3
