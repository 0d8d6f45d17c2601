"""How long an atlas takes, beside simulating its intervals once they are known, and beside a uniform sweep.

Run ``python benchmarks/atlas.py`` (two minutes), or with ``--starts 100`` for a look. Beside it stand the bare
simulation of 60 steps at the start of every interval, from the first step and in full batches, which neither finds a
breakpoint nor proves a limit; and a sweep of one member every ``resolution`` of the axis. Both are timed on 256 members
and scaled by their numbers.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import lmdata
from lmdata.dynamics.kernels import fused


def timed(n: int, seeds: range, resolution: float = 1e-6, **options: object) -> tuple[float, object]:
    """Return the seconds of an atlas of uniform tokens in the square, and the atlas."""
    begun = time.perf_counter()
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(n, 2), seeds=seeds, resolution=resolution, **options)
    return time.perf_counter() - begun, ds


def member_seconds(n: int, steps: int = 60) -> float:
    """Return the seconds of one member of a batch, on all cores."""
    tokens = np.random.default_rng(0).uniform(-1, 1, (256, n, 2))
    delta = np.full((256, steps), 0.1)
    fused.advance(tokens, delta, np.ones(256), None, (steps,))
    begun = time.perf_counter()
    fused.advance(tokens, delta, np.ones(256), None, (steps,))
    return (time.perf_counter() - begun) / 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1000, help="starts of 16 tokens")
    options = parser.parse_args()
    timed(8, range(1))
    for n, seeds, goal in ((32, range(1), 1), (32, range(20), 15), (64, range(1), 10), (16, range(options.starts), 60)):
        seconds, ds = timed(n, seeds, limits=len(seeds) < 100)
        intervals = ds.sizes["interval"]
        print(
            f"n = {n}, {len(seeds)} starts: {seconds:.2f} s (goal {goal}), {intervals:,} intervals, "
            f"{seconds / intervals * 1e6:.1f} us each, {ds.attrs['proved_share']:.6f} proved"
        )
        alone = intervals * member_seconds(n)
        swept = len(seeds) / 1e-6
        print(
            f"    60 bare steps for each interval: {alone:.2f} s, {alone / seconds:.1f} x; a uniform sweep: "
            f"{swept:,.0f} members, {swept / intervals:,.0f} x as many, {swept * member_seconds(n):,.0f} s"
        )


if __name__ == "__main__":
    main()
