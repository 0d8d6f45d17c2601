# %% [markdown]
"""The uniform pattern: descent of the energy for D = I spreads tokens evenly, and disturbances fade by their degree."""

# %%
import numpy as np

import lmdata
from lmdata.analysis.second_variation import MINIMUM
from lmdata.numerics.cells import zonal_polynomials

# %% [markdown]
# Twelve tokens on the circle at beta = 4, from twenty random starts. The distance to uniform starts at that of random
# tokens, the root of 4 / pi / n in the mean square, and ends at that of a regular polygon, of the order 1/n; there all
# moments of the degrees 1 to 11 are zero, and the second variation says that it is a minimum.

# %%
ds = lmdata.open("uniform-pattern").load()
n = ds.sizes["token"]
found = lmdata.uniformity(ds, degrees=n)
random, polygon = 4 / np.pi / n, 4 / np.pi - 2 / n / np.tan(np.pi / (2 * n))
square = found.distance_to_uniform**2
first = square.isel(time=0)
print(f"square of the distance to uniform: {float(first.mean()):.4f} at first, random tokens have {random:.4f};")
print(f"  in the end {float(square.isel(time=-1).min()):.6f} to {float(square.isel(time=-1).max()):.6f},", end=" ")
print(f"a regular polygon {polygon:.6f}")
assert abs(first.mean() - random) < 3 * first.std(ddof=1) / np.sqrt(first.size)
assert np.abs(square.isel(time=-1) - polygon).max() < 1e-6
power = found.harmonic_power.isel(time=-1)
below, at = float(power[:, :-1].max()), float(power[:, -1].min())
print(f"  powers of the degrees 1 to {n - 1} at most {below:.1e}, of degree {n} {at:.6f}")
assert power[:, :-1].max() < 1e-9
kind = lmdata.second_variation(ds.isel(time=[-1]), inverse_temperature=4.0, tolerance=1e-5).critical_kind
assert (kind == MINIMUM).all()

# %% [markdown]
# A density on the sphere, 1e-8 away from uniform in each of the degrees 1 to 5, under ascent: each degree grows at the
# rate of Funk and Hecke, l (l + 1) a_l / beta.

# %%
density = lmdata.open("sphere-density-modes").load()
cells = lmdata.SphereDensityFlow().cells(density.sizes["token"])
harmonics = zonal_polynomials(cells.points[:, 2], 5, 3)[1:]
moments = density.position.values[0, :, :, 0] @ harmonics.T
times = density.time.values
rates = np.log(moments[-1] / moments[0]) / (times[-1] - times[0])
theory = lmdata.uniform_growth(4.0, 5, components=3)
for degree, (rate, expected) in enumerate(zip(rates, theory, strict=True), 1):
    print(f"degree {degree}: grows at the rate {rate:.6f}, theory {expected:.6f}")
assert np.abs(rates / theory - 1).max() < 1e-5
mass = density.position.sum("token")
assert np.abs(mass - 1).max() < 1e-12

# %% [markdown]
# Uniform itself, it rests.

# %%
uniform = lmdata.simulate(
    lmdata.SphereDensityFlow(direction="ascent", inverse_temperature=4.0, step_size=0.0025),
    lmdata.tokens.density(288, surface="sphere"),
    steps=40,
    record=40,
)
moved = float(np.abs(uniform.position[0, 1] - uniform.position[0, 0]).max())
print(f"the uniform density moves by {moved:.1e}")
assert moved < 1e-14
