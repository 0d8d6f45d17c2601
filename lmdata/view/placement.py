"""Where to write words so that they do not cover each other: boxes in pixels, placed one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LETTER = 0.56
"""Width of a letter, as a part of the font size, on average over English words in Helvetica."""

GAP = 2.0
"""Room left and right of a label, in pixels."""

NEAR = 9.0
"""Points closer than this, in pixels, are one group with one label."""

_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 338, 202])
_DIRECTIONS = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)]).round(12)
_DISTANCES = np.array([9.0, 20.0, 34.0, 50.0, 70.0])


@dataclass(frozen=True)
class Placed:
    """A label: its text, the points that it speaks of, their middle, the label's middle and its nearest edge."""

    text: str
    members: NDArray[np.int64]
    anchor: tuple[float, float]
    at: tuple[float, float]
    edge: tuple[float, float]


def groups(points: NDArray[np.float64], near: float = NEAR) -> list[NDArray[np.int64]]:
    """Return the points (n, 2) in groups: those within ``near`` of a group's first point join it; largest first.

    Examples
    --------
    >>> [g.tolist() for g in groups(np.array([[0.0, 0.0], [50.0, 0.0], [52.0, 0.0]]))]
    [[1, 2], [0]]
    """
    left = np.ones(len(points), dtype=bool)
    found = []
    for first in range(len(points)):
        if left[first]:
            members = np.flatnonzero(left & (np.hypot(*(points - points[first]).T) <= near))
            left[members] = False
            found.append(members)
    return sorted(found, key=lambda group: (-len(group), int(group[0])))


def summary(names: Sequence[str], most: int = 3) -> str:
    """Return names in one line, each once with its count: at most ``most``, then how many more there are.

    Examples
    --------
    >>> summary(["the", "film", "the"]), summary(["a", "b", "c", "d", "e"])
    ('the ×2, film', 'a, b, c +2')
    """
    count = Counter(names)
    said = [name if k == 1 else f"{name} ×{k}" for name, k in count.items()][:most]
    more = len(names) - sum(list(count.values())[:most])
    return ", ".join(said) + (f" +{more}" if more else "")


def place(points: NDArray[np.float64], names: Sequence[str], *, size: tuple[int, int], font: float) -> list[Placed]:
    """Return labels that cover neither each other nor any point; a group that finds no room has none.

    Parameters
    ----------
    points : ndarray (n, 2)
        In pixels, from the lower left corner of the frame.
    names : sequence of str
        One for each point.
    size : (int, int)
        Width and height of the frame.
    font : float
        Font size in pixels.

    Examples
    --------
    >>> [(p.text, p.at) for p in place(np.array([[50.0, 50.0]]), ["token"], size=(200, 100), font=10.0)]
    [('token', (75.0, 50.0))]
    """
    gathered = groups(points)
    anchors = np.array([points[group].mean(axis=0) for group in gathered])
    # boxes are (left, bottom, right, top); every dot is one from the start
    taken = np.column_stack([anchors - 4, anchors + 4])
    placed = []
    for group, anchor in zip(gathered, anchors, strict=True):
        text = summary([names[k] for k in group])
        half = np.array([LETTER * font * len(text) / 2 + GAP, 0.62 * font])
        # beside the dot the box begins at the distance; above and below it is centred
        beside = np.clip(1.5 * _DIRECTIONS, -1, 1) * half
        middles = (anchor + beside + _DISTANCES[:, None, None] * _DIRECTIONS).reshape(-1, 2)
        boxes = np.column_stack([middles - half, middles + half])
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= size).all(axis=1)
        apart = (boxes[:, None, :2] >= taken[:, 2:]) | (boxes[:, None, 2:] <= taken[:, :2])
        free = np.flatnonzero(inside & apart.any(axis=2).all(axis=1))
        if len(free):
            best = free[0]
            taken = np.vstack([taken, boxes[best]])
            edge = np.clip(anchor, boxes[best, :2], boxes[best, 2:])
            x, y, z = ((float(at[0]), float(at[1])) for at in (anchor, middles[best], edge))
            placed.append(Placed(text, group, x, y, z))
    return placed
