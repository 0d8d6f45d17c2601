"""With V = I, rescaled tokens end on the boundary of a polytope, or at the origin (arXiv 2305.05465)."""

import numpy as np
from scipy.spatial import ConvexHull

import lmdata

ends = lmdata.open("attention-polytope").position.isel(time=-1)
away, corners = [], []
for seed in ends.seed:
    tokens = ends.sel(seed=seed).values
    hull = ConvexHull(tokens)
    inside = -(hull.equations[:, :2] @ tokens.T + hull.equations[:, 2:]).max(axis=0)  # distance to the boundary
    away.append(np.minimum(inside, np.linalg.norm(tokens, axis=1)).max())
    corners.append(len(np.unique(tokens[hull.vertices].round(6), axis=0)))

print(f"corners of the limit: {corners}, of 20 tokens")
print(f"largest distance of a token from the boundary or the origin: {max(away):.1e} (tolerance 1e-6)")
assert max(away) < 1e-6
assert max(corners) < 20
