"""Which kernel steps a batch of localmax systems, by its size, and for what reason.

All kernels of a namespace give the same bits, so the choice is one of speed alone.
"""

from __future__ import annotations

from typing import NamedTuple

from lmdata.dynamics.kernels.gpu import SHARED_NUMBERS, fused_size
from lmdata.wording import counted

TREE_FROM = {1: 250, 2: 1000, 3: 600, 4: 700, 5: 800, 6: 1200}
"""Components, and from how many tokens on a tree is the fastest; in more components its boxes decide nothing."""

BLOCKED_FROM = 500
"""Tokens from which on a matrix product is faster than one compiled loop, where a tree cannot serve."""

FEW_PRODUCTS = 10_000
"""Products of components in one step, up to which NumPy takes about 0.1 ms: nothing need be compiled."""


class Plan(NamedTuple):
    """A kernel and why it was picked."""

    kernel: str
    reason: str


def plan(namespace: str, *, members: int, tokens: int, components: int) -> Plan:
    """Pick the kernel of a namespace for ``members`` systems of ``tokens`` tokens with ``components`` components.

    Examples
    --------
    >>> plan("numpy", members=100, tokens=64, components=2)
    Plan(kernel='fused', reason='64 tokens of 2 components: all steps in one compiled loop')
    >>> [plan("numpy", members=1, tokens=n, components=d).kernel for n, d in ((16, 2), (1_000_000, 2), (2000, 64))]
    ['canonical', 'tree', 'blocked']
    """
    size = f"{counted(tokens, 'token')} of {counted(components, 'component')}"
    if namespace == "cupy":
        return _plan_for_gpu(size, tokens, components)
    if members * tokens**2 * components <= FEW_PRODUCTS:
        return Plan("canonical", f"{members} x {size}: done before a faster kernel is compiled or loaded")
    if tokens >= TREE_FROM.get(components, tokens + 1):
        return Plan("tree", f"{size}: a tree decides whole boxes of tokens at once")
    if tokens >= BLOCKED_FROM and components not in TREE_FROM:
        return Plan("blocked", f"{size}: matrix products of blocks of rows, decided exactly")
    return Plan("fused", f"{size}: all steps in one compiled loop")


def _plan_for_gpu(size: str, tokens: int, components: int) -> Plan:
    if why_not("cupy:fused", tokens=tokens, components=components) is None:
        return Plan("fused", f"{size}: all steps in one launch, a member a block")
    if components in TREE_FROM:
        return Plan("tree", f"{size}: bounds decide whole tiles of tokens")
    return Plan("blocked", f"{size}: matrix products of blocks of rows, decided exactly")


def why_not(backend: str, *, tokens: int, components: int) -> str | None:
    """Return why a backend such as ``"numpy:tree"`` cannot serve systems of this size, or None where it can.

    Examples
    --------
    >>> why_not("numpy:tree", tokens=100, components=64)
    'a tree serves up to 6 components, not 64'
    >>> why_not("numpy:blocked", tokens=100, components=64)
    """
    namespace, _, kernel = backend.partition(":")
    if kernel == "tree" and components not in TREE_FROM:
        return f"a tree serves up to {max(TREE_FROM)} components, not {components}"
    if namespace == "cupy" and kernel == "fused" and fused_size(tokens, components) > SHARED_NUMBERS:
        most = SHARED_NUMBERS * tokens // fused_size(tokens, components)
        size = f"{counted(tokens, 'token')} of {counted(components, 'component')}"
        return f"{size} do not fit into a block's memory, about {most} would"
    return None
