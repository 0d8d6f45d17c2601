"""Interaction graphs of small members, a bit an edge: found, counted and walked within the fastest cache.

Neighbourhoods are those of the canonical step, to the bit: scores are summed over ascending components, each operation
rounded on its own (`lmdata.dynamics.kernels.canonical`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.lanes import Floats, Integers, aligned, larger
from lmdata.numerics.compiled import compiled
from lmdata.numerics.vectors import LANES, bits, broadcast, broadcast_at, load, store, where
from lmdata.numerics.words import WORD, first, size

type Words = NDArray[np.uint64]


class Work(NamedTuple):
    """Room for one state of n tokens; what fills it up to a multiple of 64 hears nobody, and nobody hears it."""

    positions: Floats  # (d, padded) z
    keys: Floats  # (d, padded) y = z A^T
    thresholds: Floats  # (padded,) what the score of a neighbour reaches: fl(max_l s_il - delta)
    heard: Words  # (n, w) row i: whom token i hears, its neighbourhood
    hearers: Words  # (n, w) row j: who hears token j
    seen: Words  # (w,)
    queue: Integers  # (n,)
    roots: Integers  # (n,)


def work(n: int, d: int) -> Work:
    """Return room for a state of n tokens with d components.

    Examples
    --------
    >>> work(70, 2).heard.shape
    (70, 2)
    """
    words = -(-n // WORD)
    positions, keys = aligned(2, d, words * WORD)
    heard, hearers = np.zeros((2, n, words), np.uint64)
    queue, roots = np.empty((2, n), np.int64)
    return Work(positions, keys, aligned(words * WORD), heard, hearers, np.zeros(words, np.uint64), queue, roots)


@compiled(inline=True)
def _score_of_keys(keys: Floats, begin: int, positions: Floats, j: int) -> Any:
    """Return the scores of eight keys with token j."""
    score = load(keys[0], begin) * broadcast_at(positions[0], j)
    for k in range(1, positions.shape[0]):
        score = score + load(keys[k], begin) * broadcast_at(positions[k], j)
    return score


@compiled(no_refcount=True)
def find_thresholds(state: Floats, delta: float, matrix: Floats, room: Work) -> None:
    """Fill positions, keys and thresholds of a state (n, d); the matrix A is (0, 0) for the identity."""
    positions, keys, thresholds = room.positions, room.keys, room.thresholds
    n, d = state.shape
    for k in range(d):
        for i in range(n):
            positions[k, i] = state[i, k]
    for row in range(d):
        for i in range(n):
            if matrix.size == 0:
                keys[row, i] = positions[row, i]
            else:
                key = positions[0, i] * matrix[row, 0]
                for k in range(1, d):
                    key += positions[k, i] * matrix[row, k]
                keys[row, i] = key
    for begin in range(0, n, LANES):
        # the maximum of two, and what is not a number apart: each token waits less for the one before
        best, wrong = broadcast(-np.inf), broadcast(0.0)
        for j in range(0, n - 1, 2):
            one, other = _score_of_keys(keys, begin, positions, j), _score_of_keys(keys, begin, positions, j + 1)
            best = larger(larger(one, other), best)
            wrong = where(one != one, one, where(other != other, other, wrong))
        if n % 2 == 1:
            one = _score_of_keys(keys, begin, positions, n - 1)
            best = larger(one, best)
            wrong = where(one != one, one, wrong)
        store(thresholds, begin, where(wrong != wrong, wrong, best) - broadcast(delta))  # then nobody is near
    for i in range(n, thresholds.size):
        thresholds[i] = np.inf


@compiled(inline=True)
def _within(n: int, word: int) -> Any:
    """Return the bits of a word that are tokens."""
    beyond = (word + 1) * WORD - n
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(max(beyond, 0))


@compiled(no_refcount=True)
def find_hearers(room: Work) -> None:
    """Fill who hears each token, from the thresholds."""
    for j in range(len(room.hearers)):
        for word in range(room.hearers.shape[1]):
            found = np.uint64(0)
            for begin in range(0, WORD, LANES):
                token = word * WORD + begin
                near = bits(_score_of_keys(room.keys, token, room.positions, j) >= load(room.thresholds, token))
                found |= np.uint64(near) << np.uint64(begin)
            room.hearers[j, word] = found


@compiled(no_refcount=True)
def find_edges(room: Work, symmetric: bool) -> None:
    """Fill who hears each token, and whom each hears, from the thresholds; keys that are positions are symmetric.

    The score of two tokens is then the same from either side, to the bit.
    """
    positions, keys, thresholds, n = room.positions, room.keys, room.thresholds, len(room.heard)
    if not symmetric:
        find_hearers(room)
    for i in range(n):
        for word in range(room.heard.shape[1]):
            heard = hearers = np.uint64(0)
            for begin in range(0, WORD, LANES):
                token = word * WORD + begin
                score = _score_of_keys(positions, token, keys, i)
                heard |= np.uint64(bits(score >= broadcast_at(thresholds, i))) << np.uint64(begin)
                if symmetric:
                    hearers |= np.uint64(bits(score >= load(thresholds, token))) << np.uint64(begin)
            room.heard[i, word] = heard & _within(n, word)
            if symmetric:
                room.hearers[i, word] = hearers


@compiled(no_refcount=True)
def same(a: Floats, b: Floats) -> bool:
    """Return whether two states (n, d) are equal."""
    n, d = a.shape
    for i in range(n):
        for k in range(d):
            if a[i, k] != b[i, k]:
                return False
    return True


@compiled(inline=True)
def is_in(words: Words, token: int) -> bool:
    """Return whether a token is in a set."""
    return bool((words[token // WORD] >> np.uint64(token % WORD)) & np.uint64(1))


@compiled(inline=True)
def put(words: Words, token: int) -> None:
    """Put a token into a set."""
    words[token // WORD] |= np.uint64(1) << np.uint64(token % WORD)


@compiled(no_refcount=True)
def count_edges(heard: Words, hearers: Words, counts: Integers) -> tuple[int, int]:
    """Fill the number of neighbours of each token; return the edges between different tokens, and the mutual ones.

    Examples
    --------
    >>> counts = np.empty(2, np.int64)
    >>> count_edges(*packed(np.array([[True, True], [False, True]])), counts), counts.tolist()
    ((1, 0), [2, 1])
    """
    edges = mutual = 0
    for i in range(len(heard)):
        count = 0
        for word in range(heard.shape[1]):
            count += size(heard[i, word])
            mutual += size(heard[i, word] & hearers[i, word])
        own = int(is_in(heard[i], i))
        counts[i] = count
        edges += count - own
        mutual -= own
    return edges, mutual


@compiled(no_refcount=True)
def _spread(edges: Words, seen: Words, queue: Integers, count: int) -> int:
    """Add to what is seen, and to the queue's first ``count``, all that these reach; return how many that makes."""
    head = 0
    while head < count:
        token = queue[head]
        head += 1
        for word in range(seen.size):
            new = edges[token, word] & ~seen[word]
            seen[word] |= new
            while new != 0:
                queue[count] = word * WORD + first(new)
                count += 1
                new &= new - np.uint64(1)
    return count


@compiled(no_refcount=True)
def number_by_first(out: Integers, room: Integers) -> int:
    """Number the groups of tokens, whose roots are in ``out`` (-1: none), by their first tokens; return how many."""
    room[:] = -1
    groups = 0
    for token in range(out.size):
        root = out[token]
        if root >= 0:
            if room[root] < 0:
                room[root] = groups
                groups += 1
            out[token] = room[root]
    return groups


@compiled(no_refcount=True)
def find_sinks(heard: Words, hearers: Words, seen: Words, queue: Integers, roots: Integers, out: Integers) -> int:
    """Number the sink strongly connected components and return how many there are; -1 for a token in none.

    A sink component has no edge that leaves it: it is a minimal closed set. Numbers count from 0 in the order of the
    components' first tokens.

    Who is walked back to from a token that has not been seen begins a set of roots: each sink component, which nobody
    outside can be walked back from, holds one. Of these, those that no later root is walked back to from hold one of
    each sink component and nothing else; and what such a one reaches is its component.

    Examples
    --------
    >>> edges = packed(np.array([[False, True, True], [False, True, False], [False, False, True]]))
    >>> out, room = np.empty(3, np.int64), np.empty((2, 3), np.int64)
    >>> find_sinks(*edges, np.empty(1, np.uint64), *room, out), out.tolist()
    (2, [-1, 0, 1])
    """
    n, found = len(heard), 0
    seen[:] = 0
    for token in range(n):
        if not is_in(seen, token):
            roots[found] = token
            found += 1
            put(seen, token)
            queue[0] = token
            _spread(hearers, seen, queue, 1)
    kept = found
    seen[:] = 0
    for entry in range(found - 1, -1, -1):
        token = roots[entry]
        if not is_in(seen, token):
            kept -= 1
            roots[kept] = token
            put(seen, token)
            queue[0] = token
            _spread(hearers, seen, queue, 1)
    out[:] = -1
    seen[:] = 0
    for entry in range(kept, found):
        put(seen, roots[entry])
        queue[0] = roots[entry]
        for place in range(_spread(heard, seen, queue, 1)):
            out[queue[place]] = roots[entry]
    return number_by_first(out, queue)


@compiled(no_refcount=True)
def forget_hearers(hearers: Words, label: Integers, mates: Words, kept: Words, lost: Words, queue: Integers) -> None:
    """Reduce a set of tokens to its largest part that is closed within each label, in place.

    What remains of ``kept`` is the largest subset whose tokens have neighbours only in the subset, and only of their
    own label: for each label a closed set of the graph.

    Parameters
    ----------
    hearers : (n, w)
    label : (n,)
        From 0 for each token that is kept.
    mates : (labels, w)
        The tokens of each label.
    kept : (w,)
        The set; is made smaller.
    lost, queue : (w,), (n,)
        Room.
    """
    count = 0
    for word in range(kept.size):
        lost[word] = ~kept[word]
    for token in range(label.size):
        inside = is_in(kept, token)
        for word in range(kept.size):
            new = hearers[token, word] & ~lost[word]
            if inside:
                new &= ~mates[label[token], word]
            lost[word] |= new
            while new != 0:
                queue[count] = word * WORD + first(new)
                count += 1
                new &= new - np.uint64(1)
    _spread(hearers, lost, queue, count)
    for word in range(kept.size):
        kept[word] &= ~lost[word]


def packed(graph: NDArray[np.bool_]) -> tuple[Words, Words]:
    """Return whom each token hears, and who hears each, as words, of a graph (n, n).

    Examples
    --------
    >>> [rows.tolist() for rows in packed(np.array([[True, True], [False, True]]))]
    [[[3], [2]], [[1], [3]]]
    """
    n = len(graph)
    wide = np.zeros((2, n, -(-n // WORD) * WORD), np.bool_)
    wide[0, :, :n], wide[1, :, :n] = graph, graph.T
    heard, hearers = np.packbits(wide, axis=-1, bitorder="little").view("<u8").astype(np.uint64)
    return heard, hearers
