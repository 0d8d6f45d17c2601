# %% [markdown]
"""One cluster or two opposite ones: maximisers of the energy on the circle over D = diag(d1, 1) (arXiv 2501.03096)."""

# %%
import numpy as np
from scipy.optimize import brentq

import lmdata
from lmdata.analysis.second_variation import MAXIMUM, SADDLE

# %% [markdown]
# Tokens climb the energy from uniform starts. All of them gather at an eigenvector of D, or part of them at it and the
# others opposite: then the second variation says whether they stay there for ever.

# %%
ds = lmdata.open("split-diagram").load()
last = ds.isel(time=[-1])
one = lmdata.order_parameter(last).isel(time=0, drop=True) > 0.999
share = one.mean("seed")
for first, value in zip(ds.first_score.values, share.values, strict=True):
    print(f"d1 = {first:.3f}: one cluster in {value:.3f} of {ds.sizes['seed']} runs")

# %% [markdown]
# Half of the tokens at each end of the axis of the larger eigenvalue a are a maximum as long as the other eigenvalue b
# is below a tanh a (beta = 1): the second variation has the eigenvalue b cosh a - a sinh a. So none of the runs stays
# split where d1 is between tanh 1 and the root of d tanh d = 1.

# %%
lower, upper = np.tanh(1), brentq(lambda d: d * np.tanh(d) - 1, 1, 2)
print(f"split states are saddles for d1 between {lower:.4f} and {upper:.4f}")
inside = (ds.first_score > lower) & (ds.first_score < upper)
assert (share.where(inside, 1.0) == 1.0).all()
assert (share.where(~inside, 0.0) < 0.9).all()

# %% [markdown]
# Where runs stay split, each end is a maximum by its own second variation, however many tokens are on either side, but
# for a few saddles that are left slowly; the energy is below that of one cluster, the only global maximum.

# %%
for first in ds.first_score.values[~inside.values]:
    matrix = np.diag([first, 1.0])
    found = lmdata.second_variation(last.sel(first_score=first), alignment=matrix, tolerance=1e-4)
    kind = found.critical_kind.isel(time=0, drop=True)
    split = ~one.sel(first_score=first)
    energy = lmdata.energy(last.sel(first_score=first), alignment=matrix).interaction_energy.isel(time=0, drop=True)
    best = np.exp(max(first, 1.0)) / 2
    maxima, leaving = int((kind == MAXIMUM).sum()), int((kind == SADDLE).sum())
    print(f"d1 = {first:.3f}: {int(split.sum())} ends are split; {maxima} of all are maxima, {leaving} a saddle")
    assert maxima + leaving == kind.size
    assert leaving <= 1
    assert (kind.where(~split, MAXIMUM) == MAXIMUM).all()
    assert (energy.where(split, 0.0) < best - 0.1).all()
    assert (np.abs(energy.where(~split, best) - best) < 1e-3).all()
