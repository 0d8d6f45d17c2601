# %% [markdown]
"""Which words of a film review gather first: the shortest, as random vectors of the same lengths do, of any kind."""

# %%
import numpy as np

import lmdata
from lmdata.analysis.clusters import clusters
from lmdata.analysis.polytope import TOLERANCE

FUNCTION = """the and for an i was not that it would ever its but then into down his two of them with such"""
"""Articles, prepositions, pronouns, conjunctions and their like: the words that a sentence of any subject has."""

review = lmdata.open("film-review")
null = lmdata.open("film-review-null")
words = np.array([name.split("@")[0] for name in review.token.values.astype(str)])
start = review.position.isel(alignment_sensitivity=0, seed=0, time=0).values
length = np.linalg.norm(start, axis=1)
function = np.isin(np.char.lower(words), FUNCTION.split())
sensitivity = review.alignment_sensitivity.values
print(f"{len(words)} words, {function.sum()} of them function words; median length of these", end=" ")
print(f"{np.median(length[function]):.2f}, of the others {np.median(length[~function]):.2f}, of the longest word 1")

# %% [markdown]
# How many clusters: the words; random directions of the same lengths, 20 seeds (a word that occurs twice keeps one
# direction); and the words, all made of unit length.


# %%
def ends(ds):
    """Return the number of each token's cluster in the last frame, (sensitivity, seed, token)."""
    last = ds.position.isel(time=-1).values
    return np.array([[clusters(state, TOLERANCE) for state in states] for states in last])


def largest(cluster):
    """Return which tokens are in the largest cluster."""
    return cluster == np.argmax(np.bincount(cluster))


own, other = ends(review)[:, 0], ends(null)
unit = lmdata.simulate(
    lmdata.Localmax(),
    start / length[:, None],
    steps=80,
    record=[0, 80],
    sweep={"alignment_sensitivity": sensitivity.tolist()},
)
distinct = len(np.unique(start, axis=0))
count = np.array([len(np.unique(row)) for row in own])
band = np.array([[len(np.unique(row)) for row in rows] for rows in other])
alike = np.array([len(np.unique(rows[0])) for rows in ends(unit)])
print("sensitivity  clusters   of the null      at unit lengths")
for k, delta in enumerate(sensitivity):
    print(f"{delta:11g} {count[k]:9d}   {band[k].min():2d} to {band[k].max():2d} {alike[k]:19d}")
low = sensitivity <= 0.05
inside = (band.min(axis=1) <= count) & (count <= band.max(axis=1))
assert inside[low].all(), "up to 0.05 the words are in as many clusters as random directions"
assert (count < band.min(axis=1))[(sensitivity >= 0.1) & (sensitivity < 1)].all(), (
    "beyond, in fewer: there directions show"
)
assert (alike[sensitivity <= 0.2] == distinct).all(), "at unit lengths no two different words gather up to 0.2"

# %% [markdown]
# Who is in the largest cluster. The area under the curve (AUC) is the chance that a word of it comes before one
# outside, in the order of length, shortest first, or in that of the label, function words first.


# %%
def auc(score, inside):
    """Return the probability that a score inside is above one outside, ties counted half."""
    above = score[inside][:, None] - score[~inside]
    return float((above > 0).mean() + (above == 0).mean() / 2)


some = [k for k, delta in enumerate(sensitivity) if delta < 1]
print("sensitivity  words, function words   of the null (means)   AUC of length  of the label")
by_length, by_label = np.ones(len(some)), np.ones(len(some))
for k in some:
    member = largest(own[k])
    drawn = np.array([largest(row) for row in other[k]])
    by_length[k], by_label[k] = auc(-length, member), auc(function.astype(float), member)
    here = f"{member.sum():2d}, {(member & function).sum():2d}"
    there = f"{drawn.sum(axis=1).mean():4.1f}, {(drawn & function).sum(axis=1).mean():4.1f}"
    print(f"{sensitivity[k]:11g} {here:>21} {there:>20} {by_length[k]:16.3f} {by_label[k]:13.3f}")
    share = (drawn & function).sum(axis=1) / drawn.sum(axis=1)
    held = (member & function).sum() / member.sum()
    assert held <= share.max() + 0.02, "function words are no larger a part of it than by length alone"
assert (by_length > by_label).all()
assert (by_length[np.isin(sensitivity[:-1], [0.1, 0.15, 0.2])] == 1).all(), (
    "every word of it is shorter than all others"
)
assert by_label.max() < 0.9

# %% [markdown]
# Cosines of different words at the start: those of the largest cluster hardly point one way; where the words beside
# it gather, they do.

# %%
direction = start / length[:, None]
cosine = direction @ direction.T
pairs = np.triu(cosine < 1 - 1e-9, 1)
print(f"median cosine of all pairs {np.median(cosine[pairs]):.3f}")
for k in some:
    together = pairs & (own[k][:, None] == own[k])
    main = np.outer(largest(own[k]), largest(own[k]))
    inner, beside = cosine[together & main], cosine[together & ~main]
    print(f"{sensitivity[k]:11g}: in the largest cluster {np.median(inner):.3f} of {inner.size} pairs; ", end="")
    print(f"in others {np.median(beside):.3f} of {beside.size}" if beside.size else "no pairs in others")
    if sensitivity[k] >= 0.05:
        assert np.median(inner) < 0.05
    if 0.2 <= sensitivity[k] <= 0.4:
        assert np.median(beside) > 0.2

# %% [markdown]
# What has not settled: some token is still farther from its neighbour mean than the tolerance, so that the clusters of
# these sensitivities are those of step 80 and may be none of the limit.

# %%
settled = lmdata.limit_polytope(review).settled.isel(seed=0).load()
print(f"not settled after 80 steps: {sensitivity[~settled.values].tolist()}")
assert sensitivity[~settled.values].tolist() == [0.4, 0.6]
