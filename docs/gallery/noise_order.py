# %% [markdown]
"""Order against noise: above a temperature it sets in continuously, below it with a jump (arXiv 2606.05140)."""

# %%
import json

import numpy as np

import lmdata

# %% [markdown]
# Two starts, uniform ("up") and aligned ("down"), at noise s and so at the strength K = s^-2. Where both come to one
# order parameter the past is forgotten; where they do not there is hysteresis. A disordered state of n tokens has
# about n^-1/2.

# %%
print("tricritical:", {d: round(lmdata.tricritical_temperature(d), 6) for d in (2, 3, 4)})
assert [round(lmdata.tricritical_temperature(d), 6) for d in (2, 3, 4)] == [2.446918, 1.816155, 1.575257]
RUNS = {
    1.0: (lmdata.open("noise-continuous-up"), lmdata.open("noise-continuous-down")),
    8.0: (lmdata.open("noise-jump-up"), lmdata.open("noise-jump-down")),
}
ends = {}
for beta, (up, down) in RUNS.items():
    critical = lmdata.critical_strength(beta)
    print(f"beta = {beta:g}: K# = {critical:.6f}")
    for scale in up.scale.values:
        order = [float(lmdata.order_parameter(ds.sel(scale=[scale])).isel(time=-1).mean()) for ds in (up, down)]
        ratio = round(scale**-2 / critical, 2)
        ends[beta, ratio] = order
        print(f"  K = {ratio:.2f} K#: {order[0]:.3f} from uniform, {order[1]:.3f} from aligned tokens")

# %% [markdown]
# At beta = 1 the self-consistent density has the order 0.49, 0.815 and 0.905 at 1.1, 1.5 and 2 K#, and none below; at
# beta = 8 it has 0.927 beside none at 0.9 K#. There few tokens come to the one from the other in time, by chance.

# %%
assert max(ends[1.0, 0.5] + ends[1.0, 0.7]) < 3 * 200**-0.5
for ratio, order in ((1.5, 0.815), (2.0, 0.905)):
    assert all(abs(found - order) < 0.05 for found in ends[1.0, ratio])
assert all(0.3 < found < 0.7 for found in ends[1.0, 1.1])
assert max(ends[8.0, 0.6]) < 3 * 200**-0.5
assert ends[8.0, 1.3][0] > 3 * 200**-0.5, "beyond K# uniform tokens are on their way"
assert ends[8.0, 1.3][1] > 0.9
assert ends[8.0, 0.9][0] < 0.3 < 0.75 < ends[8.0, 0.9][1], "below K# the past decides"

# %% [markdown]
# The same as one run: the strength rises and falls again, slowly. At beta = 8 the way up and the way down are apart
# over an interval below and above K#; at beta = 1 they are one.


# %%
def branches(ds):
    """Return the strength, in K#, of each level of the ramp, and the order there on the way up and down."""
    ramp = ds.attrs["model"]
    scale = np.array(json.loads(ramp)["scale"]["pieces"])
    frames = (ds.sizes["time"] - 1) // scale.size  # a level; the first half of them is on the way there
    order = lmdata.order_parameter(ds).mean("seed").isel(time=slice(1, None)).values.reshape(scale.size, frames)
    top = scale.size // 2
    held = order[:, frames // 2 :].mean(axis=1)
    strength = scale**-2.0 / lmdata.critical_strength(json.loads(ramp)["model"]["inverse_temperature"])
    return strength[: top + 1], held[: top + 1], held[top:][::-1]


ramps = {1.0: branches(lmdata.open("noise-ramp-continuous")), 8.0: branches(lmdata.open("noise-ramp-jump"))}
for beta, levels in ramps.items():
    print(f"beta = {beta:g}")
    for ratio, up, down in zip(*levels, strict=True):
        print(f"  K = {ratio:.2f} K#: {up:.3f} on the way up, {down:.3f} on the way down")
ratio, up, down = ramps[1.0]
assert np.abs(up - down).max() < 0.15
np.testing.assert_allclose([up[7:], down[7:]], [[0.635, 0.720, 0.776]] * 2, rtol=0, atol=0.05)  # self-consistent
ratio, up, down = ramps[8.0]
inside, outside = (ratio > 0.85) & (ratio < 1.05), (ratio < 0.75) | (ratio > 1.15)
assert (down - up)[inside].min() > 0.5, "between 0.78 K# and K# both are stable, and the past decides"
assert np.abs(down - up)[outside].max() < 0.21
