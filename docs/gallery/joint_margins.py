# %% [markdown]
"""Prompt and value vector share one geometry: who supports the separator of v holds the margin of p (2306.13596)."""

# %%
import numpy as np

import lmdata
from lmdata.selection import direction_correlation, margins, solutions, value_correlation

# %% [markdown]
# Trained together, v turns to the separator of the labels at the selected tokens and p to its own; in the second
# problem the third sample is beyond the label margin, supports no v, and is relaxed in the problem of p.

# %%
for name in ("selection-joint-tight", "selection-joint-loose"):
    ds = lmdata.open(name).load()
    found = solutions(ds)
    of_prompt = direction_correlation(ds, found)[0, 0, -1, 0].item()
    of_value = value_correlation(ds, found)[0, 0, -1, 0].item()
    best = found.isel(seed=0, solution=0)
    support, chosen = best.value_support.values, best.selected_token.values
    tokens = ds.token_vector.isel(seed=0).values
    gaps = np.array([(tokens[i, s] - tokens[i, 1 - s]) @ best.direction.values for i, s in enumerate(chosen)])
    held = margins(ds)[0, 0, -1].values / np.linalg.norm(ds.value[0, 0, -1])
    print(f"{name}: correlation {of_value:.6f} of v, {of_prompt:.6f} of p")
    print(f"    label margins along v {held.round(3)}, at the largest one: {support}; gaps in p_mm {gaps.round(6)}")
    assert min(of_prompt, of_value) > 0.9999
    assert abs(gaps[support].min() - 1) < 1e-8
    assert (gaps[~support] >= 0).all()

# %% [markdown]
# The regularisation path: the best v and p in balls of radius r and R. As both grow, the directions tend to the same
# two.

# %%
path = lmdata.open("selection-joint-path").load()
path = path.isel(start=path.loss.isel(iteration=-1, drop=True).argmin("start"))
found = solutions(lmdata.open("selection-joint-loose").load())
of_prompt = direction_correlation(path, found).isel(seed=0, solution=0, iteration=-1)
of_value = value_correlation(path, found).isel(seed=0, solution=0, iteration=-1)
left = np.array(
    [[1 - of.sel(radius=r, value_radius=r).item() for of in (of_prompt, of_value)] for r in path.radius.values]
)
for r, (p, v) in zip(path.radius.values, left, strict=True):
    print(f"R = r = {r:4g}: one minus the correlation is {p:.1e} of p, {v:.1e} of v")
assert (np.diff(left[:, 0]) < 0).all()
assert left[-1].max() < 1e-4
