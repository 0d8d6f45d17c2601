"""The (t, beta) phase diagram of self-attention on the circle: 90 temperatures x 2048 systems x 32 tokens.

Run ``python benchmarks/phase_diagram.py`` (minutes), or with ``--temperatures 3 --systems 64`` for a look. It writes
the share of clustered pairs over (inverse_temperature, time), a dataset of some kilobytes, and prints the time taken.
After arXiv 2312.10794: d = 2, D = V = I, step 0.1, layers that add and normalise, pairs with a cosine of at
least 0.999.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import xarray as xr

import lmdata
from lmdata.analysis import equiangular_curve, pair_alignment
from lmdata.dynamics.family import SphereAttention

STEP, END = 0.1, 30.0


def clustered_share(beta: float, *, systems: int, tokens: int, every: int) -> xr.DataArray:
    """Simulate one row of the diagram in memory; only its measure is kept."""
    ds = lmdata.simulate(
        SphereAttention(inverse_temperature=beta, step_size=STEP, scheme="layernorm", estimate_error=False),
        lmdata.tokens.sphere(tokens, 2),
        steps=round(END / STEP),
        seeds=range(systems),
        record=every,
    )
    return pair_alignment(ds).mean("seed", keep_attrs=True).drop_vars("status", errors="ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--temperatures", type=int, default=90)
    parser.add_argument("--systems", type=int, default=2048)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--every", type=int, default=3, help="steps between stored frames")
    parser.add_argument("--out", default="phase_diagram.zarr")
    options = parser.parse_args()

    betas = np.linspace(0.1, 9.0, options.temperatures)
    begun = time.perf_counter()
    rows = []
    for beta in betas:
        rows.append(clustered_share(float(beta), systems=options.systems, tokens=options.tokens, every=options.every))
        print(f"beta = {beta:.2f}  {time.perf_counter() - begun:7.1f} s", flush=True)
    elapsed = time.perf_counter() - begun
    share = xr.concat(rows, xr.DataArray(betas, dims="inverse_temperature", name="inverse_temperature"))
    curve = equiangular_curve(share["time"], betas, tokens=options.tokens)
    diagram = xr.Dataset({"aligned_share": share, "equiangular_curve": ("time", curve)})
    diagram.attrs = {
        "title": "Phase diagram of self-attention on the circle",
        "source": "arXiv 2312.10794",
        "systems": options.systems,
        "tokens": options.tokens,
        "seconds": round(elapsed, 1),
        "processor_seconds": round(time.process_time(), 1),
    }
    diagram.to_zarr(options.out, mode="w", zarr_format=3, consolidated=False)
    pairs = options.temperatures * options.systems * options.tokens**2 * round(END / STEP)
    used = time.process_time()
    print(
        f"{elapsed:.1f} s in all, {used:.1f} s of processor, {used / pairs * 1e9:.2f} ns a pair and step; {options.out}"
    )


if __name__ == "__main__":
    main()
