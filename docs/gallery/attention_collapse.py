"""With V = -I, plain tokens collapse to the origin (arXiv 2305.05465)."""

import numpy as np

import lmdata

size = np.abs(lmdata.open("attention-collapse").position).max(("seed", "token", "component")).load()

print("largest |x|:", {float(t): round(float(size.sel(time=t)), 3) for t in (0, 5, 10, 20)})
print("it decreases at every stored time; the decay is slow, for tokens repel each other: no rate is claimed")
assert (np.diff(size) < 0).all()
assert float(size[-1]) < 0.15 * float(size[0])
