"""Interaction graphs of many frames of small members: what each measure asks of them, in one compiled loop.

A frame that equals the one that was looked at before, and has its sensitivity, has its graph: nothing is computed anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.graph_bits import (
    Words,
    Work,
    count_edges,
    find_edges,
    find_hearers,
    find_sinks,
    find_thresholds,
    forget_hearers,
    is_in,
    put,
    same,
)
from lmdata.dynamics.kernels.lanes import Floats, Integers
from lmdata.numerics.compiled import compiled
from lmdata.numerics.words import size

type Flags = NDArray[np.bool_]

NOW, KEPT, ENDING, S2, MATES = range(5)
"""The sets of tokens that are closed in a frame, quiescent, at a vertex, in S2, and those at each vertex."""


class Numbers(NamedTuple):
    """Numbers of interaction graphs, frame by frame."""

    neighbours: Integers  # (f, n)
    reciprocity: Floats  # (f,)
    sink: Integers  # (f, n) the sink component of each token
    sinks: Integers  # (f,) the number of sink components


@compiled(inline=True)
def _copy(rows: NDArray[Any], source: int, target: int) -> None:
    """Copy a row; NumPy's way would make an array on the way."""
    for entry in range(rows.shape[1]):
        rows[target, entry] = rows[source, entry]


@compiled(no_refcount=True)
def find_leaders(
    states: Floats, sensitivity: Floats, matrix: Floats, room: Work, begin: int, end: int, leader: Flags
) -> None:
    """Fill which tokens of frames begin..end lead, leader (f, n); absent frames are left as they are."""
    keys, positions = room.keys, room.positions
    for frame in range(begin, end):
        if np.isnan(states[frame, 0, 0]):
            continue
        if frame > begin and sensitivity[frame] == sensitivity[frame - 1] and same(states[frame], states[frame - 1]):
            _copy(leader, frame - 1, frame)
            continue
        find_thresholds(states[frame], sensitivity[frame], matrix, room)
        for i in range(leader.shape[1]):
            score = keys[0, i] * positions[0, i]
            for k in range(1, len(keys)):
                score += keys[k, i] * positions[k, i]
            leader[frame, i] = score >= room.thresholds[i]


@compiled(no_refcount=True)
def find_edge_numbers(heard: Words, hearers: Words, room: Work, frame: int, numbers: Numbers) -> None:
    """Fill the numbers of a frame from its edges."""
    edges, mutual = count_edges(heard, hearers, numbers.neighbours[frame])
    if edges > 0:
        numbers.reciprocity[frame] = mutual / edges
    numbers.sinks[frame] = find_sinks(heard, hearers, room.seen, room.queue, room.roots, numbers.sink[frame])


@compiled(no_refcount=True)
def find_numbers(
    states: Floats,
    sensitivity: Floats,
    matrix: Floats,
    room: Work,
    begin: int,
    end: int,
    numbers: Numbers,
) -> None:
    """Fill the numbers of `lmdata.analysis.interaction.graph_statistics` of frames begin..end, by frame.

    Absent frames are left as they are.
    """
    for frame in range(begin, end):
        if np.isnan(states[frame, 0, 0]):
            continue
        if frame > begin and sensitivity[frame] == sensitivity[frame - 1] and same(states[frame], states[frame - 1]):
            _copy(numbers.neighbours, frame - 1, frame)
            _copy(numbers.sink, frame - 1, frame)
            numbers.reciprocity[frame], numbers.sinks[frame] = numbers.reciprocity[frame - 1], numbers.sinks[frame - 1]
            continue
        find_thresholds(states[frame], sensitivity[frame], matrix, room)
        find_edges(room, matrix.size == 0)
        find_edge_numbers(room.heard, room.hearers, room, frame, numbers)


@compiled(no_refcount=True)
def find_closed(
    states: Floats,
    sensitivity: Floats,
    matrix: Floats,
    room: Work,
    sets: Words,
    union: Words,
    label: Integers,
    closed: Flags,
    quiescent: Flags,
    outside: Floats,
) -> None:
    """Fill, of the frames (t, n, d) of one member, which tokens are closed and quiescent, and whom they hear in S2.

    Parameters
    ----------
    sets : (MATES + n, w)
        Room for the sets of tokens.
    union : (n, w)
        Room for who has heard whom since the frame.
    label : (n,)
        The vertex of each token, or -1.
    closed, quiescent : (t, n)
    outside : (t, n)
        Is given the share of the token's neighbours that are in S2, where S2 is not empty.
    """
    t, n, _ = states.shape
    now, kept, ending, s2, mates = sets[NOW], sets[KEPT], sets[ENDING], sets[S2], sets[MATES:]
    sets[:] = 0
    union[:] = 0
    for i in range(n):
        if label[i] >= 0:
            put(ending, i)
            put(mates[label[i]], i)
    _copy(sets, ENDING, KEPT)
    others = False
    for frame in range(t - 1, -1, -1):
        if frame < t - 1 and sensitivity[frame] == sensitivity[frame + 1] and same(states[frame], states[frame + 1]):
            _copy(closed, frame + 1, frame)
            _copy(quiescent, frame + 1, frame)
            _copy(outside, frame + 1, frame)
            continue
        find_thresholds(states[frame], sensitivity[frame], matrix, room)
        if others or frame == t - 1:
            find_edges(room, matrix.size == 0)
        else:
            find_hearers(room)
        _copy(sets, ENDING, NOW)
        forget_hearers(room.hearers, label, mates, now, room.seen, room.queue)
        for i in range(n):
            for word in range(now.size):
                union[i, word] |= room.hearers[i, word]
        forget_hearers(union, label, mates, kept, room.seen, room.queue)
        for i in range(n):
            closed[frame, i], quiescent[frame, i] = is_in(now, i), is_in(kept, i)
            if frame == t - 1 and not quiescent[frame, i]:
                put(s2, i)
                others = True
        if others:
            for i in range(n):
                inside = every = 0
                for word in range(now.size):
                    inside += size(room.heard[i, word] & s2[word])
                    every += size(room.heard[i, word])
                outside[frame, i] = inside / every
