"""Which kernel steps a batch of localmax systems: by the number of tokens and of components, with the reason.

All kernels of a namespace give the same bits, so the choice is one of speed alone.
"""

from __future__ import annotations

from typing import NamedTuple

TREE_FROM = {1: 1000, 2: 1500, 3: 1500, 4: 4000, 5: 30_000, 6: 100_000}
"""Components, and from how many tokens on a tree is the fastest; in more components its boxes decide nothing."""

BLOCKED_FROM = 400
"""Tokens from which on a matrix product is faster than one compiled loop, in `BLOCKED_COMPONENTS` or more."""

BLOCKED_COMPONENTS = 4


class Plan(NamedTuple):
    """A kernel and why it was picked."""

    kernel: str
    reason: str


def plan(namespace: str, *, tokens: int, components: int) -> Plan:
    """Pick the kernel of a namespace for systems of ``tokens`` tokens with ``components`` components.

    Examples
    --------
    >>> plan("numpy", tokens=64, components=2)
    Plan(kernel='fused', reason='64 tokens of 2 components: all steps in one compiled loop')
    >>> plan("numpy", tokens=1_000_000, components=2).kernel, plan("numpy", tokens=2000, components=64).kernel
    ('tree', 'blocked')
    """
    if namespace != "numpy":
        return Plan("canonical", "the kernel that serves every problem")
    size = f"{tokens} tokens of {components} components"
    if tokens >= TREE_FROM.get(components, tokens + 1):
        return Plan("tree", f"{size}: a tree decides whole boxes of tokens at once")
    if tokens >= BLOCKED_FROM and components >= BLOCKED_COMPONENTS:
        return Plan("blocked", f"{size}: matrix products of blocks of rows, decided exactly")
    return Plan("fused", f"{size}: all steps in one compiled loop")


def why_not(kernel: str, *, components: int) -> str | None:
    """Return why a kernel cannot serve systems of so many components, or None where it can.

    Examples
    --------
    >>> why_not("tree", components=64)
    'a tree serves up to 6 components, not 64'
    >>> why_not("blocked", components=64)
    """
    if kernel == "tree" and components not in TREE_FROM:
        return f"a tree serves up to {max(TREE_FROM)} components, not {components}"
    return None
