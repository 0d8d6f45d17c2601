"""The neighbourhoods C_i that each fast kernel decides, of one system (n, d), as booleans (n, n)."""

from __future__ import annotations

import numpy as np

from lmdata.dynamics.kernels import blocked, fused, tree


def by_fused(state, sensitivity, alignment=None):
    """Token by token, all others are taken out of the count: what remains says who listens to it."""
    n, d = state.shape
    work = fused.workspace(n, d)
    tokens = work.tokens
    tokens.positions[:] = state[[*range(n), *[0] * (tokens.positions.shape[1] - n)]].T
    fused.alignment_keys(tokens, np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment))
    sets = np.empty((n, n), np.bool_)
    for j in range(n):
        tokens.one[:] = 0.0
        tokens.one[j] = 1.0
        fused._find_pulls(work, sensitivity, fused.axes_of(d))
        sets[:, j] = work.counts[:n] > 0.0
    return sets


def by_tree(state, sensitivity, alignment=None, *, threads=None, leaf=tree.LEAF):
    """As `by_fused`, with the tokens in the order of the tree."""
    system = tree.System(state, alignment, leaf=leaf, threads=threads)
    sets = np.empty((system.n, system.n), np.bool_)
    system.sort()
    for j in range(system.n):
        system.sorted.one[: system.n] = system.ids == j
        system.fill()
        system.listen(sensitivity)
        sets[system.ids, j] = system.means.counts[: system.n] > 0.0
    return sets


def by_blocked(state, sensitivity, alignment=None, *, threads=None, rows=None):
    """Sum over the neighbours one number for each token, 1 for itself."""
    listening = blocked.listening_of(state, sensitivity, alignment)
    _, totals, _ = blocked.sum_values(listening, np.eye(len(state)), rows or len(state), threads)
    return totals > 0.0
