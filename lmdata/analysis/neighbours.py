"""Neighbourhoods of many frames, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lmdata.analysis.presence import present
from lmdata.dynamics.kernels.canonical import neighbourhoods

BLOCK_PAIRS = 2**16
"""Pairs of tokens held at a time, or those of one frame."""


def graphs(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    *,
    backwards: bool = False,
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield (frame, C) for each frame that holds tokens; row i of C marks the neighbourhood of token i.

    The neighbourhoods are those of the canonical step, to the bit.

    Parameters
    ----------
    position : (f, n, d)
    sensitivity : (f,)
    alignment : (d, d) or None
    backwards
        From the last frame to the first.

    Examples
    --------
    >>> frames = np.array([[[1.0], [0.5]], [[np.nan], [np.nan]]])
    >>> [(frame, graph.tolist()) for frame, graph in graphs(frames, np.zeros(2), None)]
    [(0, [[True, False], [True, False]])]
    """
    frames = np.flatnonzero(present(position))
    if backwards:
        frames = frames[::-1]
    size = max(1, BLOCK_PAIRS // position.shape[1] ** 2)
    for start in range(0, frames.size, size):
        block = frames[start : start + size]
        yield from zip(block.tolist(), neighbourhoods(position[block], sensitivity[block], alignment), strict=True)
