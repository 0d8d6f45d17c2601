# %% [markdown]
"""Opinions at equal distances: consensus, three groups, and consensus again as the line grows (arXiv 2107.12906).

Bounded confidence of Hegselmann and Krause, each opinion stepping to the mean of those within radius 1, on [0, L].
"""

# %%
import numpy as np

import lmdata

# %%
ds = lmdata.open("opinions-line")
ends = np.sort(ds.position.isel(seed=0, time=-1, component=0).load().values, axis=-1)
for radius, end in zip(ds.radius.values, ends, strict=True):
    groups = np.split(end, 1 + np.flatnonzero(np.diff(end) > 1e-6 * radius))
    print(f"L = {5000 / radius:.1f}: {len(groups)} groups, of {[len(group) for group in groups]} of 5,001 opinions")
found = [1 + int((np.diff(end) > 1e-6 * radius).sum()) for radius, end in zip(ds.radius.values, ends, strict=True)]
assert found == [1, 1, 3, 1, 3]

# %% [markdown]
# The diagram over L and n. With an even number there is no opinion in the middle to hold the halves together.

# %%
lengths = np.arange(46, 77) / 10
print("groups for L = 4.6, 4.7, ..., 7.6")
table = {}
for n in (50, 51, 100, 101, 200, 201, 500, 501):
    tokens = lmdata.tokens.spaced(n, -(n - 1) / 2, (n - 1) / 2)
    runs = lmdata.simulate(
        lmdata.BoundedConfidence(influence=1e16), tokens, steps=500, record=[500], sweep={"radius": (n - 1) / lengths}
    )
    line = np.sort(runs.position.isel(seed=0, time=0, component=0).values, axis=-1)
    apart = np.diff(line, axis=-1) > 1e-6 * runs.radius.values[:, None]
    table[n] = 1 + apart.sum(axis=-1)
    print(f"  n = {n:3d}  " + "".join(map(str, table[n])))
for n in (51, 101, 201, 501):
    assert (table[n][lengths <= 5.2] == 1).all(), "consensus up to 5.23"
    assert (table[n][lengths >= 7.0] == 3).all()
for n in (50, 100, 200):
    assert (table[n][lengths <= 5.0] != 1).any(), "even numbers part earlier"
assert {1, 3} == set(table[501]), "odd numbers have a middle"
assert (table[501][(lengths > 5.67) & (lengths < 6.84)] == 1).any(), "and consensus again"
