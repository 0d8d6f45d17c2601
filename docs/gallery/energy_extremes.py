# %% [markdown]
"""Maximisers and minimisers of the interaction energy (arXiv 2501.03096)."""

# %%
import numpy as np
from scipy.special import iv

import lmdata
from lmdata.analysis import energy, second_variation
from lmdata.analysis.second_variation import MAXIMUM

# %% [markdown]
# Ascent on the sphere: maximisers lie at the leading eigenvectors of D.

# %%
matrix = np.diag([1.0, 0.5, -0.5])
ds = lmdata.open("sphere-ascent")
up = energy(ds, alignment=matrix).load()
pole = np.abs(ds.position.isel(time=-1, component=0)).min("token").load()
final = 2 * up.interaction_energy.isel(time=-1)
print(f"ascent: the energy falls at {int(up.against.sum())} stored steps; |<x, e_1>| >= {float(pole.min()):.9f}")
print(f"  final energies {final.values.round(4).tolist()}: e = {np.e:.4f} for one cluster,")
print(f"  between cosh(1) = {np.cosh(1):.4f} and e for two opposite ones, a maximum as well, but not the largest")
assert (up.against == 0).all()
assert (pole > 1 - 1e-9).all()
assert ((final > np.cosh(1) - 1e-9) & (final < np.e + 1e-9)).all()
assert (second_variation(ds.isel(time=[-1]), alignment=matrix).critical_kind == MAXIMUM).all()

# %% [markdown]
# Descent of four particles in the plane: the tanh ratio of the minimisers.

# %%
tokens = lmdata.open("sphere-descent").position.isel(seed=0, time=-1).values
ratio = np.tanh(tokens[:, 0] ** 2) / np.tanh(3 * tokens[:, 1] ** 2)
print(f"four particles, D = diag(1, 3): tanh ratio {ratio.mean():.9f}, claimed 3 (tolerance 1e-6)")
assert np.abs(ratio - 3).max() < 1e-6

# %% [markdown]
# Densities on the circle: the minimal one, to first order in the anisotropy of D.

# %%
density = 40 * lmdata.open("circle-minimal-density").position.isel(seed=0, time=-1, component=0).values
angle = 2 * np.pi * np.arange(40) / 40 - np.pi
amplitude = 2 * (density * np.cos(2 * angle)).mean()
first_order = 0.1 * iv(1, 1) / (2 * iv(2, 1))
print(f"minimal density, D = diag(1, 1.1): 1 + {amplitude:.4f} cos 2 theta; first order {first_order:.4f} (within 6 %)")
assert abs(amplitude / first_order - 1) < 0.06
