"""Every fast kernel gives the canonical step's neighbourhoods and states, to the last bit."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics.kernels import blocked, canonical, fused, kdtree, lanes, tree
from lmdata.errors import InvalidInput

from .deciding import by_blocked, by_fused, by_tree
from .hinging import KINDS, alignment_of, batch_of, same_bits, sensitivity_of, tokens_of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, pytest.param(3, marks=pytest.mark.long), 7])
def test_fused_has_the_canonical_neighbourhoods(kind, d):
    for n, share, seed in itertools.product((1, 2, 5, 8, 17, 40), (0.0, 0.01, 0.3, 3.0), range(2)):
        state, alignment = tokens_of(kind, n, d, seed), alignment_of(d, seed)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (by_fused(state, delta, alignment) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, pytest.param(3, marks=pytest.mark.long), 5])
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
    assert (by_fused(state, delta) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, *(pytest.param(d, marks=pytest.mark.long) for d in (1, 3, 6))])
def test_tree_has_the_canonical_neighbourhoods(kind, d):
    for n, leaf, share in [(1, 8, 0.1), (9, 8, 0.0), (70, 8, 0.02), (70, 64, 0.3), (130, 16, 0.0), (130, 8, 0.3)]:
        state, alignment = tokens_of(kind, n, d, n), alignment_of(d, leaf // 8)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (by_tree(state, delta, alignment, leaf=leaf, threads=1 + n % 2) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, *(pytest.param(d, marks=pytest.mark.long) for d in (1, 3, 6))])
def test_tree_gives_the_canonical_states(kind, d):
    for n, leaf, seed in [(1, 8, 0), (60, 8, 1), (150, 16, 2), (150, 8, 3), (150, 64, 4)]:
        batch = batch_of(kind, 2, n, d, 25, seed)
        expected, _ = canonical.advance(*batch)
        for threads in (1, 2):
            frames, _ = tree.advance(*batch, threads=threads, leaf=leaf)
            assert same_bits(frames, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_subtrees_that_threads_share_give_the_canonical_states(kind, monkeypatch):
    """As for many tokens, where it pays to wake a thread for some subtrees."""
    monkeypatch.setattr(tree, "WORTH_A_THREAD", 8)
    monkeypatch.setattr(tree, "LISTENING", 8)
    batch = batch_of(kind, 1, 700, 2, 4, 3)
    assert not tree.System(batch[0][0], threads=3)._few
    expected, _ = canonical.advance(*batch)
    frames, _ = tree.advance(*batch, threads=3)
    assert same_bits(frames, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_large_systems_agree_between_the_kernels(kind):
    state, sensitivity, influence, alignment, keep = batch_of(kind, 1, 3000, 2, 12, 5)
    by_tree, _ = tree.advance(state, sensitivity, influence, alignment, keep)
    by_loop, _ = fused.advance(state, sensitivity, influence, alignment, keep)
    assert same_bits(by_tree, by_loop)


@pytest.mark.parametrize("leaf", [0, 4, 12, -8])
def test_a_leaf_is_a_multiple_of_eight(leaf):
    with pytest.raises(InvalidInput, match=f"leaf is {leaf}; .* a multiple of 8"):
        by_tree(np.zeros((16, 2)), 0.0, leaf=leaf)


@pytest.mark.parametrize(("n", "leaf"), [(1, 8), (8, 8), (9, 8), (1000, 16), (1001, 64), (4097, 8)])
def test_the_shape_of_a_tree_is_consistent(n, leaf):
    shape = kdtree.tree_of(n, leaf)
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
@pytest.mark.parametrize("d", [1, 2, pytest.param(7, marks=pytest.mark.long), 64])
def test_blocked_has_the_canonical_neighbourhoods(kind, d):
    for n, rows, share in [(1, 1, 0.1), (9, 7, 0.0), (70, 1, 0.02), (70, 70, 0.3), (130, 64, 0.0), (200, 7, 2.0)]:
        state, alignment = tokens_of(kind, n, d, n), alignment_of(d, rows)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        assert (by_blocked(state, delta, alignment, rows=rows, threads=1 + n % 2) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, pytest.param(33, marks=pytest.mark.long)])
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
from lmdata.dynamics.kernels import blocked
from lmdata.dynamics.kernels import canonical
sys.path.insert(0, sys.argv[1])
from hinging import KINDS, batch_of, same_bits
for kind in KINDS:
    batch = batch_of(kind, 1, 90, 24, 10, 1)
    assert same_bits(blocked.advance(*batch)[0], canonical.advance(*batch)[0]), kind
    print(hash(canonical.advance(*batch)[0].tobytes()))
"""


@pytest.mark.long
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


def test_no_multiplication_is_fused_with_an_addition():
    """Fused, a product would not be rounded on its own: whatever the processor offers, the machine code has none."""
    numbers, axes = np.ones(200), (0, 0)
    plane, corners, blocks, listed = np.ones((2, 16)), np.ones((4, 2, 2)), np.ones((1, 200)), np.zeros(1, np.int32)
    tokens, boxes = lanes.Tokens(plane, plane, numbers, plane, plane), lanes.Boxes(corners, corners, np.ones((4, 5)))
    nodes = kdtree.tree_of(16, 8)
    calls = [
        (lanes.maxima, (numbers, plane, 0, 16, axes)),
        (lanes.sums, (numbers, plane, numbers, plane, plane, 0, 16, axes)),
        (lanes.maxima_of_boxes, (blocks, tokens, nodes, corners, listed, axes)),
        (lanes.sums_of_boxes, (blocks, tokens, nodes, boxes, listed, axes)),
        (tree._bounds, (boxes, 0, 0, axes)),
        (blocked._score, (plane, plane, 0, 0)),
        (blocked._score_row, (plane, plane, 0, numbers[:2])),
    ]
    for part, arguments in calls:
        fresh = numba.njit(part.py_func, error_model="numpy")  # what comes from the cache cannot be listed
        fresh(*arguments)
        (listing,) = fresh.inspect_asm().values()
        assert "mul" in listing
        assert not re.search(r"\bv?fn?m(add|sub|la|ls)", listing), part
