"""The paths of a training run: what training writes, and what a dataset is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Paths:
    """What training gives, a row a member; NaN from where numbers overflowed."""

    weights: NDArray[np.float64]
    """Prompt (member, frame, feature, 1), or W (member, frame, feature, query feature)."""
    values: NDArray[np.float64]
    """Value vector (member, frame, feature) of joint training; no frames otherwise."""
    losses: NDArray[np.float64]
    """Mean loss (member, frame)."""
    steps_done: NDArray[np.int64]

    @classmethod
    def empty(cls, trained: str, members: int, frames: int, features: int) -> Self:
        """Return paths to write into."""
        m, d = members, features
        return cls(
            weights=np.full((m, frames, d, d if trained == "weight" else 1), np.nan),
            values=np.full((m, frames if trained == "joint" else 0, d), np.nan),
            losses=np.full((m, frames), np.nan),
            steps_done=np.zeros(m, np.int64),
        )
