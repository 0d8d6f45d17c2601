# %% [markdown]
"""A sensitivity that changes for ever: vertices keep the gap of its upper limit, and tokens leave closed sets again."""

# %%
import numpy as np

import lmdata
from lmdata.analysis import limit_polytope, quiescent_sets

runs = {
    "periodic": lmdata.open("localmax-periodic"),
    "switching": lmdata.open("localmax-switching"),
    "power": lmdata.open("localmax-power"),
}
schedules = {
    "periodic": lmdata.schedules.Periodic((0.3, 0.3, 0.05, 0.05)),
    "switching": lmdata.schedules.Piecewise((0.4, 0.0, 0.2), (3, 10)),
    "power": lmdata.schedules.Power(0.4, 0.25),
}
limits = {name: limit_polytope(ds.assign(lmdata.certify(ds).data_vars)).load() for name, ds in runs.items()}

# %% [markdown]
# Vertex gaps: a token at a vertex v that hears another limit w again and again does not come to rest, so that
# <v, v - w> is at least the upper limit of delta(t): .3, .2 and 0.

# %%
for (name, limit), upper in zip(limits.items(), (0.3, 0.2, 0.0), strict=True):
    proved = int(limit.limits_certified.sum())
    least = float(limit.gap.where(limit.settled).min())
    print(f"{name}: limits of {proved} of 40 seeds proved; least vertex gap {least:.3f}, not below {upper}")
    assert least >= upper - 1e-6
gap = limits["power"].gap.min("vertex")
now = schedules["power"].values(481)[-1]
print(f"power: at the last step the sensitivity is {now:.3f}, and the least gap {float(gap.min()):.3f}")
assert float(gap.min()) > now

# %% [markdown]
# Quiescent regions: a probe with <x, v - w> above every later sensitivity, for all other w, stays so and goes to v at
# the rate 1 / (1 + alpha). Above the least of them alone it may be drawn away.


# %%
def follow(probe, points, sizes, deltas):
    """Return the way of a token that nobody hears, among limit points that rest."""
    way = [probe]
    for delta in deltas:
        score = points @ probe
        heard = (score >= score.max() - delta) * sizes
        probe = (probe + heard @ points / heard.sum()) / 2
        way.append(probe)
    return np.array(way)


random = np.random.default_rng(0)
for name, schedule in schedules.items():
    deltas = schedule.values(40)
    kept = drawn = 0
    for seed in range(40):
        limit = limits[name].isel(seed=seed)
        _, first, sizes = np.unique(limit.cluster, return_index=True, return_counts=True)
        points, vertex = limit.limit_position.values[first], limit.token_vertex.values[first]
        for probe in random.dirichlet(np.full(len(points), 0.5), 20) @ points:
            v = int((points @ probe).argmax())
            margin = np.delete((points[v] - points) @ probe, v).min(initial=np.inf)
            gaps = np.delete((points[v] - points) @ points[v], v).min(initial=np.inf)
            if vertex[v] < 0 or not deltas.min() < margin < np.inf or gaps < deltas.max():
                continue
            distance = np.linalg.norm(follow(probe, points, sizes, deltas) - points[v], axis=1)
            straight = np.allclose(distance[1:], distance[:-1] / 2, rtol=1e-9, atol=1e-12)
            if margin > deltas.max():
                kept += 1
                assert straight
            else:
                drawn += not straight
    print(f"{name}: {kept} probes in quiescent regions of all later sensitivities, all go straight to v;")
    print(f"    of those in the region of the least sensitivity alone, {drawn} do not")
    assert kept > 50

# %% [markdown]
# Exits: tokens that are in a closed set of their vertex at one step and in none at the next. A constant sensitivity
# has them as well, before neighbourhoods settle.

# %%
runs["constant .3"] = lmdata.simulate(lmdata.Localmax(0.3), lmdata.tokens.uniform(24, 2), steps=120, seeds=range(40))
exits = {name: quiescent_sets(ds).exits.sum("token").load() for name, ds in runs.items()}
for name, count in exits.items():
    print(f"{name}: {int(count.sum())} exits, in {int((count > 0).sum())} of 40 runs")
    assert count.sum() > 0
assert (exits["switching"] > 0).sum() > (exits["constant .3"] > 0).sum()
