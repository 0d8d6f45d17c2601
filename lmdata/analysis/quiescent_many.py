"""Quiescent sets of a member of many tokens, whose graphs are not made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.graph_tree import Graph, begin_walk, graph_of, list_outward, walk
from lmdata.analysis.neighbours import Frames, for_each
from lmdata.dynamics.kernels.tree import System


class _Frame:
    """A frame that the one after it does not equal."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.graph: Graph = graph_of(system)
        self.counts = system.means.counts[: system.n].copy()
        self.walked = 0
        """How many of the tokens that have been lost have been walked back from in this frame."""

    def forget(self, label: NDArray[np.int64], lost: NDArray[np.int64], count: int) -> int:
        """List who is lost besides the first ``count`` since it hears them, or another label; return how many are."""
        ranges = np.empty((len(self.graph.unseen), 2), np.int64)
        self.walked = 0
        begin_walk(self.graph)
        return self.go_on(lost, list_outward(self.graph, label, ranges, lost, count))

    def go_on(self, lost: NDArray[np.int64], count: int) -> int:
        """List who is lost since some chain of listening leads to the first ``count``; return how many are."""
        self.walked = walk(self.graph, lost, self.walked, count, True)
        return self.walked

    def outside(self, s2: NDArray[np.bool_], sensitivity: float) -> NDArray[np.float64]:
        """Return what share of each token's neighbours is in S2, (n,); nothing can be asked of the frame after that."""
        system = self.system
        system.sorted.one[: system.n] = s2[system.ids]  # they alone count as neighbours
        system.fill()
        system.listen(sensitivity)
        share = np.empty(system.n)
        share[system.ids] = system.means.counts[: system.n] / self.counts
        return share


def follow_many(
    frames: Frames,
    label: NDArray[np.int64],
    closed: NDArray[np.bool_],
    quiescent: NDArray[np.bool_],
    outside: NDArray[np.float64],
) -> None:
    """Fill what `lmdata.analysis.graph_frames.find_closed` does, of one member of many tokens.

    Frame by frame, backwards, tokens are lost from what is closed ever since: those that hear another label or a lost
    token in this frame, and, in any later frame, one that was lost on the way. Each is walked back from but once in
    each frame, so that the frames that differ are kept, some times the memory of their positions.
    """
    source = frames.sources()
    found = np.unique(source).tolist()
    made: dict[int, _Frame] = {}
    gone = np.flatnonzero(label < 0)

    def make(frame: int) -> None:
        made[frame] = this = _Frame(frames.system(frame))
        lost = np.empty(label.size, np.int64)
        lost[: gone.size] = gone
        closed[frame] = True
        closed[frame, lost[: this.forget(label, lost, gone.size)]] = False

    for_each(make, found)
    lost = np.empty(label.size, np.int64)
    lost[: gone.size] = gone
    kept, count = label.copy(), gone.size
    later: list[_Frame] = []
    for frame in reversed(found):
        later.append(made[frame])
        count = made[frame].forget(kept, lost, count)
        while any(one.walked < count for one in later):
            for one in later:
                count = one.go_on(lost, count)
        kept[lost[:count]] = -1
        quiescent[frame] = kept >= 0
    s2 = ~quiescent[found[-1]]

    def weigh(frame: int) -> None:
        outside[frame] = made[frame].outside(s2, float(frames.sensitivity[frame]))

    if s2.any():
        for_each(weigh, found)
    closed[:], quiescent[:], outside[:] = closed[source], quiescent[source], outside[source]
