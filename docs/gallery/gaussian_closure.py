# %% [markdown]
"""Normal tokens stay normal under self-attention: two moments tell all of them (arXiv 2501.18322)."""

# %%
import numpy as np

import lmdata

# %%
ds = lmdata.open("gaussian-closure")
x = ds.position.load()
values = [[-1.0, 0.5], [-0.3, -0.4]]
theory = lmdata.gaussian_closure(x.time.values, np.zeros(2), np.eye(2), values=values)


# %%
def distances(x, expected):
    """Return how far the covariance of each run's tokens is from the closure's, relative to that, by time and seed."""
    centred = x - x.mean("token")
    found = (centred * centred.rename(component="other")).mean("token").transpose("time", "seed", "component", "other")
    off = np.sqrt(((found.values - expected[:, None]) ** 2).sum((-2, -1)))
    return off / np.sqrt((expected**2).sum((-2, -1)))[:, None]


# %%
off = np.sqrt((distances(x, theory.covariance) ** 2).mean(axis=1))
for time, value, spread in zip(x.time.values, off, theory.covariance, strict=True):
    print(f"t = {time:.1f}: trace of the covariance {np.trace(spread):.4f}, 1,000 tokens within {value:.1%}")
assert off.max() < 3 / np.sqrt(1000)

# %% [markdown]
# A law of large numbers: the distance falls as one over the root of their number.

# %%
model = lmdata.SelfAttention(form="plain", values=values, step_size=0.1, estimate_error=False)
numbers, found = (32, 128, 512), []
for n in numbers:
    runs = lmdata.simulate(model, lmdata.tokens.normal(n, 2), steps=20, record=[0, 20], seeds=range(48))
    end = lmdata.gaussian_closure([0.0, 2.0], np.zeros(2), np.eye(2), values=values).covariance
    found.append(float(np.sqrt((distances(runs.position, end)[1] ** 2).mean())))
    print(f"{n:3d} tokens at t = 2: {found[-1]:.3f}")
slope = np.polyfit(np.log(numbers), np.log(found), 1)[0]
print(f"falls as n to the {slope:.2f} (theory -1/2, tolerance 0.15)")
assert abs(slope + 0.5) < 0.15
