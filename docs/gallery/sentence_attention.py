# %% [markdown]
"""Attention trained on labelled sentences settles on one word of each, random vectors or not; words decide on which."""

# %%
import numpy as np

import lmdata
from lmdata.selection import TokenSelection, attention, given, sentences, train

ds = lmdata.open("selection-sentences")
problem = sentences(features=32).draw(0)
labels = problem.labels.astype(int)
words = [np.array(sample) for sample in problem.words]
samples = range(len(words))


# %%
def settled(trained):
    """Return the largest weight of each sentence in the last frame, and the place of the word that has it."""
    weight = attention(trained).isel(start=0, seed=0, iteration=-1).values
    return np.nanmax(weight, axis=-1), np.nanargmax(weight, axis=-1)


heard = {word: {int(labels[i]) for i in samples if word in words[i]} for word in set(np.concatenate(words))}
judges = [np.array([len(heard[word]) == 1 for word in sample]) for sample in words]
"""Whether a word stands in sentences of one label alone: what any vectors could learn."""


def share(places):
    """Return the share of sentences whose word stands in sentences of one label alone."""
    return float(np.mean([judges[i][place] for i, place in enumerate(places)]))


top, place = settled(ds)
chosen = [words[i][place[i]] for i in samples]
print(f"{len(words)} sentences; the largest weight of a sentence is {top.mean():.2f} on average, on such words as")
print(f"  {', '.join(chosen[:12])}")
assert top.mean() > 0.9
assert {"wonderful", "terrible", "delicious"} <= set(chosen)

# %% [markdown]
# The null model: every word as long as it is, in a random direction, the same wherever it stands; ten seeds.

# %%
flat = np.concatenate([problem.tokens[i, : len(words[i])] for i in samples])
ends = np.cumsum([len(sample) for sample in words])[:-1]
tops, shares = [], []
for drawn in lmdata.tokens.random_directions(flat).draw_batch(range(10)):
    tokens = np.zeros_like(problem.tokens)
    for i, sample in enumerate(np.split(drawn, ends)):
        tokens[i, : len(sample)] = sample
    null = given(tokens, labels, lengths=problem.lengths)
    trained = train(TokenSelection(trained="joint"), null, steps=2000, record=[2000])
    top_null, place_null = settled(trained)
    tops.append(top_null.mean())
    shares.append(share(place_null))
print(f"random directions: a largest weight of {min(tops):.2f} to {max(tops):.2f}: to settle is no property of words")
assert min(tops) < top.mean() < max(tops)

# %% [markdown]
# Which word: one that stands in sentences of one label alone is chosen more often than by chance, with any vectors;
# with those of the words more often still.

# %%
chance = np.mean([row.mean() for row in judges])
print(f"sentences whose word stands under one label alone: {share(place):.2f}; a word picked blindly: {chance:.2f};")
print(f"random directions: {min(shares):.2f} to {max(shares):.2f}")
assert share(place) > max(shares) > min(shares) > chance
