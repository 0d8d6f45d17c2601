# %% [markdown]
"""Feed-forward blocks, the future work of arXiv 2509.15958, and several heads (arXiv 2605.04279): what still climbs.

With unnormalised attention on the sphere a block adds its own term to the energy, and the sum never falls; so does the
sum over heads. Behind localmax, a block breaks the nesting of hulls.
"""

# %%
import numpy as np
import xarray as xr

import lmdata
from lmdata.numerics.activations import potential

# %% [markdown]
# A block on the sphere: neurons along three directions, one of which pushes away. Its term of the energy has the
# integral of the activation.

# %%
gains = np.array([1.0, -2.0, 0.5])
neurons = xr.DataArray([[1.0, 0.5, 0.0], [0.0, 0.0, 1.5], [-1.0, 0.5, 0.5]], dims=("neuron", "component"))
for ds, activation in ((lmdata.open("feed-forward-sphere"), "tanh"), (lmdata.open("feed-forward-gelu"), "gelu")):
    ds = ds.load()
    attention = lmdata.energy(ds).interaction_energy
    inputs = xr.dot(ds.position, neurons, dim="component").transpose(..., "neuron")
    stored = xr.DataArray((potential(inputs.values, activation) @ gains).mean(axis=-1), coords=attention.coords)
    whole = attention + ds.strength * stored
    for strength in ds.strength.values:
        one = {"strength": strength}
        own, both = (float(e.sel(one).diff("time").min()) for e in (attention, whole))
        print(f"{activation}, strength {strength:g}: the largest fall of attention's own energy is {max(-own, 0):.1e}, "
              f"of the sum {max(-both, 0):.1e}")  # fmt: skip
    assert float(whole.diff("time").min()) > -1e-12
    assert (attention.sel(strength=0).diff("time") > -1e-12).all()
    assert attention.sel(strength=2).diff("time").min() < -1e-4

# %% [markdown]
# Two heads, one along each of two axes: the sum climbs, and the head that loses the tokens falls.

# %%
ds = lmdata.open("multi-head-rivals").load()
heads = [np.diag([1.0, 0.0, 0.0]), np.diag([0.0, 1.5, 0.0])]
single = [lmdata.energy(ds, alignment=head).interaction_energy for head in heads]
fallen = [int((one.isel(time=-1) < one.isel(time=0) - 1e-3).sum()) for one in single]
least = float(sum(single).diff("time").min())
print(f"of 20 seeds the first head ends lower than it began in {fallen[0]}, the second in {fallen[1]}; "
      f"the sum falls by {max(-least, 0):.0e} at most")  # fmt: skip
assert sum(fallen) >= 10
assert least > -1e-12

# %% [markdown]
# Localmax with a block behind each step: hulls are no longer nested.

# %%
volume = lmdata.hull_volume(lmdata.open("feed-forward-hull"), relative=False).load()
for strength in volume.strength.values:
    growth = volume.sel(strength=strength).diff("time")
    print(f"strength {strength:g}: the hull grows at {int((growth > 1e-12).sum())} of {growth.size} steps")
assert not (volume.sel(strength=0.0).diff("time") > 1e-12).any()
assert float((volume.sel(strength=[0.1, 0.3]).diff("time") > 1e-12).mean()) > 0.9
