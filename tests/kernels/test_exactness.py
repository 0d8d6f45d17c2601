"""Every fast kernel gives the canonical step's neighbourhoods and states, to the last bit."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics import blocked, canonical, fused, kdtree, tree

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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_fused_has_the_canonical_neighbourhoods(kind, d):
    for n, share, seed in itertools.product((1, 2, 5, 8, 17, 40), (0.0, 0.01, 0.3, 3.0), range(2)):
        state, alignment = tokens_of(kind, n, d, seed), alignment_of(d, seed)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (fused.neighbour_sets(state, delta, alignment) == expected).all()


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_fused_gives_the_canonical_states(kind, d):
    for n, seed in itertools.product((1, 3, 8, 21), range(3)):
        batch = batch_of(kind, 3, n, d, 30, seed)
        expected, _ = canonical.advance(*batch)
        for threads in (1, 2):
            frames, _ = fused.advance(*batch, threads=threads)
            assert same_bits(frames, expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=1, max_size=12),
    st.sampled_from([1.0, 0.1, 2.0**-30, 2.0**400]),
    st.sampled_from([0.0, 0.5, 1.0, 4.0]),
)
def test_ties_of_lattices_fall_as_in_the_definition(lattice, unit, delta):
    state = np.array(lattice, float) * unit + 0.0
    delta = delta * unit**2
    expected = canonical.neighbourhoods(state, delta)
    assert (fused.neighbour_sets(state, delta) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_tree_has_the_canonical_neighbourhoods(kind, d):
    for n, leaf, share in [(1, 8, 0.1), (9, 8, 0.0), (70, 8, 0.02), (70, 64, 0.3), (130, 16, 0.0), (130, 8, 0.3)]:
        state, alignment = tokens_of(kind, n, d, n), alignment_of(d, leaf // 8)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (tree.neighbour_sets(state, delta, alignment, leaf=leaf, threads=1 + n % 2) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_tree_gives_the_canonical_states(kind, d):
    for n, leaf, seed in [(1, 8, 0), (60, 8, 1), (150, 16, 2), (150, 8, 3), (150, 64, 4)]:
        batch = batch_of(kind, 2, n, d, 25, seed)
        expected, _ = canonical.advance(*batch)
        for threads in (1, 2):
            frames, _ = tree.advance(*batch, threads=threads, leaf=leaf)
            assert same_bits(frames, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_large_systems_agree_between_the_kernels(kind):
    state, sensitivity, influence, alignment, keep = batch_of(kind, 1, 3000, 2, 12, 5)
    by_tree, _ = tree.advance(state, sensitivity, influence, alignment, keep)
    by_loop, _ = fused.advance(state, sensitivity, influence, alignment, keep)
    assert same_bits(by_tree, by_loop)


@pytest.mark.parametrize(("n", "leaf"), [(1, 8), (8, 8), (9, 8), (1000, 16), (1001, 64), (4097, 8)])
def test_the_shape_of_a_tree_is_consistent(n, leaf):
    shape = kdtree.shape_of(n, leaf)
    inner = np.flatnonzero(shape.right)
    leaves = np.flatnonzero(shape.right == 0)
    assert (shape.begin % 8 == 0).all()
    assert (shape.end - shape.begin)[leaves].max() <= leaf
    assert (shape.begin[inner + 1] == shape.begin[inner]).all()
    assert (shape.end[inner + 1] == shape.begin[shape.right[inner]]).all()
    assert (shape.end[shape.right[inner]] == shape.end[inner]).all()
    assert shape.begin[leaves].tolist() == [0, *shape.end[leaves][:-1]]
    for size in (leaf, n):
        roots, above = kdtree.cut(shape, size)
        covered = sorted([*above, *(v for root in roots for v in range(root, shape.last[root]))])
        assert covered == list(range(len(shape.begin)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 7, 64])
def test_blocked_has_the_canonical_neighbourhoods(kind, d):
    for n, rows, share in [(1, 1, 0.1), (9, 7, 0.0), (70, 1, 0.02), (70, 70, 0.3), (130, 64, 0.0), (200, 7, 2.0)]:
        state, alignment = tokens_of(kind, n, d, n), alignment_of(d, rows)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (blocked.neighbour_sets(state, delta, alignment, rows=rows, threads=1 + n % 2) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, 33])
def test_blocked_gives_the_canonical_states(kind, d):
    for members, n, seed in [(1, 1, 0), (3, 20, 1), (1, 150, 2), (2, 150, 3)]:
        batch = batch_of(kind, members, n, d, 20, seed)
        expected, _ = canonical.advance(*batch)
        for threads, rows in [(1, 1), (2, 7), (2, 64), (1, n)]:
            frames, _ = blocked.advance(*batch, threads=threads, rows=rows)
            assert same_bits(frames, expected)


def test_ambiguous_ties_are_counted_where_rounding_decides():
    """A regular lattice ties exactly, tokens at random do not; a frame tells of the step that led to it."""
    lattice = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, 0.0], [0.0, 0.0]])[None]
    scattered = np.random.default_rng(0).normal(size=(1, 40, 8))
    for state, expected in [(lattice, [0, 2]), (scattered, [0, 0])]:
        _, diagnostics = blocked.advance(state, np.zeros((1, 1)), np.ones(1), None, (0, 1))
        assert diagnostics["ambiguous_ties"][0].tolist() == expected


PROGRAM = """
import sys
import numpy as np
from lmdata.dynamics import blocked, canonical
sys.path.insert(0, sys.argv[1])
from test_exactness import KINDS, batch_of, same_bits
for kind in KINDS:
    batch = batch_of(kind, 1, 90, 24, 10, 1)
    assert same_bits(blocked.advance(*batch)[0], canonical.advance(*batch)[0]), kind
    print(hash(canonical.advance(*batch)[0].tobytes()))
"""


def test_the_library_of_matrix_products_does_not_matter():
    """OpenBLAS picks its kernels by processor: three picks that every x86-64 with AVX2 can run."""
    printed = set()
    for processor in ("Haswell", "Zen", "Nehalem"):
        environment = os.environ | {"OPENBLAS_CORETYPE": processor, "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.add(done.stdout)
    assert len(printed) == 1
