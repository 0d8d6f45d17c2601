# %% [markdown]
"""Attention that fits wrong labels may predict well all the same: benign overfitting (2409.17625)."""

# %%
import numpy as np

import lmdata
from lmdata.selection import attention, label_noise, margins, token_scores

ds = lmdata.open("selection-label-noise").load()
wrong = token_scores(ds).isel(token=0, drop=True) < 0
fitted = (margins(ds) > 0).isel(start=0).mean("sample")
fresh = label_noise(200, flipped=0.0).draw(1000)
predicted = (margins(ds, fresh) > 0).isel(start=0).mean("sample")
weight = attention(ds).isel(start=0, token=0)
right, false = weight.where(~wrong).mean(["seed", "sample"]), weight.where(wrong).mean(["seed", "sample"])
print(f"{int(wrong.sum())} labels of {wrong.size} are wrong, of four seeds; 200 fresh samples")
for k, iteration in enumerate(ds.iteration.values):
    print(
        f"iteration {iteration:4d}: {fitted[:, k].mean().item():.3f} of the labels are fitted, "
        f"{predicted[:, k].min().item():.3f} of the fresh ones predicted; weight on token 0 is {right[k].item():.3f} "
        f"where the label is right, {false[k].item():.3f} where it is wrong"
    )
assert (fitted[:, 0] == 0.8).all(), "at first the prediction is that of the class, which four labels in twenty are not"
assert fitted[:, -1].sum() * 20 >= 79
assert predicted[:, -1].min() > 0.99
assert right[-1] > 0.99
assert false[-1] < 0.01

# %% [markdown]
# What is selected where the label is wrong? Not the class, but a token whose noise scores for the wrong label.

# %%
score = (attention(ds).isel(start=0, iteration=-1) * token_scores(ds)).sum("token")
left = float(score.where(wrong).min())
print(f"the least score of what is attended to there is {left:.4f}, that of token 0 about -0.7")
assert left > -0.05
assert float(token_scores(ds).isel(token=0).where(wrong).max()) < -0.5

# %% [markdown]
# A weaker signal among as much noise (500 features): labels are fitted all the same, and prediction gains nothing.

# %%
ds = lmdata.open("selection-label-noise-signal").load()
fitted = (margins(ds) > 0).isel(start=0).mean(["seed", "sample"])
last = []
for k, signal in enumerate(ds.signal.values):
    fresh = label_noise(500, 8, 500, signal=signal, flipped=0.0).draw(1000)
    predicted = (margins(ds.sel(signal=signal), fresh) > 0).isel(start=0).mean(["seed", "sample"]).values
    last.append(predicted[-1])
    print(
        f"signal {signal:4g}: {fitted[k, -1].item():.3f} of the labels fitted, {predicted[-1]:.3f} of the fresh "
        f"samples predicted, {predicted[0]:.3f} before training"
    )
assert fitted[:, -1].min() * 80 >= 79
np.testing.assert_allclose(last, [0.55, 0.58, 0.63, 0.90, 1.0, 1.0], rtol=0, atol=0.034)
assert predicted[-1] > 0.99
