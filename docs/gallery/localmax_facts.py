# %% [markdown]
"""What is proved, and what is not so, of localmax: hulls, gaps, limits off the vertices, energies that rise."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import asymmetry, hull_volume, limit_polytope, quiescent_sets
from lmdata.analysis.lyapunov import energies

# %% [markdown]
# Hulls are nested.

# %%
ds = lmdata.open("localmax-square")
volume = hull_volume(ds).load()
rises = float(np.diff(volume, axis=-1).max())
print(f"hull volume: largest rise {rises:.1e} (never, by nesting; tolerance of rounding 1e-12)")
assert rises < 1e-12

# %% [markdown]
# The vertex gap is at least the sensitivity.

# %%
limit = limit_polytope(ds).load()
margin = (limit.gap - limit.alignment_sensitivity).where(limit.settled).min()
print(f"vertex gap minus sensitivity: at least {float(margin):.3f} (not below 0, tolerance 1e-6)")
assert float(margin) > -1e-6

# %% [markdown]
# Quiescent sets.

# %%
inside = quiescent_sets(ds).s1_size.isel(time=-1).load()
print(f"quiescent tokens at the end, by sensitivity: {inside.mean('seed').values.round(1).tolist()} of 32")

# %% [markdown]
# Limits that are no vertices.

# %%
between = limit_polytope(lmdata.open("localmax-between")).load()
share = float((between.token_vertex == -1).where(between.settled).mean())
print(f"tokens whose limit is no vertex: {share:.3f} of all in localmax-between (some: they are generic)")
assert share > 0

# %% [markdown]
# A vanishing sensitivity recovers hardmax's condition on vertices.

# %%
vanishing = limit_polytope(lmdata.open("localmax-vanishing")).load()
least = float(vanishing.gap.where(vanishing.settled).min())
print(f"vanishing sensitivity: least <v, v - w> {least:.1e} (hardmax's condition: not below 0, tolerance 1e-6)")
assert least > -1e-6

# %% [markdown]
# The energy of bounded confidence is no Lyapunov function of localmax.

# %%
zero = np.zeros(1)
rising = energies(ds.position.values, zero, radius=0.5)[1].sum()
symmetric = energies(lmdata.open("krause-square").position.values, zero, radius=0.5)[1].sum()
print(f"bounded-confidence energy rises {rising} times under localmax, {symmetric} times under bounded confidence")
assert rising > 0
assert symmetric == 0

# %% [markdown]
# It rises where listening is not mutual: edges inside clusters, which always are, left out. Where there are no others,
# clusters still contract, and their centres move a little.

# %%
mutual = asymmetry(ds).load().transpose(..., "time").values[..., :-1]
energy = energies(ds.position.transpose("alignment_sensitivity", "seed", ...).values, zero, radius=0.5)[0]
rose = np.diff(energy, axis=-1) > 1e-12 * energy[..., :1]
for label, some in (("none", mutual == 0), ("some", (mutual > 0) & (mutual < 1)), ("all", mutual == 1)):
    print(f"{label} of the edges between clusters mutual: {some.sum()} steps, the energy rises at {rose[some].sum()}")
alone = np.isnan(mutual)
print(f"no edges between clusters: {alone.sum()} steps, rises at {rose[alone].sum()}")
assert rose[mutual == 0].mean() > rose[mutual > 0].mean()
assert not rose[mutual == 1].any()
