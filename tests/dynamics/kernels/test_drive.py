"""Every kernel leaves its steps at a fixed point, and only where no later sensitivity is another."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lmdata.dynamics.kernels import blocked, canonical, drive, fused, gpu, tree

from ..systems import System, literal_step
from .hinging import same_bits
from .test_gpu import processor  # noqa: F401 - a fixture

KERNELS = {
    "canonical": canonical.advance,
    "fused": fused.advance,
    "tree": tree.advance,
    "blocked": blocked.advance,
    "gpu fused": gpu.advance_fused,
    "gpu tree": partial(gpu.advance_tree, tile=8),
    "gpu blocked": gpu.advance_blocked,
}

APART = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
"""Tokens that listen to themselves alone at sensitivity 0, a fixed point, and to each other at 1."""


@pytest.fixture(params=KERNELS)
def advance(request):
    """A kernel; those of a GPU are run by the threads of a processor."""
    kernel = KERNELS[request.param]
    if request.param.startswith("gpu"):
        return partial(kernel, device=request.getfixturevalue("processor"), threads=2)
    return kernel


SCHEDULES = {
    "rises at the last step": [0.0, 0.0, 0.0, 0.0, 1.0],
    "rises at the only step after the first": [0.0, 1.0],
    "rises at the last but one": [0.0, 0.0, 0.0, 1.0, 1.0],
    "falls at the last step": [1.0, 1.0, 1.0, 0.0],
    "rises for one step": [0.0, 0.0, 1.0, 0.0, 0.0],
    "constant": [0.0, 0.0, 0.0],
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_fixed_point_is_left_when_the_sensitivity_changes(advance, schedule):
    """All frames are those of the definition in loops over Python floats, which never leaves early."""
    deltas = SCHEDULES[schedule]
    expected = [APART]
    for delta in deltas:
        expected.append(literal_step(System(expected[-1], delta, 1.0, None)))
    keep = tuple(range(len(deltas) + 1))
    frames, _ = advance(APART[None], np.array([deltas]), np.ones(1), None, keep)
    assert same_bits(np.asarray(frames)[0], np.stack(expected))
    last, _ = advance(APART[None], np.array([deltas]), np.ones(1), None, keep[-1:])
    assert same_bits(np.asarray(last)[0, 0], expected[-1])


def test_members_leave_when_their_own_sensitivity_allows(advance):
    """A batch whose members change at different steps gives what each gives alone."""
    deltas = np.array([[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    together, _ = advance(np.stack([APART] * 3), deltas, np.ones(3), None, (0, 2, 4))
    for member in range(3):
        alone, _ = advance(APART[None], deltas[member : member + 1], np.ones(1), None, (0, 2, 4))
        assert same_bits(np.asarray(together)[member], np.asarray(alone)[0])
    moved = (np.asarray(together) != APART).any(axis=(2, 3))
    assert moved.tolist() == [[False, False, True], [False, True, True], [False, False, False]]


@pytest.mark.parametrize("deltas", [[[0.0] * 6], [[0.5, 0.1, 0.1]], [[0.0] * 6, [1.0] * 6], [[3.0]]])
def test_no_step_is_made_after_a_fixed_point(deltas):
    made, frames = [], []

    def step(now):
        made.append(now)
        return now < 1

    drive.drive(step, frames.append, (0, 1, len(deltas[0]) + 5), np.array(deltas))
    assert made == list(range(min(2, len(deltas[0]) + 5)))
    assert frames == [0, 1, 2]


def test_steady_from_is_the_last_change():
    for deltas in SCHEDULES.values():
        changes = [t for t in range(1, len(deltas)) if deltas[t] != deltas[t - 1]]
        assert drive.steady_from(np.array(deltas)) == (changes[-1] if changes else 0)
    assert drive.steady_from(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 2.0]])) == 2
    assert drive.steady_from(np.zeros((3, 0))) == 0
