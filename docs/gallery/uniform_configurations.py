# %% [markdown]
"""Descent of the energy spreads tokens over the sphere as the regular polytopes do (Cohn and Kumar, math/0607446)."""

# %%
import itertools

import numpy as np

import lmdata
from lmdata.analysis.energy import interaction_energies

# %% [markdown]
# Of four points on the circle, and of four, six and twelve on the sphere, regular ones have the least energy at every
# temperature. Beside each energy at beta = 1 stands what descent from five random starts comes to.

# %%
LEAST = {
    0.635770: lmdata.open("configuration-square"),
    0.608484: lmdata.open("configuration-tetrahedron"),
    0.590513: lmdata.open("configuration-octahedron"),
    0.587622: lmdata.open("configuration-icosahedron"),
}
for least, ds in LEAST.items():
    name = f"{ds.sizes['token']} tokens, {ds.sizes['component']} components:"
    found = lmdata.energy(ds, direction="descent")
    last = found.interaction_energy.isel(time=-1).values[()]
    print(f"{name} {least:.6f}, by descent {last.min():.7f} to {last.max():.7f}")
    assert (found.against == 0).all()
    assert np.abs(last - least).max() < 1e-6

# %% [markdown]
# The 600-cell, in four dimensions: 8 + 16 + 96 vertices. It is at rest under the flow, and the golden ratio is in it.

# %%
golden = (1 + np.sqrt(5)) / 2
axes = np.vstack([np.eye(4), -np.eye(4)])
corners = np.array(list(itertools.product([-0.5, 0.5], repeat=4)))
even = [p for p in itertools.permutations(range(4)) if np.linalg.det(np.eye(4)[list(p)]) > 0]
signs = np.array([(*s, 0) for s in itertools.product([-1, 1], repeat=3)])
others = np.vstack([(signs * [golden, 1, 1 / golden, 0] / 2)[:, list(p)] for p in even])
cell = np.vstack([axes, corners, others])
energy = interaction_energies(cell).item()
print(f"600-cell, {len(cell)} tokens: {energy:.6f}")
assert len(cell) == 120
assert round(energy, 6) == 0.565159
moved = lmdata.simulate(lmdata.SphereGradientFlow(direction="descent", off_surface="normalise"), cell, steps=1)
assert np.abs(moved.position.isel(time=1) - cell).max() < 1e-14
