# %% [markdown]
"""Order against noise: above a temperature it sets in continuously, below it with a jump (arXiv 2606.05140)."""

# %%
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
