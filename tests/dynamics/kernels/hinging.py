"""Tokens whose neighbourhoods hinge on rounding in one way or another, and batches of them."""

from __future__ import annotations

import numpy as np

KINDS = ("random", "lattice", "tenths", "duplicated", "nearly coincident", "collinear", "badly scaled", "clusters")


def tokens_of(kind: str, n: int, d: int, seed: int):
    """Draw tokens that hinge on rounding in one way or another."""
    rng = np.random.default_rng([seed, n, d, KINDS.index(kind)])
    if kind == "lattice":
        return rng.integers(-3, 4, size=(n, d)) + 0.0
    if kind == "tenths":
        return rng.integers(-5, 6, size=(n, d)) * 0.1 + 0.0
    if kind == "duplicated":
        return rng.normal(size=(max(1, n // 3), d))[rng.integers(0, max(1, n // 3), size=n)]
    if kind == "nearly coincident":
        return rng.normal(size=d) + rng.integers(-4, 5, size=(n, d)) * 2.0**-50
    if kind == "collinear":
        return np.outer(rng.integers(-8, 9, size=n) * 0.1, rng.normal(size=d)) + 0.0
    if kind == "badly scaled":
        return rng.normal(size=(n, d)) * 10.0 ** rng.integers(-12, 13, size=d)
    if kind == "clusters":
        centres = rng.normal(size=(4, d))
        return centres[rng.integers(0, 4, size=n)] * (1.0 + rng.integers(-2, 3, size=(n, 1)) * 2.0**-52)
    return rng.uniform(-1, 1, size=(n, d))


def alignment_of(d: int, seed: int):
    """A symmetric positive definite matrix, or none."""
    rng = np.random.default_rng([seed, d])
    if seed % 2 == 0:
        return None
    root = rng.normal(size=(d, d))
    return root @ root.T + np.eye(d)


def sensitivity_of(state, share: float) -> float:
    """A sensitivity that is a share of the largest alignment, so that it makes neighbours of some tokens."""
    return share * float((state**2).sum(axis=-1).max())


def same_bits(a, b) -> bool:
    return a.shape == b.shape and bool((a.view(np.uint64) == b.view(np.uint64)).all())


def batch_of(kind: str, members: int, n: int, d: int, steps: int, seed: int):
    """Arguments of a kernel: a batch, a schedule for each member, frames to keep."""
    rng = np.random.default_rng(seed)
    state = np.stack([tokens_of(kind, n, d, seed + k) for k in range(members)])
    shares = rng.choice([0.0, 0.01, 0.1, 1.0], size=(members, 1)) * np.ones(steps)
    if seed % 3 == 0:
        shares = shares * rng.choice([0.5, 1.0], size=(members, steps))
    sensitivity = shares * (state**2).sum(axis=-1).max(axis=-1)[:, None]
    keep = tuple(sorted({0, steps, *rng.integers(0, steps + 1, size=3).tolist()}))
    return state, sensitivity, rng.choice([0.1, 1.0, 3.0], size=members), alignment_of(d, seed), keep
