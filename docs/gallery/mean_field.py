# %% [markdown]
"""Particles follow the density of the mean-field limit, to one over the root of their number (arXiv 2501.03096)."""

# %%
import itertools

import numpy as np

import lmdata
from lmdata.analysis.uniformity import mean_distance

# %% [markdown]
# Tokens that are drawn from the uniform density climb the energy of D = diag(1, 0.4, -0.2) on the sphere, and so does
# that density itself. The square of their energy distance, times n over the mean distance of two tokens, is one at the
# start in the mean, and stays of that size: tokens are as near to the density as random draws from it.

# %%
density = lmdata.open("mean-field-density").isel(seed=0).load()
particles = {
    32: lmdata.open("mean-field-32").load(),
    128: lmdata.open("mean-field-128").load(),
    512: lmdata.open("mean-field-512").load(),
}
scaled = {}
for n, ds in particles.items():
    square = lmdata.energy_distance(ds, density) ** 2 * n / mean_distance(3)
    mean, error = square.mean("seed").values, square.std("seed", ddof=1).values / np.sqrt(ds.sizes["seed"])
    scaled[n] = mean, error
    told = ", ".join(f"{m:.2f} +- {e:.2f}" for m, e in zip(mean, error, strict=True))
    print(f"n = {n}: {told} at t = {ds.time.values.tolist()}")
    assert abs(mean[0] - 1) < 3 * error[0]

# %% [markdown]
# The same for all n within three standard errors, so that the distance falls as n^-1/2.

# %%
numbers = np.array(list(particles))
for one, other in itertools.pairwise(numbers):
    apart = np.abs(scaled[one][0] - scaled[other][0])
    assert (apart < 3 * np.hypot(scaled[one][1], scaled[other][1])).all()
ends = [np.log(scaled[n][0][-1] / n) / 2 for n in numbers]
slope = np.polyfit(np.log(numbers), ends, 1)[0]
relative = [scaled[n][1][-1] / scaled[n][0][-1] / 2 for n in (32, 512)]  # the middle one has no weight in the slope
error = np.hypot(*relative) / np.log(512 / 32)
print(f"the distance at the last time goes as n^({slope:.3f} +- {error:.3f})")
assert abs(slope + 0.5) < 3 * error

# %% [markdown]
# The second moments follow too.

# %%
points = lmdata.SphereDensityFlow().cells(density.sizes["token"]).points
expected = np.einsum("tk,ka,kb->tab", density.position.values[..., 0], points, points)
for n, ds in particles.items():
    x = ds.position.values
    moments = np.einsum("stia,stib->stab", x, x) / n
    error = np.sqrt(((moments - expected) ** 2).sum(axis=(-2, -1)).mean(axis=0))
    print(
        f"n = {n}: second moments off by {error.round(4).tolist()}, times sqrt(n) {(error * n**0.5).round(2).tolist()}"
    )
    assert (error * n**0.5 < 3).all()

# %% [markdown]
# Fewer cells do not change the density's moments: what is left is the particles' own.

# %%
D = np.diag([1.0, 0.4, -0.2])
model = lmdata.SphereDensityFlow(alignment=D, direction="ascent", step_size=0.05, estimate_error=False)
coarse = lmdata.simulate(model, lmdata.tokens.density(200, surface="sphere"), steps=24, record=8)
cells = model.cells(200).points
apart = np.abs(np.einsum("tk,ka,kb->tab", coarse.position.values[0, ..., 0], cells, cells) - expected).max()
energy = lmdata.energy(density, alignment=D)
print(f"200 cells: second moments within {apart:.1e}; the energy falls at {int(energy.against)} stored steps")
assert apart < 1e-5
assert energy.against == 0
assert np.abs(density.position.sum("token") - 1).max() < 1e-12

# %% [markdown]
# Normalised attention (SA) climbs the same energy by the square of its slope in the metric in which SA is a gradient
# flow, and in no other.

# %%
ds = lmdata.open("normalised-ascent").load()
energy = lmdata.energy(ds, alignment=D).interaction_energy.values
rise = energy[:, -1] - energy[:, 0]
for metric in ("normalised", "wasserstein"):
    square = lmdata.energy_slope(ds, metric=metric, alignment=D).values ** 2
    step = float(ds.time[1] - ds.time[0])
    total = step / 3 * (square[:, 0] + square[:, -1] + 4 * square[:, 1:-1:2].sum(1) + 2 * square[:, 2:-1:2].sum(1))
    off = np.abs(total / rise - 1)
    print(f"SA: the energy rises by the integral of the squared slope, metric {metric}, within {off.max():.1e}")
    assert off.max() < 1e-6 if metric == "normalised" else off.min() > 0.1
