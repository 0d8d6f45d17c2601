# %% [markdown]
"""Does the system concentrate on S1? What S1 tokens still hear of S2 tokens, certified for all time (2509.15958)."""

# %%
import numpy as np

import lmdata
from lmdata.dynamics.kernels import canonical

# %% [markdown]
# Sixty starts at a sensitivity at which many have tokens that end at no vertex. Certified: S1 and S2 are final.

# %%
model, sensitivity = lmdata.Localmax(0.3), 0.3
ds = lmdata.simulate(model, lmdata.tokens.uniform(16, 2), steps=60, seeds=range(60))
proof = lmdata.certify(ds)
assert proof.certified.all()
s1 = (proof.certified_cluster < proof.certified_vertex_count).values
mixed = np.flatnonzero((~s1).any(axis=1))
print(f"{len(mixed)} of {len(s1)} starts have tokens that end at no vertex; all limits are proved")
assert len(mixed) > 5

# %% [markdown]
# The weight of S2 in the neighbourhoods of S1, step by step. From the certified step on it is 0 for ever: the sets S1
# are closed, and no neighbourhood ever changes again.

# %%
graphs = canonical.neighbourhoods(ds.position.values[mixed], sensitivity)
weights = graphs / graphs.sum(axis=-1, keepdims=True)
heard = np.zeros(weights.shape[:2])
for row, member in enumerate(mixed):
    heard[row] = weights[row][:, s1[member]][:, :, ~s1[member]].sum(axis=-1).mean(axis=-1)
frozen = proof.frozen_from.values[mixed]
for step in (0, 2, 4, 6, 8, 10):
    now = heard[:, step]
    print(f"  step {step}: S1 gives S2 {now.mean():.2%} of its weight on average, at most {now.max():.2%}")
assert all((heard[row, first:] == 0).all() for row, first in enumerate(frozen))
last = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else 0 for row in heard])
print(
    f"S1 stops listening to S2 at step {np.median(last):.0f} (median), at most {last.max()}; then never again, proved"
)
assert (last <= frozen).all()
