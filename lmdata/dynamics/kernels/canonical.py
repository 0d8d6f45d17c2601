"""The canonical step: localmax dynamics as an exact sequence of float64 operations, for any array-API namespace.

The dynamics (arXiv 2509.15958) are, for tokens z_i, alignment matrix A, sensitivity delta and influence alpha::

    a_ij = <A z_i, z_j>,   C_i = {j : a_ij >= max_l a_il - delta},   m_i = mean of z_j over C_i,
    z_i' = (z_i + alpha m_i) / (1 + alpha)

On lattice-like tokens the neighbourhoods C_i hinge on how scores round, so the step is *defined* in float64, every
operation rounded on its own, and each kernel (loop, tree, matrix product; CPU or GPU) gives these bits:

- scores: y = z A^T and s_ij = sum_k y_ik z_jk, both over ascending k, products and sums rounded separately;
- neighbours: j in C_i iff s_ij >= fl(max_l s_il - delta);
- sums that do not depend on their order: z = h + l split against a power of two of the component's largest entry
  (:func:`split`), so that sums of h and of l over any tokens are exact (pre-rounding, Demmel & Nguyen 2013);
- increments: with H, Lo the sums of h, l over C_i and c = |C_i|, D = fl((H - c h_i) + (Lo - c l_i)) and
  z_i' = fl(z_i + fl(g fl(D / c))), g = fl(alpha / fl(1 + alpha)). A collapsed cluster has D = 0 and stays put.

Only ``+ - * /``, comparison, rounding to integer and sums that are exact occur: nothing that differs by machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from lmdata.dynamics.kernels.drive import drive

type Array = Any
"""An array of any array-API namespace (numpy, cupy, array-api-strict); shapes are in the docstrings."""

BLOCK = 2**16
"""Scores held at once: larger problems go by groups of members, then by rows. The result does not depend on it."""

SMALLEST_EXPONENT = -900
"""The exponent of :func:`split` stays above this, so that its finer unit never underflows."""


def alignment_keys(state: Array, alignment: Array | None = None) -> Array:
    """Return y = z A^T of shape (..., n, d), summed over ascending components; z itself where A is None."""
    if alignment is None:
        return state
    keys = state[..., 0:1] * alignment[:, 0]
    for k in range(1, state.shape[-1]):
        keys = keys + state[..., k : k + 1] * alignment[:, k]
    return keys


def scores(keys: Array, state: Array) -> Array:
    """Return s_ij = sum_k y_ik z_jk over ascending k, of shape (..., r, n), for keys (..., r, d), state (..., n, d)."""
    total = keys[..., :, None, 0] * state[..., None, :, 0]
    for k in range(1, state.shape[-1]):
        total = total + keys[..., :, None, k] * state[..., None, :, k]
    return total


def above_threshold(score: Array, sensitivity: Array) -> Array:
    """Return s_ij >= fl(max_l s_il - delta) for scores (..., r, n) and a sensitivity that broadcasts against them."""
    xp = array_namespace(score)
    return score >= xp.max(score, axis=-1, keepdims=True) - sensitivity


def split(state: Array) -> tuple[Array, Array]:
    """Split (m, n, d) tokens into h + l whose sums over any of the n tokens are exact in float64.

    With 2^(E-1) <= max_i |z_ik| < 2^E for member and component k, and L = ceil(log2 n) + 1:
    h = U1 rint(z / U1), l = U2 rint((z - h) / U2), U1 = 2^(E-52+L), U2 = 2^(E-105+2L); E is at least -900.
    """
    xp = array_namespace(state)
    spare = (state.shape[1] - 1).bit_length() + 1
    power = _power_above(xp.max(xp.abs(state), axis=1, keepdims=True))
    coarse = power * 2.0 ** (spare - 52)
    fine = power * 2.0 ** (2 * spare - 105)
    high = coarse * xp.round(state / coarse)
    low = fine * xp.round((state - high) / fine)
    return high, low


def _power_above(magnitude: Array) -> Array:
    """Return 2^E with 2^(E-1) <= magnitude < 2^E, -900 <= E <= 635, by comparing with exact powers of two."""
    xp = array_namespace(magnitude)
    power = xp.full_like(magnitude, 2.0 ** (SMALLEST_EXPONENT - 1))
    for exponent in (512, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1):
        larger = power * 2.0**exponent
        power = xp.where(larger <= magnitude, larger, power)
    return power * 2.0


def pull(high: Array, low: Array, neighbours: Array, rows: slice) -> Array:
    """Return fl(D / c), the displacement of each token of ``rows`` to its neighbour mean, of shape (m, r, d).

    ``high`` and ``low`` (m, n, d) are the halves of :func:`split`; ``neighbours`` is bool (m, r, n).
    """
    xp = array_namespace(high)
    weights = xp.astype(neighbours, xp.float64)
    count = xp.sum(weights, axis=-1, keepdims=True)
    coarse = weights @ high - count * high[:, rows, :]
    fine = weights @ low - count * low[:, rows, :]
    return (coarse + fine) / count


def pulls(state: Array, sensitivity: Array, alignment: Array | None = None, *, block: int = BLOCK) -> Array:
    """Return the displacements of all tokens to their neighbour means, (m, n, d).

    At most ``block`` scores (or one row) are held at once.

    ``sensitivity`` is (m,); everything is on the device of ``state``.
    """
    xp = array_namespace(state)
    members, n, _ = state.shape
    keys = alignment_keys(state, alignment)
    high, low = split(state)
    parts = []
    for rows in _blocks(n, block // (members * n)):
        neighbours = above_threshold(scores(keys[:, rows, :], state), sensitivity[:, None, None])
        parts.append(pull(high, low, neighbours, rows))
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=1)


def step(
    state: Array, sensitivity: Array, influence: Array, alignment: Array | None = None, *, block: int = BLOCK
) -> Array:
    """Return the state one step later, (m, n, d), for sensitivity and influence of shape (m,)."""
    gain = influence / (1.0 + influence)
    return state + gain[:, None, None] * pulls(state, sensitivity, alignment, block=block)


def advance(
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: NDArray[np.float64] | None,
    keep: tuple[int, ...],
    *,
    block: int = BLOCK,
) -> tuple[Array, dict[str, Array]]:
    """Step a batch of members and return the frames asked for: the reference of all localmax kernels.

    Parameters
    ----------
    state : array (m, n, d)
        Tokens before the first step, free of negative zeros; its namespace and device do the work.
    sensitivity : ndarray (m, s)
        The sensitivity delta of each of the s coming steps, on the host.
    influence : ndarray (m,)
        The influence alpha > 0, on the host.
    alignment : ndarray (d, d) or None
        The matrix A, on the host; None is the identity.
    keep : tuple of int
        Ascending offsets in 0..s; offset 0 is ``state`` itself.
    block : int
        Scores held at once; any value gives the same bits.

    Returns
    -------
    frames : array (m, len(keep), n, d)
    diagnostics : dict
        Empty: this kernel has none.

    Notes
    -----
    A state that equals its successor is a fixed point while the sensitivities stay what they are, so the steps that
    remain are not computed; the result is the same.

    Examples
    --------
    >>> import numpy as np
    >>> state = np.array([[[1.0], [0.5], [-1.0]]])
    >>> frames, _ = advance(state, np.zeros((1, 2)), np.array([1.0]), None, (0, 2))
    >>> frames[0, :, :, 0]
    array([[ 1.   ,  0.5  , -1.   ],
           [ 1.   ,  0.875, -1.   ]])
    """
    xp = array_namespace(state)
    members, n, _ = state.shape
    matrix = None if alignment is None else xp.asarray(alignment, device=device(state))
    frames = [
        _advance_group(state[group, ...], sensitivity[group], influence[group], matrix, keep, block=block)
        for group in _blocks(members, block // (n * n))
    ]
    return (frames[0] if len(frames) == 1 else xp.concat(frames, axis=0)), {}


def _blocks(total: int, size: int) -> list[slice]:
    """Return the slices that cut ``total`` indices into blocks of ``size``, at least one each."""
    size = max(1, size)
    return [slice(begin, min(begin + size, total)) for begin in range(0, total, size)]


def _advance_group(
    state: Array,
    sensitivity: NDArray[np.float64],
    influence: NDArray[np.float64],
    alignment: Array | None,
    keep: tuple[int, ...],
    *,
    block: int,
) -> Array:
    """Return the frames of members that fit into one block."""
    xp = array_namespace(state)
    deltas = xp.asarray(sensitivity, device=device(state))
    alphas = xp.asarray(influence, device=device(state))
    frames: list[Array] = []

    def make(now: int) -> bool:
        nonlocal state
        before, state = state, step(state, deltas[:, now], alphas, alignment, block=block)
        return not bool(xp.all(state == before))

    drive(make, lambda _: frames.append(state), keep, sensitivity)
    return xp.stack(frames, axis=1)


def neighbourhoods(state: Array, sensitivity: Array | float, alignment: Array | None = None) -> Array:
    """Return C_i as booleans, exactly as the canonical step decides them.

    Parameters
    ----------
    state : array (..., n, d)
        Tokens; float32 is widened.
    sensitivity : float or array (...)
        Sensitivity of each leading index, or one for all.
    alignment : array (d, d), optional
        The matrix A; the identity by default.

    Returns
    -------
    array (..., n, n) of bool
        Entry (i, j): token i listens to token j. All n x n scores of the input are held at once.

    Examples
    --------
    >>> import numpy as np
    >>> neighbourhoods(np.array([[1.0], [0.5], [-1.0]]), 0.5)
    array([[ True,  True, False],
           [ True,  True, False],
           [False, False,  True]])
    """
    xp = array_namespace(state)
    state = xp.astype(state, xp.float64)
    delta = xp.asarray(sensitivity, dtype=xp.float64, device=device(state))
    if alignment is not None:
        alignment = xp.asarray(alignment, dtype=xp.float64, device=device(state))
    return above_threshold(scores(alignment_keys(state, alignment), state), delta[..., None, None])


def neighbour_mean(
    state: Array, sensitivity: Array | float, alignment: Array | None = None, *, block: int = BLOCK
) -> Array:
    """Return m_i = mean of z_j over C_i, of the shape (..., n, d) of ``state``, as z_i + fl(D / c).

    The arguments are those of :func:`neighbourhoods`; at most ``block`` scores are held for each leading index.

    Examples
    --------
    >>> import numpy as np
    >>> neighbour_mean(np.array([[1.0], [0.5], [-1.0]]), 0.5)
    array([[ 0.75],
           [ 0.75],
           [-1.  ]])
    """
    xp = array_namespace(state)
    batch = xp.reshape(xp.astype(state, xp.float64), (-1, *state.shape[-2:]))
    delta = xp.asarray(sensitivity, dtype=xp.float64, device=device(state))
    delta = xp.reshape(xp.broadcast_to(delta, state.shape[:-2]), (-1,))
    if alignment is not None:
        alignment = xp.asarray(alignment, dtype=xp.float64, device=device(state))
    return xp.reshape(batch + pulls(batch, delta, alignment, block=block), state.shape)
