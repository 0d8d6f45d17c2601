"""The (t, beta) phase diagram of self-attention on the circle: 90 temperatures x 2048 systems x 32 tokens.

Run ``python benchmarks/phase_diagram.py --store PLACE`` (minutes; 3 GB), or with ``--temperatures 3 --systems 64`` for
a look. PLACE then holds ``trajectories``, a stored run like any other (a run that was cut off goes on with the same
command), and ``diagram``, the share of clustered pairs over (inverse_temperature, time) measured from it. Without
``--store`` trajectories are measured row by row and dropped, and only the time is printed.
After arXiv 2312.10794: d = 2, D = V = I, step 0.1, layers that add and normalise, pairs with a cosine of at
least 0.999.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import xarray as xr

import lmdata

STEP, END = 0.1, 30.0


def trajectories(betas: np.ndarray, options: argparse.Namespace, store: Path | None = None) -> xr.Dataset:
    """Simulate all systems at some temperatures, in memory or into a store; open or finish a store that is there."""
    if store is not None and store.exists():
        return lmdata.resume(store, progress=True)
    return lmdata.simulate(
        lmdata.SphereAttention(step_size=STEP, scheme="layernorm", estimate_error=False),
        lmdata.tokens.sphere(options.tokens, 2),
        steps=round(END / STEP),
        seeds=range(options.systems),
        sweep={"inverse_temperature": betas.tolist()},
        record=options.every,
        store=store,
        progress=store is not None,
    )


def clustered_share(ds: xr.Dataset) -> xr.DataArray:
    """Return the share of clustered pairs, averaged over the systems."""
    return lmdata.pair_alignment(ds).mean("seed", keep_attrs=True).drop_vars("status", errors="ignore").compute()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--temperatures", type=int, default=90)
    parser.add_argument("--systems", type=int, default=2048)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--every", type=int, default=10, help="steps between stored frames")
    parser.add_argument("--store", type=Path, help="a folder to keep trajectories and diagram in")
    options = parser.parse_args()

    betas = np.linspace(0.1, 9.0, options.temperatures)
    begun, used = time.perf_counter(), time.process_time()
    if options.store:
        share = clustered_share(trajectories(betas, options, options.store / "trajectories"))
    else:
        rows = [clustered_share(trajectories(betas[i : i + 1], options)) for i in range(len(betas))]
        share = xr.concat(rows, "inverse_temperature")
    elapsed, used = time.perf_counter() - begun, time.process_time() - used

    pairs = options.temperatures * options.systems * options.tokens**2 * round(END / STEP)
    print(f"{elapsed:.1f} s in all, {used:.1f} s of processor, {used / pairs * 1e9:.2f} ns a pair and step")
    if options.store:
        curve = lmdata.equiangular_curve(share["time"], betas, tokens=options.tokens)
        diagram = xr.Dataset({"aligned_share": share, "equiangular_curve": ("time", curve)})
        diagram.attrs = {
            "title": "Phase diagram of self-attention on the circle",
            "source": "arXiv 2312.10794",
            "systems": options.systems,
            "tokens": options.tokens,
            "seconds": round(elapsed, 1),
            "processor_seconds": round(used, 1),
        }
        diagram.to_zarr(options.store / "diagram", mode="w", zarr_format=3, consolidated=False)
        print(f"kept in {options.store}")


if __name__ == "__main__":
    main()
