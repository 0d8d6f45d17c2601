"""Starts that tests of the atlas draw: general, on lattices, with duplicates; and adversarial ones."""

from __future__ import annotations

import numpy as np


def random_start(rng, most=16):
    """Return tokens (n, d), an influence, and an alignment matrix or None."""
    n, d = int(rng.integers(4, most + 1)), int(rng.integers(1, 4))
    kind = rng.integers(3)
    if kind == 0:
        tokens = rng.uniform(-1, 1, (n, d))
    elif kind == 1:
        tokens = rng.integers(-3, 4, (n, d)) / 2
    else:
        tokens = rng.integers(-3, 4, (n // 2, d))[np.arange(n) % (n // 2)] / 4
    tokens[0, 0] = 1.0  # not all of them 0
    matrix = None
    if rng.random() < 0.4:
        root = rng.integers(-2, 3, (d, d))
        matrix = root @ root.T / 4 + np.eye(d) / 4
    return tokens + 0.0, float(rng.choice([0.5, 1.0, 3.0, 0.1])), matrix


def adversarial_start(rng):
    """Return tokens that are nearly tied, nearly flat, of odd scale, or clouds of near-duplicates; and the rest."""
    tokens, influence, matrix = random_start(rng)
    n, d = tokens.shape
    kind = rng.integers(5)
    if kind == 0:
        tokens = tokens * np.array([1.0, 1e-3, 1e-3])[:d]
    elif kind == 1:
        tokens = tokens[rng.integers(0, n, n)] + rng.normal(0, 1e-3, (n, d))
    elif kind == 2:
        tokens = tokens + rng.integers(-2, 3, (n, d)) * 2.0**-50
    elif kind == 3:
        tokens = tokens * 1e8
    else:
        tokens = tokens * 1e-8
    return tokens + 0.0, float(rng.choice([influence, 10.0])), matrix
