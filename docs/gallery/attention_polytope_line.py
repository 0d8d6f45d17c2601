"""With V = diag(1, 1, -1/2): a polygon in the plane of eigenvalue 1, times a line (arXiv 2305.05465)."""

import numpy as np
from scipy.spatial import ConvexHull

import lmdata

ends = lmdata.open("attention-polytope-line").position.isel(time=-1)
away, corners = [], []
for seed in ends.seed:
    plane = ends.sel(seed=seed).values[:, :2]
    hull = ConvexHull(plane)
    inside = -(hull.equations[:, :2] @ plane.T + hull.equations[:, 2:]).max(axis=0)
    away.append(np.minimum(inside, np.linalg.norm(plane, axis=1)).max())
    corners.append(len(np.unique(plane[hull.vertices].round(3), axis=0)))

print(f"corners of the polygon: {corners}, of 20 tokens")
print(f"largest distance of a token from boundary or origin, in the plane: {max(away):.1e} (tolerance 1e-2)")
assert max(away) < 1e-2
