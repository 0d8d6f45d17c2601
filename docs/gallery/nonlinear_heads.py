# %% [markdown]
"""Under a nonlinear head attention may settle on several tokens: a generalised max-margin problem (2308.16898)."""

# %%
import numpy as np

import lmdata
from lmdata.selection import attention, composition, direction_correlation, margins, selected_mass, solutions, winner

# %% [markdown]
# A convex head, relu with positive values: a mean of tokens is worth no more than the best of them; one is selected.

# %%
ds = lmdata.open("selection-head-relu").load()
found = solutions(ds)
which = winner(ds, found)
correlation = direction_correlation(ds, found).isel(iteration=-1).isel(solution=which)
mass = selected_mass(ds, found).isel(iteration=-1).isel(solution=which).min("sample")
won = [int((which == number).sum()) for number in found.solution_margin.isel(seed=0).notnull().values.nonzero()[0]]
print(f"relu: {won} of {which.size} starts select each solution, correlation at least {correlation.min().item():.6f}")
assert (which >= 0).all()
assert correlation.min() > 0.999
assert mass.min() > 0.999

# %% [markdown]
# A concave one, tanh: two tokens together are worth more than either. Attention halves itself: the direction in which p
# grows gives the two equal scores, and its finite part decides on the halves.

# %%
ds = lmdata.open("selection-head-tanh").load()
made = composition(ds)
shares = attention(ds).isel(iteration=-1, sample=0, seed=0).values
direction = made.composition_direction.isel(seed=0).values
print(f"tanh: weights {shares[0].round(4).tolist()}; the direction is {direction[0].round(6).tolist()}")
along = made.composition_correlation.isel(seed=0)
for iteration, row in zip(along.iteration.values, along.transpose("iteration", "start").values, strict=True):
    print(f"    after {iteration:6d} iterations: correlation with it {row.min():.4f} at least, of {row.size} starts")
assert (made.composed.values == [True, True, False, False]).all()
np.testing.assert_allclose(direction, [[1, 1, 0]] * 3, rtol=0, atol=1e-8)
assert (along.diff("iteration") > 0).all()
assert along[..., -1].min() > 0.999
reached, alone = margins(ds)[:, 0, -1, 0].values, np.tanh(1.0)
print(f"    the margin is {reached[0]:.4f}; the best token alone has {alone:.4f}, the best mean {2 * np.tanh(0.5):.4f}")
np.testing.assert_allclose(reached, 2 * np.tanh(0.5), rtol=0, atol=1e-3)
