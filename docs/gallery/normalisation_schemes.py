# %% [markdown]
"""Where a transformer normalises decides how fast tokens gather: exponentially, or as t^-2 (arXiv 2510.22026)."""

# %%
from decimal import Decimal

import numpy as np

import lmdata

# %% [markdown]
# 32 orthogonal tokens at beta = 1. Every pair has one cosine; theory gives it by one equation for each placement.


# %%
DATASETS = {
    "post": lmdata.open("normalisation-post"),
    "pre": lmdata.open("normalisation-pre"),
    "peri": lmdata.open("normalisation-peri"),
    "ngpt": lmdata.open("normalisation-ngpt"),
    "mix": lmdata.open("normalisation-mix"),
    "sqrt-depth": lmdata.open("normalisation-sqrt-depth"),
}


def apart(placement):
    """Return one minus the cosine of the first pair over time, and the mean length."""
    x = DATASETS[placement].position.isel(seed=0).load()
    length = np.sqrt((x**2).sum("component"))
    seen = x / length
    return ((seen.isel(token=0) - seen.isel(token=1)) ** 2).sum("component") / 2, length.mean("token")


TIMES = [1, 2, 5, 10]
GIVEN = {
    "post": ("0.8482", "0.4102", "0.001716", "7.8e-8"),
    "ngpt": ("0.3457", "0.05585", "1.43e-4", "6.5e-9"),
    "pre": ("0.8621", "0.5389", "0.0818", "0.01591"),
    "peri": ("0.4639", "0.2006", "0.04235", "0.0113"),
}
found = {placement: apart(placement) for placement in (*GIVEN, "mix", "sqrt-depth")}
print("one minus the cosine      " + "".join(f"t = {time:<8}" for time in TIMES) + "length at the end")
for placement, (gap, length) in found.items():
    values = gap.sel(time=TIMES, method="nearest").values
    print(f"  {placement:<22}  " + "".join(f"{value:<12.3g}" for value in values) + f"{float(length[-1]):.4g}")
    if placement != "mix":
        theory = lmdata.equiangular_alignment(TIMES, 1.0, tokens=32, placement=placement)
        np.testing.assert_allclose(values, 1 - theory, rtol=1e-3, atol=1e-12)
    for value, digits in zip(values, GIVEN.get(placement, ()), strict=False):
        last = 10.0 ** Decimal(digits).as_tuple().exponent
        assert abs(value - float(digits)) <= last / 2, f"{placement}: {value} is not {digits} to its digits"

# %% [markdown]
# Where lengths grow, gathering is a power law.

# %%
for placement, constant in (("pre", 1.201), ("peri", 1.181)):
    gap, length = found[placement]
    law = float(gap[-1] * gap.time[-1] ** 2)
    print(f"{placement}: t^2 times one minus the cosine is {law:.3f} at t = 200, the length {float(length[-1]):.1f}")
    assert abs(law - constant) < 1e-3

# %% [markdown]
# The mixed scheme is the one, then the other.

# %%
early, late = (found["mix"][0].sel(time=time).item() for time in (2, 10))
cosine = lmdata.equiangular_alignment([8.0], 1.0, tokens=32, start=1 - early, placement="pre")[0]
print(f"mix: {early:.4f} at its switch, as post; {late:.5f} at t = 10, by pre from there {1 - cosine:.5f}")
assert abs(early - found["post"][0].sel(time=2).item()) < 1e-12
assert abs(late - (1 - cosine)) < 1e-6
