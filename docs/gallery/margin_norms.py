# %% [markdown]
"""The way of descent decides the norm of the margin: factors nuclear, W Frobenius, signs the largest entry."""

# %%
import math

import numpy as np

import lmdata
from lmdata.selection import direction_correlation, norms, path_margin, solutions, winner


# %%
def last(measure, ds, found):
    """Return the last value of a measure for the solution that wins, by seed."""
    return measure(ds, found).isel(start=0, iteration=-1).isel(solution=winner(ds, found).isel(start=0)).values


# %% [markdown]
# K and Q of W = K Q^T trained, or W itself, on the same three problems (2308.16898). Each turns to the solution of its
# own norm.

# %%
runs = {"nuclear": lmdata.open("selection-factors").load(), 2.0: lmdata.open("selection-frobenius").load()}
for norm, ds in runs.items():
    own, other = solutions(ds), solutions(ds, norm=2.0 if norm == "nuclear" else "nuclear")
    assert own.attrs["norm"] == str(norm)
    near, far = last(direction_correlation, ds, own), last(direction_correlation, ds, other)
    pairs = zip(own.matrix_direction.values[:, 0], other.matrix_direction.values[:, 0], strict=True)
    apart = 1 - np.array([np.vdot(w, u) / (np.linalg.norm(w) * np.linalg.norm(u)) for w, u in pairs])
    ranks = [int(np.linalg.matrix_rank(w, tol=1e-3 * np.linalg.norm(w))) for w in own.matrix_direction.values[:, 0]]
    print(f"{norm}: correlation {near.round(5)} with its own solution, of rank {ranks}, {far.round(5)} with the other")
    assert (1 - near < apart / 5).all()

# %% [markdown]
# Sign descent has the largest margin by the largest entry (2502.04664), gradient descent the largest by length.

# %%
signs, straight = lmdata.open("selection-sign").load(), lmdata.open("selection-prompt").load()
for name, ds, own in (("sign", signs, math.inf), ("gradient", straight, 2.0)):
    for norm in (math.inf, 2.0):
        found = solutions(ds, norm=norm)
        largest = found.solution_margin.isel(solution=winner(ds, found).isel(start=0)).values
        share = last(path_margin, ds, found) / largest
        print(f"{name} descent: {share.round(4)} of the largest margin in l_{norm}")
        assert (share <= 1 + 1e-9).all()
        assert (share > 0.97).all() == (norm == own)

# %% [markdown]
# The prompt, or equivalently W: with one query z = e_1 for all samples, W(t) z is p(t) to the last bit, and W is p z^T
# (lemma 1 of 2306.13596).

# %%
shared = lmdata.open("selection-shared-query").load()
along = (shared.weight * shared.query_vector.isel(sample=0)).sum("query_feature")
difference = float(abs(along - straight.prompt).max())
print(f"W(t) z and p(t) differ by {difference} at most, at {shared.sizes['iteration']} iterations of 3 problems")
assert difference == 0
np.testing.assert_allclose(norms(shared).norm, norms(straight).norm, rtol=1e-15, atol=0)
