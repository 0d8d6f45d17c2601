# %% [markdown]
"""How large a vanishing sensitivity may begin so that tokens still end where hardmax takes them (arXiv 2509.15958)."""

# %%
import numpy as np

import lmdata
from lmdata import view

STEPS, SEEDS = 60, range(20)
tokens = lmdata.tokens.uniform(8, 2)
hardmax = lmdata.simulate(lmdata.Localmax(), tokens, steps=STEPS, seeds=SEEDS, record=[0, STEPS]).position.values[:, -1]

# %% [markdown]
# For delta(t) = delta0 ratio^t the exact list of the records of 60 steps: every delta0 at once. The record's end is
# hardmax's if no token is farther from it than 1e-6. Constant sensitivities (ratio 1) stand beside it.


# %%
def reach(name):
    """Return up to which delta0 the ends are hardmax's, for every start, and the share of larger ones that are too."""
    ds = lmdata.open(f"atlas-vanishing-{name}").load()
    until, again, begin = [], [], 0
    for number, count in enumerate(ds.interval_count.values.tolist()):
        own = ds.isel(interval=slice(begin, begin + count))
        begin += count
        same = np.abs(own.last_position.values - hardmax[number]).max(axis=(1, 2)) < 1e-6
        first = int(np.argmin(same))
        until.append(float(own.sensitivity_from[first]))
        again.append(bool(same[first:].any()))
    return np.array(until), np.mean(again)


until = {}
for ratio, name in ((1.0, "constant"), (0.9, "slow"), (0.5, "half"), (0.1, "fast")):
    until[f"ratio {ratio:g}"], again = reach(name)
    these = until[f"ratio {ratio:g}"]
    print(
        f"ratio {ratio:g}: hardmax's ends up to delta0 = {np.median(these):.4g} (median; {these.min():.2g} to", end=" "
    )
    print(f"{these.max():.2g}), and again beyond for {again:.0%} of the starts")
    assert (these > 0).all()

# %% [markdown]
# The sooner it vanishes, the larger it may begin.

# %%
assert np.median(until["ratio 0.1"]) > np.median(until["ratio 0.9"])
curves = {name: (np.sort(ends), 1 - np.arange(1, len(ends) + 1) / len(ends)) for name, ends in until.items()}
figures = {
    "atlas-vanishing": view.curves(
        curves,
        title="Vanishing sensitivities end as hardmax does",
        note=f"{len(SEEDS)} starts of 8 tokens, records of {STEPS} steps",
        x="delta0 (log scale)",
        y="share of the starts",
        logx=True,
    )
}
figures["atlas-vanishing"]
