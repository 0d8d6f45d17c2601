"""Localmax for many tokens in few dimensions: whole boxes of tokens are decided at once, the same bits.

Tokens that listen and tokens that are listened to are walked as two trees side by side (dual-tree traversal, Gray &
Moore 2001). For a box of keys y and a box of tokens z the products y_k z_k have their extremes at corners, and rounding
is monotone: summed over ascending components like the scores themselves, the extremes of the terms bound every
*computed* score of the pair of boxes, without any tolerance. A box wholly below a threshold is skipped, one wholly
above enters by its count and its exact sums (`lmdata.dynamics.kernels.canonical`); what remains is compared token
by token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.fused import halves, keys_of, steady_from
from lmdata.dynamics.kernels.kdtree import Shape, arrange, cut, gather, shape_of
from lmdata.dynamics.kernels.lanes import axes_of, components, larger, maxima_of_boxes, pulls_of, smaller, sums_of_boxes
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import Spread, crew
from lmdata.numerics.vectors import LANES, largest, load, smallest, splat, spread, store

LEAF = 8
"""Tokens in a leaf."""

TOGETHER = 32
"""Tokens that listen to the same list of boxes at the end."""

GRAIN = 16
"""Tokens that are compared one by one rather than split into smaller boxes: a leaf or more."""

TASKS, SUBTREE = 64, 128
"""Subtrees that are worked on apart from each other, at most, and tokens in one of them, at least."""

WORTH_A_THREAD, LISTENING = 8192, 2048
"""Tokens that are sorted, or that listen, in the time in which it pays to wake a thread."""


@compiled(inline=True)
def _bounds(
    key_corners: NDArray[np.float64], corners: NDArray[np.float64], q: int, v: int, axes: tuple[int, ...]
) -> tuple[float, float]:
    """Return bounds of every computed score of a key in box q with a token in box v."""
    least = most = 0.0
    for k in range(components(axes, corners.shape[2])):
        a, b = key_corners[q, 0, k], key_corners[q, 1, k]
        c, e = corners[v, 0, k], corners[v, 1, k]
        ac, ae, bc, be = a * c, a * e, b * c, b * e
        low, high = min(min(ac, ae), min(bc, be)), max(max(ac, ae), max(bc, be))
        least = low if k == 0 else least + low
        most = high if k == 0 else most + high
    return least, most


@compiled(borrowed=True)
def _find_thresholds(
    positions: NDArray[np.float64],
    keys: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    right: NDArray[np.int64],
    last: NDArray[np.int64],
    depth: NDArray[np.int64],
    corners: NDArray[np.float64],
    key_corners: NDArray[np.float64],
    delta: float,
    thresholds: NDArray[np.float64],
    ranges: NDArray[np.float64],
    boxes: NDArray[np.int32],
    uppers: NDArray[np.float64],
    floors: NDArray[np.float64],
    lengths: NDArray[np.int64],
    blocks: NDArray[np.float64],
    roots: NDArray[np.int64],
    axes: tuple[int, ...],
) -> None:
    """Fill the thresholds of the tokens of the subtrees of ``roots``, and ranges[node]: their extremes.

    ``boxes[t]`` and ``uppers[t]`` list, for the node at depth t under consideration, the boxes that may hold a largest
    score and their upper bounds; ``floors[t]`` is what every largest score reaches. Row 0 of ``boxes`` is a stack.
    """
    d = components(axes, positions.shape[0])
    stack = boxes[0]
    boxes[1, 0], uppers[1, 0], lengths[1], floors[1] = 0, np.inf, 1, -np.inf
    for first in roots:
        q = first
        while q < last[first]:
            t = depth[q] - depth[first] + 2
            floor, count, size = floors[t - 1], 0, end[q] - begin[q]
            for entry in range(lengths[t - 1]):
                if uppers[t - 1, entry] < floor:
                    continue
                stack[0], top = boxes[t - 1, entry], 1
                while top > 0:
                    top -= 1
                    v = stack[top]
                    least, most = _bounds(key_corners, corners, q, v, axes)
                    floor = least if least > floor else floor
                    if most < floor:
                        continue
                    if right[v] == 0 or end[v] - begin[v] <= max(GRAIN, size):
                        boxes[t, count], uppers[t, count] = v, most
                        count += 1
                    else:
                        stack[top], stack[top + 1] = right[v], v + 1
                        top += 2
            kept, foremost = 0, 0
            for entry in range(count):
                if uppers[t, entry] >= floor:
                    boxes[t, kept], uppers[t, kept] = boxes[t, entry], uppers[t, entry]
                    foremost = kept if uppers[t, kept] > uppers[t, foremost] else foremost
                    kept += 1
            lengths[t], floors[t] = kept, floor
            if size > TOGETHER and right[q] != 0:
                q += 1
                continue
            boxes[t, 0], boxes[t, foremost] = boxes[t, foremost], boxes[t, 0]
            lowest, highest = splat(np.inf), splat(-np.inf)
            listening = blocks[: (size + LANES - 1) // LANES]
            for own in range(len(listening)):
                for k in range(d):
                    store(listening[own], k * LANES, load(keys[k], begin[q] + own * LANES))
                store(listening[own], d * LANES, splat(-np.inf))
            maxima_of_boxes(listening, positions, begin, end, corners, boxes[t, :kept], axes)
            for own in range(len(listening)):
                threshold = load(listening[own], d * LANES) - splat(delta)
                store(thresholds, begin[q] + own * LANES, threshold)
                lowest, highest = smaller(threshold, lowest), larger(threshold, highest)
            ranges[q, 0], ranges[q, 1] = smallest(lowest), largest(highest)
            q = last[q]
        for q in range(last[first] - 1, first - 1, -1):
            if right[q] != 0 and end[q] - begin[q] > TOGETHER:
                ranges[q, 0] = min(ranges[q + 1, 0], ranges[right[q], 0])
                ranges[q, 1] = max(ranges[q + 1, 1], ranges[right[q], 1])


@compiled(borrowed=True)
def _find_pulls(
    positions: NDArray[np.float64],
    keys: NDArray[np.float64],
    one: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    right: NDArray[np.int64],
    last: NDArray[np.int64],
    depth: NDArray[np.int64],
    corners: NDArray[np.float64],
    key_corners: NDArray[np.float64],
    totals: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    ranges: NDArray[np.float64],
    boxes: NDArray[np.int32],
    gathered: NDArray[np.float64],
    lengths: NDArray[np.int64],
    blocks: NDArray[np.float64],
    counts: NDArray[np.float64],
    pulls: NDArray[np.float64],
    roots: NDArray[np.int64],
    axes: tuple[int, ...],
) -> None:
    """Fill counts and pulls (d, n) of the tokens of the subtrees of ``roots``.

    ``boxes[t]`` lists, for the node at depth t under consideration, the boxes that are above the thresholds of some of
    its tokens and below those of others; ``gathered[t]`` holds those that are above all. Row 0 of ``boxes`` is a stack.
    """
    d = components(axes, positions.shape[0])
    stack = boxes[0]
    boxes[1, 0], lengths[1] = 0, 1
    gathered[1] = 0.0
    for first in roots:
        q = first
        while q < last[first]:
            t = depth[q] - depth[first] + 2
            count, size = 0, end[q] - begin[q]
            for part in range(2 * d + 1):
                gathered[t, part] = gathered[t - 1, part]
            for entry in range(lengths[t - 1]):
                stack[0], top = boxes[t - 1, entry], 1
                while top > 0:
                    top -= 1
                    v = stack[top]
                    least, most = _bounds(key_corners, corners, q, v, axes)
                    if most < ranges[q, 0]:
                        continue
                    if least >= ranges[q, 1]:
                        for part in range(2 * d + 1):
                            gathered[t, part] += totals[v, part]
                    elif right[v] == 0 or end[v] - begin[v] <= max(GRAIN, size):
                        boxes[t, count] = v
                        count += 1
                    else:
                        stack[top], stack[top + 1] = right[v], v + 1
                        top += 2
            lengths[t] = count
            if size > TOGETHER and right[q] != 0:
                q += 1
                continue
            listening = blocks[: (size + LANES - 1) // LANES]
            for own in range(len(listening)):
                block, start = listening[own], begin[q] + own * LANES
                for k in range(d):
                    store(block, k * LANES, load(keys[k], start))
                store(block, (3 * d + 2) * LANES, load(thresholds, start))
                for part in range(2 * d + 1):
                    store(block, (d + 1 + part) * LANES, spread(gathered[t], part))
            heard = boxes[t, :count]
            sums_of_boxes(listening, positions, one, high, low, begin, end, corners, totals, heard, axes)
            for own in range(len(listening)):
                block, start = listening[own], begin[q] + own * LANES
                store(counts, start, load(block, (d + 1) * LANES))
                pulls_of(block, high, low, start, pulls, axes)
            q = last[q]


@lru_cache(maxsize=2)
def _plan(n: int, leaf: int) -> tuple[Shape, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the shape of the tree, the roots of the subtrees, the nodes above these roots and all others."""
    shape = shape_of(n, leaf)
    roots, above = cut(shape, max(leaf, n // TASKS, SUBTREE))
    return shape, roots, above, np.setdiff1d(np.arange(len(shape.begin)), above)


class System:
    """The tokens of one member in the order of their tree, and the arrays that a step fills."""

    def __init__(
        self, state: NDArray[np.float64], alignment: NDArray[np.float64] | None = None, *, leaf: int = LEAF
    ) -> None:
        n, d = state.shape
        padded = -(-n // LANES) * LANES
        self.n: int = n
        self.leaf, self.axes = leaf, axes_of(d)
        self.matrix = np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment)
        self.ids = np.arange(n)
        self.one = np.ones(padded)
        self.one[n:] = 0.0
        self.positions, self.keys, self.pulls, self.high, self.low = np.zeros((5, d, padded))
        self.positions[:, :n] = state.T
        self.thresholds, self.counts = np.empty((2, padded))
        self.shape, self.roots, self.above, self.below = _plan(n, leaf)
        nodes = len(self.shape.begin)
        self.corners, self.key_corners = np.empty((2, nodes, 2, d))
        self.totals, self.ranges = np.empty((nodes, 2 * d + 1)), np.empty((nodes, 2))
        self.lists = (int(self.shape.depth.max()) + 3, max(128, (nodes + 1) // 2))

    def sort(self, spread: Spread) -> None:
        """Move the tokens to their places in the tree, and find its boxes."""
        arrays = (self.positions, self.ids, self.shape.begin, self.shape.end, self.shape.right, self.corners)
        arrange(*arrays, self.above, self.axes)
        self._over_subtrees(spread, lambda nodes: arrange(*arrays, nodes, self.axes))
        self.positions[:, self.n :] = self.positions[:, self.n - 1 : self.n]

    def fill(self, spread: Spread) -> None:
        """Find what each box of the tree holds."""
        halves(self.positions, self.n, self.high, self.low)
        keys_of(self.positions, self.matrix, self.keys)
        arrays = (self.keys, self.one, self.high, self.low, *self.shape[:3], self.key_corners, self.totals)
        self._over_subtrees(spread, lambda nodes: gather(*arrays, nodes, self.axes))
        gather(*arrays, self.above, self.axes)

    def _over_subtrees(self, spread: Spread, task: Callable[[NDArray[np.int64]], None]) -> None:
        """Call the task with the nodes of some subtrees, until it has been called with all."""
        bounds = np.append(np.searchsorted(self.below, self.roots), len(self.below))
        grain = self._roots_with(WORTH_A_THREAD)
        spread(lambda begin, end: task(self.below[bounds[begin] : bounds[end]]), len(self.roots), grain)

    def _roots_with(self, tokens: int) -> int:
        """Return how many subtrees have about so many tokens."""
        return -(-len(self.roots) * tokens // self.n)

    def listen(self, delta: float, spread: Spread) -> None:
        """Fill counts and pulls: whom the tokens listen to."""
        d = len(self.positions)
        tokens, halves_of = (self.positions, self.keys), (self.one, self.high, self.low)
        corners, thresholds = (self.corners, self.key_corners), (self.thresholds, self.ranges)

        def run(task: int, stop: int) -> None:
            roots, boxes, uppers = self.roots[task:stop], np.empty(self.lists, np.int32), np.empty(self.lists)
            lengths, floors = np.empty(self.lists[0], np.int64), np.empty(self.lists[0])
            gathered = np.empty((self.lists[0], 2 * d + 1))
            blocks = np.empty((max(TOGETHER, self.leaf) // LANES, (3 * d + 3) * LANES))
            scratch: tuple[Any, ...] = (boxes, uppers, floors, lengths, blocks)
            arguments = (*tokens, *self.shape, *corners, delta, *thresholds, *scratch, roots, self.axes)
            _find_thresholds(*arguments)
            scratch = (boxes, gathered, lengths, blocks, self.counts, self.pulls)
            arguments = (*tokens, *halves_of, *self.shape, *corners, self.totals, *thresholds, *scratch)
            _find_pulls(*arguments, roots, self.axes)

        spread(run, len(self.roots), self._roots_with(LISTENING))

    def step(self, delta: float, gain: float, spread: Spread) -> bool:
        """Move the tokens by one step; return whether any is elsewhere now."""
        self.sort(spread)
        self.fill(spread)
        self.listen(delta, spread)
        before = self.positions[:, : self.n]
        after = before + gain * self.pulls[:, : self.n]
        moved = bool((after != before).any())
        self.positions[:, : self.n] = after
        return moved

    def tokens(self) -> NDArray[np.float64]:
        """Return the tokens (n, d) in their own order."""
        state = np.empty((self.n, len(self.positions)))
        state[self.ids] = self.positions[:, : self.n].T
        return state


def neighbour_sets(
    state: NDArray[np.float64],
    sensitivity: float,
    alignment: NDArray[np.float64] | None = None,
    *,
    threads: int | None = None,
    leaf: int = LEAF,
) -> NDArray[np.bool_]:
    """Return C_i of one system (n, d) as booleans (n, n), as this kernel decides them; for tests.

    Token by token, all others are taken out of the count: what remains says who listens to it.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_sets(np.array([[1.0], [0.5], [-1.0]]), 0.5)
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    system = System(state, alignment, leaf=leaf)
    sets = np.empty((system.n, system.n), np.bool_)
    spread = crew(threads)
    system.sort(spread)
    for j in range(system.n):
        system.one[: system.n] = system.ids == j
        system.fill(spread)
        system.listen(sensitivity, spread)
        sets[system.ids, j] = system.counts[: system.n] > 0.0
    return sets


def advance(
    state: NDArray[np.float64],
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    threads: int | None = None,
    leaf: int = LEAF,
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Step a batch of members; arguments and frames are those of `lmdata.dynamics.kernels.canonical.advance`.

    ``threads`` (default: one a core) shares out the listening tokens, ``leaf`` is the size of a leaf, a multiple of
    eight; neither touches the result.

    Examples
    --------
    >>> import numpy as np
    >>> state = np.array([[[1.0], [0.5], [-1.0]]])
    >>> frames, _ = advance(state, np.zeros((1, 2)), np.array([1.0]), None, (0, 2))
    >>> frames[0, :, :, 0]
    array([[ 1.   ,  0.5  , -1.   ],
           [ 1.   ,  0.875, -1.   ]])
    """
    frames = np.empty((len(state), len(keep), *state.shape[1:]))
    gain = influence / (1.0 + influence)
    spread = crew(threads)
    for member in range(len(state)):
        system = System(state[member], alignment, leaf=leaf)
        now, moving, steady = 0, True, steady_from(sensitivity[member])
        for frame, offset in enumerate(keep):
            while now < offset and moving:
                moving = system.step(sensitivity[member, now], gain[member], spread) or now < steady
                now += 1
            frames[member, frame] = system.tokens()
    return frames, {}
