# %% [markdown]
"""How large a vanishing sensitivity may begin so that tokens still end where hardmax takes them (arXiv 2509.15958)."""

# %%
import numpy as np

import lmdata

STEPS, SEEDS = 60, range(20)
tokens = lmdata.tokens.uniform(8, 2)
hardmax = lmdata.simulate(lmdata.Localmax(), tokens, steps=STEPS, seeds=SEEDS, record=[0, STEPS]).position.values[:, -1]

# %% [markdown]
# For delta(t) = delta0 ratio^t the exact list of the records of 60 steps: every delta0 at once. The record's end is
# hardmax's if no token is farther from it than 1e-6. Constant sensitivities (ratio 1) stand beside it.


# %%
def reach(ratio):
    """Return up to which delta0 the ends are hardmax's, for every start, and the share of larger ones that are too."""
    shape = lmdata.schedules.Geometric(1.0, ratio) if ratio < 1 else 0.0
    ds = lmdata.atlas(lmdata.Localmax(shape), tokens, seeds=SEEDS, steps=STEPS)
    until, again, begin = [], [], 0
    for number, count in enumerate(ds.interval_count.values.tolist()):
        own = ds.isel(interval=slice(begin, begin + count))
        begin += count
        same = np.abs(own.last_position.values - hardmax[number]).max(axis=(1, 2)) < 1e-6
        first = int(np.argmin(same))
        until.append(float(own.sensitivity_from[first]))
        again.append(bool(same[first:].any()))
    return np.array(until), np.mean(again)


for ratio in (1.0, 0.9, 0.5, 0.1):
    until, again = reach(ratio)
    print(
        f"ratio {ratio:g}: hardmax's ends up to delta0 = {np.median(until):.4g} (median; {until.min():.2g} to", end=" "
    )
    print(f"{until.max():.2g}), and again beyond for {again:.0%} of the starts")
    assert (until > 0).all()

# %% [markdown]
# The sooner it vanishes, the larger it may begin.

# %%
slow, fast = reach(0.9)[0], reach(0.1)[0]
assert np.median(fast) > np.median(slow)
