"""How long an atlas takes, beside walks that share no steps, and beside a uniform sweep of the same resolution.

Run ``python -m benchmarks.atlas`` (some minutes), or with ``--starts 100`` for a look; ``--write`` puts the table into
docs/speed.md. Beside each atlas stand

- *unshared walks*: every one of its intervals walked from its first step to its proof, once one knows where it begins
  (which such walks would still have to find); timed on up to 2,000 intervals, on all cores, and scaled by their number;
- *a uniform sweep*: one member every ``resolution`` of the axis up to the largest gap, 60 steps each without proofs,
  in full batches; timed on 256 members and scaled by their number.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import lmdata
from benchmarks.report import PAGE, describe_machine
from lmdata.dynamics.kernels import fused
from lmdata.dynamics.limits.axis import Part, walk_part
from lmdata.numerics.threads import parallel_for
from lmdata.sensitivity.recipe import AtlasRecipe

RESOLUTION = 1e-6
SAMPLE = 2000
"""Intervals whose walks are timed."""
BEGIN, END = "<!-- atlas -->\n", "<!-- end of atlas -->\n"


def timed(n: int, seeds: range, repeats: int) -> tuple[float, float, Any]:
    """Return the seconds of an atlas of uniform tokens in the square, the least of the repeats, and the atlas.

    The second number are seconds of all cores together, which other work on the machine touches little.
    """
    taken = []
    for _ in range(repeats):
        begun, busy = time.perf_counter(), time.process_time()
        ds = lmdata.atlas(
            lmdata.Localmax(), lmdata.tokens.uniform(n, 2), seeds=seeds, resolution=RESOLUTION, limits=len(seeds) < 100
        )
        taken.append((time.perf_counter() - begun, time.process_time() - busy))
    return *min(taken), ds


def unshared_seconds(n: int, ds: Any) -> float:
    """Return the seconds, of all cores, of a walk of its own to the proof of every interval of an atlas."""
    recipe = AtlasRecipe.of(lmdata.Localmax(), lmdata.tokens.uniform(n, 2), resolution=RESOLUTION, limits=False)
    axis = recipe.axis()
    proved = np.flatnonzero(ds.certified.values)
    chosen = proved[np.unique(np.linspace(0, len(proved) - 1, SAMPLE).astype(np.int64))]
    begins = ds.sensitivity_from.values
    place = {seed: number for number, seed in enumerate(ds.seed.values.tolist())}
    starts, of = ds.initial_position.values, [place[seed] for seed in ds.interval_seed.values[chosen].tolist()]

    def work(begin: int, end: int) -> None:
        for k in range(begin, end):
            low = float(begins[chosen[k]])
            walk_part(starts[of[k]], axis, Part(0, low, math.nextafter(low, math.inf)))

    busy = time.process_time()
    parallel_for(work, len(chosen), 16)
    return (time.process_time() - busy) / len(chosen) * ds.sizes["interval"]


def member_seconds(n: int, steps: int = 60) -> float:
    """Return the seconds of one member of a batch, of all cores."""
    tokens = np.random.default_rng(0).uniform(-1, 1, (256, n, 2))
    delta = np.full((256, steps), 0.1)
    fused.advance(tokens, delta, np.ones(256), None, (steps,))
    busy = time.process_time()
    fused.advance(tokens, delta, np.ones(256), None, (steps,))
    return (time.process_time() - busy) / 256


def table(starts: int, repeats: int) -> str:
    """Return the table, in Markdown."""
    machine = describe_machine()
    lines = [
        f"On {machine['processor']}, {machine['cores']} cores, beside other work: the least of {repeats} runs; in "
        "brackets, and in the last two columns, processor seconds, which other work touches little. Resolution 1e-6, "
        f"uniform tokens in the square; commit {machine['commit']}, {machine['date'][:10]}.",
        "",
        "| atlas of | seconds | goal | intervals | proved | unshared walks | uniform sweep |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    timed(8, range(1), 1)
    for n, count, goal in ((32, 1, 1), (32, 20, 15), (64, 1, 10), (16, starts, 60)):
        seconds, busy, ds = timed(n, range(count), repeats)
        intervals = ds.sizes["interval"]
        alone, swept = unshared_seconds(n, ds), count / RESOLUTION
        lines.append(
            f"| {count:,} x n = {n} | {seconds:.2f} ({busy:.2f}) | {goal} | {intervals:,} | "
            f"{ds.attrs['proved_share']:.6f} | {alone:.1f} s, {alone / busy:.1f} x | "
            f"{swept:,.0f} members, {swept / intervals:,.0f} x as many; "
            f"{swept * member_seconds(n):,.0f} s |"
        )
    return "\n".join(lines) + "\n"


def write(text: str, page: Path = PAGE) -> None:
    """Put the table into the page, between its two comments."""
    before, begin, rest = page.read_text().partition(BEGIN)
    page.write_text(before + begin + text + END + rest.partition(END)[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1000, help="starts of 16 tokens")
    parser.add_argument("--repeats", type=int, default=3, help="how often the others run")
    parser.add_argument("--write", action="store_true", help="put the table into docs/speed.md")
    options = parser.parse_args()
    text = table(options.starts, options.repeats)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
