"""Training prompts: 1,000 starts x 1,000 iterations at once, against an eager loop that trains them one by one.

Run ``python benchmarks/selection.py``; it prints seconds and ratios. The eager loop (`eager` below) is the loop of the
published notebooks in NumPy: for each start, for each iteration, forward pass, gradient in closed form (so cheaper than
their automatic differentiation), normalised step, the prompt appended to a list. It is timed on some of the starts,
since each takes the same time. Rounds of both alternate, and medians are compared, in seconds of the clock and of the
processor, which other work on the machine changes less. Both must take the same first steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from lmdata.selection import Problem, TokenSelection, construction, starts, train

STEP = 0.1
ROUNDS = 7


def eager(problem: Problem, start: np.ndarray, steps: int) -> np.ndarray:
    """Return the path of one start, trained by array operations."""
    tokens, labels, value = problem.tokens, problem.labels, problem.value
    keys, prompt = problem.keys(), start.copy()
    path = [prompt]
    for _ in range(steps):
        scores = keys @ prompt
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        attention = powers / powers.sum(axis=1, keepdims=True)
        gains = labels[:, None] * (tokens @ value)
        margin = (attention * gains).sum(axis=1)
        slope = -1.0 / (1.0 + np.exp(margin)) / len(labels)
        pull = slope[:, None] * attention * (gains - margin[:, None])
        gradient = np.tensordot(pull, keys, 2)
        prompt = prompt - STEP * gradient / (np.linalg.norm(gradient) + 1e-12)
        path.append(prompt)
    return np.array(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--eager", type=int, default=8, help="starts that the eager loop trains in a round")
    options = parser.parse_args()

    problem, begin = construction("three-clusters").draw(0), starts(count=options.starts)
    chosen = begin.draw(0, problem.value.shape)[: options.eager]
    train(TokenSelection(), problem, steps=1)  # compile
    together, one_by_one = [], []
    for _ in range(ROUNDS):
        ds, seconds = timed(
            lambda: train(TokenSelection(step=STEP), problem, starts=begin, steps=options.steps, record=10)
        )
        together.append(seconds)
        paths, seconds = timed(lambda: np.array([eager(problem, start, options.steps) for start in chosen]))
        one_by_one.append(seconds * options.starts / options.eager)

    early = ds.prompt.values[: options.eager, 0, :6]  # before the loop's rounding shows
    np.testing.assert_allclose(paths[:, :51:10], early, atol=1e-8)
    fast, slow = np.median(together, axis=0), np.median(one_by_one, axis=0)
    print(f"{options.starts} starts x {options.steps} iterations, n = 3 samples, T = 7 tokens, d = 3")
    print(f"             clock    processor   (seconds, medians of {ROUNDS})")
    print(f"together    {fast[0]:7.2f} {fast[1]:10.2f}")
    print(f"one by one  {slow[0]:7.2f} {slow[1]:10.2f}   (from {options.eager} starts a round)")
    print(f"ratio       {slow[0] / fast[0]:7.1f} {slow[1] / fast[1]:10.1f}")


def timed[T](work: Callable[[], T]) -> tuple[T, np.ndarray]:
    """Return what the work gives, and its seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, np.array([time.perf_counter() - clock, time.process_time() - processor])


if __name__ == "__main__":
    main()
