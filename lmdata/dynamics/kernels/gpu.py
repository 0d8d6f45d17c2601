"""Localmax on a GPU: the regimes of the processor's kernels in CUDA (``gpu_kernels.cu``), the same bits.

*fused*: one block a member, all steps inside, tokens in shared memory. *tree*: for many tokens in few dimensions, tiles
of neighbouring tokens with bounds that decide whole tiles. *blocked*: for many dimensions, float32 matrix products of
blocks of rows that float64 completes. No n x n array is ever held, and arrays stay on the device until the caller
fetches them.

What launches a kernel is a `Device`, so that the same code runs on a processor where kernels are tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.canonical import alignment_keys, split
from lmdata.dynamics.kernels.drive import drive

SOURCE = Path(__file__).with_name("gpu_kernels.cu")

THREADS = 128
"""Threads of a block; any number gives the same bits."""

TILE = 128
"""Tokens that are bounded together."""

SHARED_NUMBERS = 6000
"""float64 numbers of shared memory that every GPU gives a block (48 KB)."""

BLOCK = 2**28
"""Float32 scores held at once."""

LIST = 2048
"""Neighbours that a row collects before it sums them; as in the source."""

type Array = Any
type Step = Callable[[Array, float], Array]


class Device(Protocol):
    """An array namespace and a way to launch the kernels of `SOURCE` on its arrays."""

    xp: Any

    def launch(
        self, name: str, components: int, blocks: int, threads: int, shared: int, arguments: tuple[Any, ...]
    ) -> None:
        """Run kernel ``name``, compiled for ``components``, with ``shared`` float64 numbers a block."""


class Cupy:
    """The current CUDA device, by cupy."""

    def __init__(self) -> None:
        import cupy

        self.xp = cupy

    def launch(
        self, name: str, components: int, blocks: int, threads: int, shared: int, arguments: tuple[Any, ...]
    ) -> None:
        """Run a kernel on the current stream."""
        _module(components).get_function(name)((blocks,), (threads,), arguments, shared_mem=8 * shared)


@cache
def _module(components: int) -> Any:
    """Compile the source for so many components; cupy keeps the binary on disk."""
    import cupy

    options = ("--fmad=false", "--std=c++17", f"-DCOMPONENTS={components}")
    return cupy.RawModule(code=SOURCE.read_text(encoding="utf-8"), options=options)


def fused_size(n: int, d: int) -> int:
    """Return the float64 numbers of shared memory that a member of n tokens with d components takes.

    Examples
    --------
    >>> fused_size(64, 2) <= SHARED_NUMBERS < fused_size(2000, 2)
    True
    """
    return 5 * n * d + THREADS


def advance_fused(
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    device: Device | None = None,
    threads: int = THREADS,
) -> tuple[Array, dict[str, Array]]:
    """Step a batch of small members in one launch; arguments as for `lmdata.dynamics.kernels.canonical.advance`."""
    device = device or Cupy()
    xp = device.xp
    members, n, d = state.shape
    steps = sensitivity.shape[1]
    frames = xp.empty((members, len(keep), n, d), dtype=xp.float64)
    matrix = np.eye(d) if alignment is None else alignment
    arguments = (
        xp.ascontiguousarray(state),
        xp.asarray(np.ascontiguousarray(sensitivity)),
        xp.asarray(influence / (1.0 + influence)),
        xp.asarray(np.ascontiguousarray(matrix)),
        xp.asarray(np.array(keep, np.int64)),
        frames,
        *(np.int64(number) for number in (n, steps, len(keep), alignment is not None)),
    )
    device.launch("fused", d, members, threads, 5 * n * d + threads, arguments)
    return frames, {}


def advance_tree(
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    device: Device | None = None,
    threads: int = THREADS,
    tile: int = TILE,
) -> tuple[Array, dict[str, Array]]:
    """Step members of many tokens in few dimensions; arguments as for `lmdata.dynamics.kernels.canonical.advance`."""
    chosen = device or Cupy()
    matrix = None if alignment is None else chosen.xp.asarray(alignment)

    def pulls(tokens: Array, delta: float) -> Array:
        return listen_tiles(tokens, delta, matrix, device=chosen, threads=threads, tile=tile)[1]

    return _follow(chosen.xp, pulls, state, sensitivity, influence, keep), {}


def listen_tiles(
    tokens: Array, delta: float, matrix: Array | None, *, device: Device, threads: int = THREADS, tile: int = TILE
) -> tuple[Array, Array]:
    """Return the numbers of neighbours (n,) and the pulls (n, d) of one system (n, d), by tiles of close tokens."""
    xp = device.xp
    n, d = tokens.shape
    order = xp.argsort(curve_index(xp, tokens))
    high, low = split(tokens[None])
    sorted_by_tile = [xp.ascontiguousarray(part[order].T) for part in (tokens, alignment_keys(tokens, matrix))]
    halves = [xp.ascontiguousarray(part[0][order].T) for part in (high, low)]
    tiles = -(-n // tile)
    boxes, key_boxes = (xp.empty((tiles, 2 * d), dtype=xp.float64) for _ in range(2))
    totals, counts = xp.empty((tiles, 2 * d + 1), dtype=xp.float64), xp.empty(n, dtype=xp.float64)
    pulls = xp.empty((d, n), dtype=xp.float64)
    arrays = (*sorted_by_tile, *halves, boxes, key_boxes, totals)
    sizes = (np.int64(n), np.int64(tile))
    device.launch("tile_facts", d, tiles, threads, threads, (*arrays, *sizes))
    shared = 2 * threads + (2 + 2 * d) * tile
    arguments = (*arrays, np.float64(delta), counts, pulls, *sizes, np.int64(tiles))
    device.launch("listen_tiles", d, tiles, threads, shared, arguments)
    back = xp.argsort(order)
    return counts[back], pulls.T[back]


def curve_index(xp: Any, tokens: Array) -> Array:
    """Return each token's place (n,) along a curve that keeps neighbours together (Morton order on 2^20 cells an axis).

    Only speed depends on it.

    Examples
    --------
    >>> curve_index(np, np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])).argsort().tolist()
    [0, 2, 1]
    """
    n, d = tokens.shape
    bits = min(20, 62 // d)
    low = xp.min(tokens, axis=0)
    width = xp.max(tokens, axis=0) - low
    cells = (tokens - low) / xp.where(width > 0.0, width, xp.ones_like(width)) * (2.0**bits - 1.0)
    cells = cells.astype(xp.int64)
    index = xp.zeros(n, dtype=xp.int64)
    for bit in range(bits):
        for k in range(d):
            index |= ((cells[:, k] >> bit) & 1) << (bit * d + d - 1 - k)
    return index


def advance_blocked(
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    device: Device | None = None,
    threads: int = THREADS,
    rows: int | None = None,
) -> tuple[Array, dict[str, Array]]:
    """Step members of many components; arguments as for `lmdata.dynamics.kernels.canonical.advance`."""
    chosen = device or Cupy()
    matrix = None if alignment is None else chosen.xp.asarray(alignment)

    def pulls(tokens: Array, delta: float) -> Array:
        d = tokens.shape[1]
        high, low = (half[0] for half in split(tokens[None]))
        values = chosen.xp.concatenate([high, low], axis=1)
        count, sums = sum_neighbours(tokens, delta, matrix, values, device=chosen, threads=threads, rows=rows)
        count = count[:, None]
        return ((sums[:, :d] - count * high) + (sums[:, d:] - count * low)) / count

    return _follow(chosen.xp, pulls, state, sensitivity, influence, keep), {}


def sum_neighbours(
    tokens: Array,
    delta: float,
    matrix: Array | None,
    values: Array,
    *,
    device: Device,
    threads: int = THREADS,
    rows: int | None = None,
) -> tuple[Array, Array]:
    """Return the number of neighbours (n,) and the sums (n, w) of their values (n, w), for one system (n, d).

    The float32 scores and their error bounds are those of `lmdata.dynamics.kernels.blocked`.
    """
    xp = device.xp
    n, d = tokens.shape
    keys = alignment_keys(tokens, matrix)
    shift, key_shift = (int(np.frexp(float(xp.abs(part).max()))[1]) for part in (tokens, keys))
    scaled, scaled_keys = tokens * 2.0**-shift, keys * 2.0**-key_shift
    length, longest = (xp.sqrt((part * part).sum(axis=1)) for part in (scaled_keys, scaled))
    error = (d + 8) * 2.0**-24 * (1.0 + 2.0**-20) * length * longest.max() + d * 2.0**-140
    left, right = scaled_keys.astype(xp.float32), xp.ascontiguousarray(scaled.astype(xp.float32)).T
    counts, sums = xp.empty(n, dtype=xp.float64), xp.empty(values.shape, dtype=xp.float64)
    arrays = (error, *(xp.ascontiguousarray(part) for part in (keys, tokens, values)))
    with np.errstate(over="ignore", under="ignore"):
        deltas = (np.ldexp(np.float64(delta), -shift - key_shift), np.float64(delta))
    rows = rows or max(1, min(n, BLOCK // n))
    shared = threads + values.shape[1] + 2 + LIST
    for begin in range(0, n, rows):
        scores = left[begin : begin + rows] @ right
        sizes = tuple(np.int64(number) for number in (begin, n, d, values.shape[1]))
        arguments = (scores, *arrays, *deltas, counts, sums, *sizes)
        device.launch("sum_neighbours", 1, len(scores), threads, shared, arguments)
    return counts, sums


def _follow(
    xp: Any,
    pulls: Step,
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    keep: tuple[int, ...],
) -> Array:
    """Return the frames of members that are stepped one after the other; a fixed point is not stepped on."""
    frames = xp.empty((len(state), len(keep), *state.shape[1:]), dtype=xp.float64)
    gain = influence / (1.0 + influence)
    for member in range(len(state)):
        _follow_one(pulls, state[member], sensitivity[member], float(gain[member]), keep, frames[member])
    return frames


def _follow_one(
    pulls: Step, tokens: Array, sensitivity: NDArray[np.float64], gain: float, keep: tuple[int, ...], frames: Array
) -> None:
    """Fill the frames (f, n, d) of one member."""

    def step(now: int) -> bool:
        nonlocal tokens
        before, tokens = tokens, tokens + gain * pulls(tokens, float(sensitivity[now]))
        return bool((tokens != before).any())

    def record(frame: int) -> None:
        frames[frame] = tokens

    drive(step, record, keep, sensitivity)
