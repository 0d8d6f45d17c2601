"""Training prompts: 1,000 starts x 1,000 iterations at once, against an eager loop that trains them one by one.

Run ``python benchmarks/selection.py``; it prints seconds and the ratio. The loop is written as published codes train:
array operations called from Python, one start after the other, with normalised gradient descent. It is timed on some
of the starts, since each takes the same time; ``--eager 1000`` times all. Both must take the same first steps.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lmdata.selection import Problem, TokenSelection, construction, starts, train

STEP = 0.1
REPEATS = 5


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
    parser.add_argument("--eager", type=int, default=40, help="starts that the eager loop trains")
    options = parser.parse_args()

    problem, begin = construction("three-clusters").draw(0), starts(count=options.starts)
    train(TokenSelection(), problem, steps=1)  # compile
    seconds, processor = [], time.process_time()
    for _ in range(REPEATS):
        clock = time.perf_counter()
        ds = train(TokenSelection(step=STEP), problem, starts=begin, steps=options.steps, record=10)
        seconds.append(time.perf_counter() - clock)
    together, processor = float(np.median(seconds)), (time.process_time() - processor) / REPEATS

    chosen = begin.draw(0, problem.value.shape)[: options.eager]
    clock = time.perf_counter()
    paths = np.array([eager(problem, start, options.steps) for start in chosen])
    one_by_one = (time.perf_counter() - clock) * options.starts / options.eager

    early = ds.prompt.values[: options.eager, 0, :6]  # before the loop's rounding shows
    np.testing.assert_allclose(paths[:, :51:10], early, atol=1e-8)
    print(f"{options.starts} starts x {options.steps} iterations, n = 3 samples, T = 7 tokens, d = 3")
    print(f"together    {together:8.2f} s  (median of {REPEATS})")
    print(f"one by one  {one_by_one:8.2f} s  (from {options.eager} starts)")
    print(f"ratio       {one_by_one / together:8.1f}  ({one_by_one / processor:.1f} in seconds of one processor core)")


if __name__ == "__main__":
    main()
