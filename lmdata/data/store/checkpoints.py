"""Checkpoints: the states of members that are being computed, kept beside the dataset until they are finished."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from lmdata.data.store import storage
from lmdata.data.store.reading import read

GROUP = "checkpoints"

Member = tuple[int, ...]
"""Place of a member in the grid: unlike its number, it stays the same when the grid is extended."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of members that are not finished.

    Parameters
    ----------
    step
        Number of steps computed.
    frames
        Number of frames stored.
    state : (member, token, component) float64
        State after ``step`` steps.
    """

    step: int
    frames: int
    state: NDArray[np.float64]


def kept(root: zarr.Group) -> set[Member]:
    """Return the members that have a state."""
    group = root.get(GROUP)
    return {_member(name) for name in group.array_keys()} if isinstance(group, zarr.Group) else set()


class States:
    """The states of members that are being computed, kept in the store.

    Parameters
    ----------
    root
        Root group of a writable session.
    begun
        Members that have a state.
    """

    def __init__(self, root: zarr.Group, begun: Iterable[Member]) -> None:
        self._root = root
        self.begun = set(begun)

    def keep(self, member: Member, state: NDArray[np.float64], *, step: int, frames: int) -> None:
        """Keep a member's state (token, component)."""
        group = self._root.require_group(GROUP)
        dims, attributes = ("token", "component"), {"step": step, "frames": frames}
        array = storage.create_array(
            group, _name(member), dims, state.shape, state.shape, state.dtype, attributes=attributes
        )
        array[...] = state
        self.begun.add(member)

    def drop(self, member: Member) -> None:
        """Forget a member's state, if it has one."""
        if member in self.begun:
            del self._root[f"{GROUP}/{_name(member)}"]
            self.begun.remove(member)

    def load(self, members: Sequence[Member]) -> Checkpoint | None:
        """Return the state of members that have one; None if they are not at the same step.

        Raises
        ------
        CorruptDataset
            If a state is damaged.
        """
        names = [f"{GROUP}/{_name(member)}" for member in members]
        attributes: list[dict[str, Any]] = [dict(storage.array(self._root, name).attrs) for name in names]
        if len({(at["step"], at["frames"]) for at in attributes}) > 1:
            return None
        state = np.stack([read(self._root, name) for name in names])
        return Checkpoint(int(attributes[0]["step"]), int(attributes[0]["frames"]), state)


class Held(States):
    """The states of a fork: those of the last commit are read, and those that it reaches are held for who merges it."""

    def __init__(self, root: zarr.Group, begun: Iterable[Member]) -> None:
        super().__init__(root, begun)
        self.reached: dict[Member, NDArray[np.float64]] = {}

    def keep(self, member: Member, state: NDArray[np.float64], *, step: int, frames: int) -> None:
        """Hold a state; the number of its step and frames is among the outcomes."""
        self.reached[member] = state

    def drop(self, member: Member) -> None:
        """Forget a state, whichever it is; in the store it stays as it is."""
        self.begun.discard(member)
        self.reached.pop(member, None)


def _name(member: Member) -> str:
    return "-".join(map(str, member))


def _member(name: str) -> Member:
    return tuple(map(int, name.split("-")))
