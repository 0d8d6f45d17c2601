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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.drive import drive
from lmdata.dynamics.kernels.fused import prepare
from lmdata.dynamics.kernels.kdtree import arrange, cut, gather, tree_of
from lmdata.dynamics.kernels.lanes import (
    Boxes,
    Floats,
    Integers,
    Tokens,
    Tree,
    aligned,
    axes_of,
    block_size,
    components,
    count_row,
    key_row,
    larger,
    maxima_of_boxes,
    pulls_of,
    score_row,
    smaller,
    sums_of_boxes,
    threshold_row,
)
from lmdata.numerics.compiled import compiled
from lmdata.numerics.threads import cores, parallel_for
from lmdata.numerics.vectors import LANES, broadcast, broadcast_at, largest, load, smallest, store

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


class Thresholds(NamedTuple):
    """What a token's score must reach for the token to be a neighbour."""

    values: Floats  # (padded,) fl(max_l s_il - delta) of each token
    ranges: Floats  # (nodes, 2) the smallest and the largest of a node's tokens


class Means(NamedTuple):
    """What a step is about: the numbers of neighbours, and the displacements to their means."""

    counts: Floats  # (padded,)
    pulls: Floats  # (d, padded)


class Lists(NamedTuple):
    """What a walk knows at each depth t of the listening tree, and the tokens that listen at its end."""

    boxes: NDArray[np.int32]  # (t, room) boxes that are still undecided for the node at depth t; row 0 is a stack
    uppers: Floats  # (t, room) the largest score with a token of that box, at most
    floors: Floats  # (t,) what the largest score of every token of the node reaches, at least
    lengths: Integers  # (t,) the number of boxes listed
    gathered: Floats  # (t, 1 + 2 d) count and sums of what is above the thresholds of all tokens of the node
    blocks: Floats  # (groups, size of a block) see `lmdata.dynamics.kernels.lanes`


@compiled(inline=True)
def _bounds(boxes: Boxes, q: int, v: int, axes: tuple[int, ...]) -> tuple[float, float]:
    """Return bounds of every computed score of a key in box q with a token in box v."""
    corners, key_corners = boxes.corners, boxes.key_corners
    least = most = 0.0
    for k in range(components(axes, corners.shape[2])):
        a, b = key_corners[q, 0, k], key_corners[q, 1, k]
        c, e = corners[v, 0, k], corners[v, 1, k]
        ac, ae, bc, be = a * c, a * e, b * c, b * e
        low, high = min(min(ac, ae), min(bc, be)), max(max(ac, ae), max(bc, be))
        least = low if k == 0 else least + low
        most = high if k == 0 else most + high
    return least, most


@compiled(no_refcount=True)
def _find_thresholds(
    tokens: Tokens,
    tree: Tree,
    boxes: Boxes,
    delta: float,
    thresholds: Thresholds,
    lists: Lists,
    roots: Integers,
    axes: tuple[int, ...],
) -> None:
    """Fill the thresholds of the tokens of the subtrees of ``roots``, and the ranges of their nodes."""
    d = components(axes, tokens.positions.shape[0])
    begin, end, right, last = tree.begin, tree.end, tree.right, tree.last
    listed, uppers, floors, lengths = lists.boxes, lists.uppers, lists.floors, lists.lengths
    ranges = thresholds.ranges
    stack = listed[0]
    listed[1, 0], uppers[1, 0], lengths[1], floors[1] = 0, np.inf, 1, -np.inf
    for first in roots:
        q = first
        while q < last[first]:
            # what was undecided for the parent is looked at again for this node, which is smaller: boxes whose upper
            # bound lies below what is reached for certain are dropped, large ones are opened
            t = tree.depth[q] - tree.depth[first] + 2
            floor, count, size = floors[t - 1], 0, end[q] - begin[q]
            for entry in range(lengths[t - 1]):
                if uppers[t - 1, entry] < floor:
                    continue
                stack[0], top = listed[t - 1, entry], 1
                while top > 0:
                    top -= 1
                    v = stack[top]
                    least, most = _bounds(boxes, q, v, axes)
                    floor = least if least > floor else floor
                    if most < floor:
                        continue
                    if right[v] == 0 or end[v] - begin[v] <= max(GRAIN, size):
                        listed[t, count], uppers[t, count] = v, most
                        count += 1
                    else:
                        stack[top], stack[top + 1] = right[v], v + 1
                        top += 2
            # the floor has risen on the way: those that were listed before that are looked through once more
            kept, foremost = 0, 0
            for entry in range(count):
                if uppers[t, entry] >= floor:
                    listed[t, kept], uppers[t, kept] = listed[t, entry], uppers[t, entry]
                    foremost = kept if uppers[t, kept] > uppers[t, foremost] else foremost
                    kept += 1
            lengths[t], floors[t] = kept, floor
            if size > TOGETHER and right[q] != 0:
                q += 1
                continue
            # few enough listen: token by token, the most promising box first, so that the others soon fall behind
            listed[t, 0], listed[t, foremost] = listed[t, foremost], listed[t, 0]
            lowest, highest = broadcast(np.inf), broadcast(-np.inf)
            listening = lists.blocks[: (size + LANES - 1) // LANES]
            for own in range(len(listening)):
                for k in range(d):
                    store(listening[own], key_row(k), load(tokens.keys[k], begin[q] + own * LANES))
                store(listening[own], score_row(d), broadcast(-np.inf))
            maxima_of_boxes(listening, tokens, tree, boxes.corners, listed[t, :kept], axes)
            for own in range(len(listening)):
                threshold = load(listening[own], score_row(d)) - broadcast(delta)
                store(thresholds.values, begin[q] + own * LANES, threshold)
                lowest, highest = smaller(threshold, lowest), larger(threshold, highest)
            ranges[q, 0], ranges[q, 1] = smallest(lowest), largest(highest)
            q = last[q]
        for q in range(last[first] - 1, first - 1, -1):  # children before their parents
            if right[q] != 0 and end[q] - begin[q] > TOGETHER:
                ranges[q, 0] = min(ranges[q + 1, 0], ranges[right[q], 0])
                ranges[q, 1] = max(ranges[q + 1, 1], ranges[right[q], 1])


@compiled(no_refcount=True)
def _find_pulls(
    tokens: Tokens,
    tree: Tree,
    boxes: Boxes,
    thresholds: Thresholds,
    lists: Lists,
    means: Means,
    roots: Integers,
    axes: tuple[int, ...],
) -> None:
    """Fill counts and pulls of the tokens of the subtrees of ``roots``."""
    d = components(axes, tokens.positions.shape[0])
    begin, end, right, last = tree.begin, tree.end, tree.right, tree.last
    listed, lengths, gathered, ranges = lists.boxes, lists.lengths, lists.gathered, thresholds.ranges
    stack = listed[0]
    listed[1, 0], lengths[1] = 0, 1
    gathered[1] = 0.0
    for first in roots:
        q = first
        while q < last[first]:
            # a box below all thresholds of the node is dropped, one above them all enters by its totals, what is
            # undecided is listed for the children
            t = tree.depth[q] - tree.depth[first] + 2
            count, size = 0, end[q] - begin[q]
            for part in range(2 * d + 1):
                gathered[t, part] = gathered[t - 1, part]
            for entry in range(lengths[t - 1]):
                stack[0], top = listed[t - 1, entry], 1
                while top > 0:
                    top -= 1
                    v = stack[top]
                    least, most = _bounds(boxes, q, v, axes)
                    if most < ranges[q, 0]:
                        continue
                    if least >= ranges[q, 1]:
                        for part in range(2 * d + 1):
                            gathered[t, part] += boxes.totals[v, part]
                    elif right[v] == 0 or end[v] - begin[v] <= max(GRAIN, size):
                        listed[t, count] = v
                        count += 1
                    else:
                        stack[top], stack[top + 1] = right[v], v + 1
                        top += 2
            lengths[t] = count
            if size > TOGETHER and right[q] != 0:
                q += 1
                continue
            # few enough listen: their sums begin with what was gathered, and the rest is compared token by token
            listening = lists.blocks[: (size + LANES - 1) // LANES]
            for own in range(len(listening)):
                block, start = listening[own], begin[q] + own * LANES
                for k in range(d):
                    store(block, key_row(k), load(tokens.keys[k], start))
                store(block, threshold_row(d), load(thresholds.values, start))
                for part in range(2 * d + 1):
                    store(block, count_row(d) + part * LANES, broadcast_at(gathered[t], part))
            sums_of_boxes(listening, tokens, tree, boxes, listed[t, :count], axes)
            for own in range(len(listening)):
                block, start = listening[own], begin[q] + own * LANES
                store(means.counts, start, load(block, count_row(d)))
                pulls_of(block, tokens.high, tokens.low, start, means.pulls, axes)
            q = last[q]


@compiled(no_refcount=True)
def _listen(
    tokens: Tokens,
    tree: Tree,
    boxes: Boxes,
    delta: float,
    thresholds: Thresholds,
    lists: Lists,
    means: Means,
    roots: Integers,
    axes: tuple[int, ...],
) -> None:
    """Fill thresholds, counts and pulls of the tokens of the subtrees of ``roots``."""
    _find_thresholds(tokens, tree, boxes, delta, thresholds, lists, roots, axes)
    _find_pulls(tokens, tree, boxes, thresholds, lists, means, roots, axes)


class Plan(NamedTuple):
    """How the work on a tree is shared out: subtrees are apart from each other, but for the nodes above them."""

    tree: Tree
    roots: Integers  # of the subtrees
    above: Integers  # the nodes above these roots
    below: Integers  # all others
    every: Integers  # both


@lru_cache(maxsize=2)
def _plan(n: int, leaf: int) -> Plan:
    """Return the tree over n tokens, and how the work on it is shared out."""
    tree = tree_of(n, leaf)
    roots, above = cut(tree, max(leaf, n // TASKS, SUBTREE))
    every = np.arange(len(tree.begin))
    return Plan(tree, roots, above, np.setdiff1d(every, above), every)


class System:
    """The tokens of one member in the order of their tree, and the arrays that a step fills."""

    def __init__(
        self,
        state: NDArray[np.float64],
        alignment: NDArray[np.float64] | None = None,
        *,
        leaf: int = LEAF,
        threads: int | None = None,
    ) -> None:
        n, d = state.shape
        padded = -(-n // LANES) * LANES
        self.n: int = n
        self.leaf, self.axes, self.threads = leaf, axes_of(d), threads or cores()
        self.matrix = np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment)
        self.ids = np.arange(n)
        positions, keys, pulls, high, low = aligned(5, d, padded)
        one, counts, values = aligned(3, padded)
        one[:n] = 1.0
        positions[:, :n] = state.T
        self.plan = _plan(n, leaf)
        self.tree = self.plan.tree
        nodes = len(self.tree.begin)
        self.sorted = Tokens(positions, keys, one, high, low)
        corners, key_corners = np.empty((2, nodes, 2, d))
        self.boxes = Boxes(corners, key_corners, np.empty((nodes, 2 * d + 1)))
        self.thresholds = Thresholds(values, np.empty((nodes, 2)))
        self.means = Means(counts, pulls)

    def _lists(self) -> Lists:
        """Return the lists of one walk."""
        d, levels = len(self.sorted.positions), int(self.tree.depth.max()) + 3
        room = levels, max(128, (len(self.tree.begin) + 1) // 2)
        return Lists(
            np.empty(room, np.int32),
            np.empty(room),
            np.empty(levels),
            np.empty(levels, np.int64),
            np.empty((levels, 2 * d + 1)),
            aligned(max(TOGETHER, self.leaf) // LANES, block_size(d)),
        )

    def sort(self) -> None:
        """Move the tokens to their places in the tree, and find its boxes."""
        arrays = (self.sorted.positions, self.ids, self.tree, self.boxes.corners)
        if self._few:
            arrange(*arrays, self.plan.every, self.axes)
        else:
            arrange(*arrays, self.plan.above, self.axes)
            self._over_subtrees(lambda nodes: arrange(*arrays, nodes, self.axes))
        self.sorted.positions[:, self.n :] = self.sorted.positions[:, self.n - 1 : self.n]

    def fill(self) -> None:
        """Find what each box of the tree holds."""
        prepare(self.sorted, self.n, self.matrix)
        if self._few:
            gather(self.sorted, self.tree, self.boxes, self.plan.every, self.axes)
        else:
            self._over_subtrees(lambda nodes: gather(self.sorted, self.tree, self.boxes, nodes, self.axes))
            gather(self.sorted, self.tree, self.boxes, self.plan.above, self.axes)

    @property
    def _few(self) -> bool:
        """Whether one thread sorts all tokens: then it does so in one call, since to take many arrays costs time."""
        return self.threads == 1 or len(self.plan.roots) <= self._roots_with(WORTH_A_THREAD)

    def _over_subtrees(self, task: Callable[[NDArray[np.int64]], None]) -> None:
        """Call the task with the nodes of some subtrees, until it has been called with all."""
        roots, below = self.plan.roots, self.plan.below
        bounds = np.append(np.searchsorted(below, roots), len(below))
        grain = self._roots_with(WORTH_A_THREAD)
        parallel_for(
            lambda begin, end: task(below[bounds[begin] : bounds[end]]), len(roots), grain, threads=self.threads
        )

    def _roots_with(self, tokens: int) -> int:
        """Return how many subtrees have about so many tokens."""
        return -(-len(self.plan.roots) * tokens // self.n)

    def listen(self, delta: float) -> None:
        """Fill counts and pulls: whom the tokens listen to."""

        def run(begin: int, end: int) -> None:
            roots, lists = self.plan.roots[begin:end], self._lists()
            places = (self.sorted, self.tree, self.boxes)
            _listen(*places, delta, self.thresholds, lists, self.means, roots, self.axes)

        parallel_for(run, len(self.plan.roots), self._roots_with(LISTENING), threads=self.threads)

    def step(self, delta: float, gain: float) -> bool:
        """Move the tokens by one step; return whether any is elsewhere now."""
        self.sort()
        self.fill()
        self.listen(delta)
        before = self.sorted.positions[:, : self.n]
        after = before + gain * self.means.pulls[:, : self.n]
        moved = bool((after != before).any())
        self.sorted.positions[:, : self.n] = after
        return moved

    def tokens(self) -> NDArray[np.float64]:
        """Return the tokens (n, d) in their own order."""
        state = np.empty((self.n, len(self.sorted.positions)))
        state[self.ids] = self.sorted.positions[:, : self.n].T
        return state


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
    >>> state = np.array([[[1.0, 0.0], [0.5, 0.0], [-1.0, 0.0]]])
    >>> frames, _ = advance(state, np.zeros((1, 2)), np.array([1.0]), None, (0, 2))
    >>> frames[0, :, :, 0]
    array([[ 1.   ,  0.5  , -1.   ],
           [ 1.   ,  0.875, -1.   ]])
    """
    frames = np.empty((len(state), len(keep), *state.shape[1:]))
    gain = influence / (1.0 + influence)
    for member in range(len(state)):
        _follow(
            System(state[member], alignment, leaf=leaf, threads=threads),
            sensitivity[member],
            gain[member],
            keep,
            frames[member],
        )
    return frames, {}


def _follow(
    system: System, sensitivity: NDArray[np.float64], gain: float, keep: tuple[int, ...], frames: NDArray[np.float64]
) -> None:
    """Fill the frames of one member."""

    def step(now: int) -> bool:
        return system.step(sensitivity[now], gain)

    def record(frame: int) -> None:
        frames[frame] = system.tokens()

    drive(step, record, keep, sensitivity)
