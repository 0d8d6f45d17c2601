# %% [markdown]
"""Leaders of hardmax dynamics, and the clusters that gather round them (arXiv 2407.01602, figure 2)."""

# %%
import numpy as np

import lmdata


# %%
def measured(name):
    """Return the leaders (time, token), how far each token ends from a leader, and the vertices of the limit."""
    ds = lmdata.open(name)
    leader = lmdata.leaders(ds).isel(seed=0).values
    end = ds.position.isel(seed=0, time=-1).values
    away = np.linalg.norm(end[:, None] - end[leader[-1]], axis=-1).min(axis=1)
    return leader, away, int(lmdata.limit_polytope(ds).vertex_count[0])


# %% [markdown]
# Three starts whose tokens all gather round leaders.

# %%
for name in ("hardmax-emerging-leader", "hardmax-triangle", "hardmax-square"):
    leader, away, vertices = measured(name)
    count = leader.sum(axis=1)
    print(f"{name}: {count[0]} leaders at first, {count[-1]} from step {np.argmax(count == count[-1])} on, ", end="")
    print(f"{vertices} vertices; farthest token {away.max():.1e} from a leader (tolerance 1e-5)")
    assert (leader[:-1] <= leader[1:]).all(), "a leader stays one"
    assert count[-1] == vertices
    assert away.max() < 1e-5

# %% [markdown]
# A start with a followed token that is no leader.

# %%
leader, away, vertices = measured("hardmax-followed-token")
print(
    f"hardmax-followed-token: {int((away > 0.5).sum())} of {len(away)} tokens end {away.max():.3f} from every leader:"
)
print("  a cluster round a token that is no leader, but that others follow")
assert (leader[:-1] <= leader[1:]).all()
assert abs(away.max() - 1) < 1e-5

# %% [markdown]
# Random starts: leaders and vertices of the limit polytope.

# %%
ends = lmdata.limit_polytope(lmdata.open("hardmax-uniform-square")).load()
still = lmdata.leaders(lmdata.open("hardmax-uniform-square")).isel(time=-1).load()
print(f"20 random starts: every vertex of the limit holds a leader; {ends.vertex_count.values.tolist()} vertices")
for seed in range(still.sizes["seed"]):
    led = ends.token_vertex.isel(seed=seed).values[still.isel(seed=seed).values]
    assert set(led[led >= 0]) == set(range(int(ends.vertex_count[seed])))
