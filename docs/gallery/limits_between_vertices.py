# %% [markdown]
"""Limits between vertices: of which vertices they are made, whether they withstand a push, and who is aligned most."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import limit_polytope, limit_weights

# %% [markdown]
# Under a positive sensitivity a limit at no vertex is a mean of vertices. Its weights are where chains of listening
# end.

# %%
ds = lmdata.open("localmax-between").load()
weights, limit = limit_weights(ds), limit_polytope(ds)
between = limit.token_vertex < 0
made_of = (weights.vertex_weight > 1e-9).sum("vertex").where(between)
apart = float(weights.weight_residual.max())
print(f"{int(between.sum())} tokens end at no vertex: {int((made_of == 2).sum())} between two vertices,")
print(f"    {int((made_of == 3).sum())} among three; farthest from the weighted mean of these: {apart:.0e}")
assert apart < 1e-5
assert bool((made_of.where(between) >= 2).sum() == between.sum())

# %% [markdown]
# The maximal alignment set holds all tokens at vertices. The others miss it by a gap of at most the sensitivity, since
# all that they hear, of which they are the mean, is within it.

# %%
gap = weights.alignment_gap
for delta in gap.alignment_sensitivity.values:
    one = gap.where(between).sel(alignment_sensitivity=delta)
    share = float(weights.maximal_share.sel(alignment_sensitivity=delta).mean())
    print(f"sensitivity {delta}: {share:.1%} of the tokens are aligned most, gaps {float(one.min()):.4f} to ", end="")
    print(f"{float(one.max()):.4f} of the others")
    assert one.max() < delta
assert float(gap.where(~between).max()) == 0

# %% [markdown]
# Pushed a little, they come back. At sensitivity 0 they rest on a tie, and a push makes them follow one vertex.


# %%
def pushed(state, tokens, sensitivity, influence):
    """Return where pushed tokens are after 400 steps, relative to where they were."""
    start = state.copy()
    start[tokens] += 1e-3 * random.normal(size=(tokens.sum(), state.shape[1]))
    model = lmdata.Localmax(sensitivity, influence=influence)
    end = lmdata.simulate(model, start, steps=400, record=[0, 400]).position.values[0, -1]
    return float(np.abs(end - state)[tokens].max())


random = np.random.default_rng(0)
moved = []
for which, seed in np.argwhere(between.any("token").values).tolist():
    state, tokens = ds.position.values[which, seed, -1], between.values[which, seed]
    moved.append(pushed(state, tokens, float(ds.alignment_sensitivity[which]), 1.0))
print(f"pushed by 1e-3 in {len(moved)} runs, they come back to within {max(moved):.0e}")
assert max(moved) < 1e-4

# %% [markdown]
# Hardmax: the limit is the point of what it hears that is nearest to the origin, by the norm of A. 2 of 10 tokens end
# so.

# %%
hardmax = lmdata.open("hardmax-followed-token").load()
found, off = limit_weights(hardmax), limit_polytope(hardmax).token_vertex.values[0] < 0
distance = float(found.projection_distance.max())
state = hardmax.position.values[0, -1]
away = pushed(state, off, 0.0, 0.5)
print(
    f"hardmax: {int(off.sum())} of 10 tokens, within {distance:.0e} of the projection; a push moves them by {away:.2f}"
)
assert distance < 1e-5
assert away > 0.5
