# %% [markdown]
"""Attention to the farthest still brings tokens together, down to a temperature (arXiv 2507.22857)."""

# %%
import lmdata

# %% [markdown]
# Random starts: all meet at beta >= -0.16, as is proved, and far below it all but few.

# %%
order = lmdata.order_parameter(lmdata.open("negative-temperatures")).isel(time=-1).load()
together = (order > 1 - 1e-6).mean("seed")
for beta in together.inverse_temperature.values:
    print(f"beta = {beta:<5g} {float(together.sel(inverse_temperature=beta)):.3f} of 40 starts at one point")
assert (together.sel(inverse_temperature=slice(-0.16, 0)) == 1).all()
assert float(together.sel(inverse_temperature=-1.5)) < 1

# %% [markdown]
# Three tokens at equal angles: with f = -sin(a) e^(beta cos a) the velocity by angle, they come back after a push where
# f' = -(cos a - beta sin^2 a) e^(beta cos a) < 0 at a = 2 pi / 3, that is for beta < -2/3, exactly.

# %%
triangle = lmdata.order_parameter(lmdata.open("negative-triangle")).isel(time=-1, seed=0).load()
print({float(beta): round(float(value), 9) for beta, value in zip(triangle.inverse_temperature, triangle, strict=True)})
assert (triangle.sel(inverse_temperature=[-1.0, -0.7]) < 1e-9).all()
assert (triangle.sel(inverse_temperature=[-0.64, -0.16, 0.0]) > 1 - 1e-9).all()
