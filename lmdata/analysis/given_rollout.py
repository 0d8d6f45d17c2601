"""Rollout over attention that came with the states: the steps that its weights would make, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.given_attention import given_attention
from lmdata.analysis.measuring import positions
from lmdata.analysis.parameters import check_order
from lmdata.analysis.presence import present
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number


def shares(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return weights (n, n) over the sums of their rows; a token that attends to none stays where it is.

    Raises
    ------
    InvalidInput
        If a weight is not finite, or negative.

    Examples
    --------
    >>> shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.0, 1.0]]
    """
    wide = np.ascontiguousarray(weights, dtype=np.float64)
    if not (np.isfinite(wide).all() and wide.min() >= 0):
        raise InvalidInput(
            f"attention has the weight {wide[~(np.isfinite(wide) & (wide >= 0))][0]} in a frame that leads to another; "
            "weights of a mean are finite and at least 0: select frames that have them (ds.isel(time=[...]))"
        )
    total = wide.sum(axis=1, keepdims=True)
    return np.where(total > 0, np.divide(wide, total, out=np.zeros_like(wide), where=total > 0), np.eye(len(wide)))


def given_columns(
    position: NDArray[np.floating], weights: NDArray[np.floating], sources: NDArray[np.float64], *, gain: float
) -> NDArray[np.float64]:
    """Return R (..., t, n, s), columns of the product of ``(1 - g) I + g P`` up to each frame; NaN where absent.

    Parameters
    ----------
    position : (..., t, n, d)
        States, which tell what members there are.
    weights : (..., t, n, n)
        P of each frame, which leads to the next; that of the last is not looked at.
    sources : (n, s)
        Columns of the identity; one that is zero throughout is of a token that is not there.
    gain
        g.

    Examples
    --------
    >>> weights = np.array([[[1.0, 0.0], [1.0, 0.0]]] * 3)
    >>> given_columns(np.ones((3, 2, 1)), weights, np.eye(2), gain=0.5)[-1].tolist()
    [[1.0, 0.0], [0.75, 0.25]]
    """
    here = sources.any(axis=0)
    found = np.full((*position.shape[:-1], len(here)), np.nan)
    for place, steps in _members(position, weights):
        now = np.ascontiguousarray(sources[:, here])
        reached = found[place]
        reached[0][:, here] = now
        for frame, step in enumerate(steps, start=1):
            now = now + gain * (shares(step) @ now - now)
            reached[frame][:, here] = now
    return found


def given_column_means(
    position: NDArray[np.floating], weights: NDArray[np.floating], *, gain: float
) -> NDArray[np.float64]:
    """Return the mean of each column of R, (..., n), from the first frame to the last; see `given_columns`.

    Examples
    --------
    >>> weights = np.array([[[1.0, 0.0], [1.0, 0.0]]] * 3)
    >>> given_column_means(np.ones((3, 2, 1)), weights, gain=0.5).tolist()
    [0.875, 0.125]
    """
    n = position.shape[-2]
    found = np.full((*position.shape[:-3], n), np.nan)
    for place, steps in _members(position, weights):
        now = np.full(n, 1.0 / n)
        for step in steps[::-1]:
            now = now + gain * (now @ shares(step) - now)
        found[place] = now
    return found


def _members(
    position: NDArray[np.floating], weights: NDArray[np.floating]
) -> Iterator[tuple[tuple[int, ...], NDArray[np.floating]]]:
    """Yield the place of every member that is there, and the weights (t - 1, n, n) that lead from frame to frame."""
    shape = position.shape[:-3]
    whole = np.broadcast_to(weights, (*shape, *weights.shape[-3:]))
    for place in itertools.product(*map(range, shape)):
        if present(position[place][:1])[0]:
            yield place, whole[place][:-1]


class Given(NamedTuple):
    """Steps by attention that came with the states.

    Attributes
    ----------
    arrays
        Positions, and weights (<swept>, seed, time, token, key): of a head, or the mean of all.
    gain
        g.
    comment
        What they are, in words.
    """

    arrays: tuple[xr.DataArray, xr.DataArray]
    gain: float
    comment: str


def given_steps(ds: xr.Dataset, measure: str, head: Hashable | None, gain: float | None) -> Given | None:
    """Return the steps by attention that came with the states, or None where they are those of a model.

    Raises
    ------
    InvalidInput
        If tokens were selected, there is no such head, the gain is not between 0 and 1, or one of them is given where
        there is no attention.
    """
    position, weights = positions(ds, measure), given_attention(ds, measure, "run")
    if weights is None:
        if head is not None or gain is not None:
            raise InvalidInput(
                f"{measure} takes a head and a gain for attention that came with the states, which this dataset has "
                "not; its model has its own gain: leave them out"
            )
        return None
    check_order(ds, measure)
    share = 0.5 if gain is None else as_number(gain, "gain", minimum=0)
    if share > 1:
        raise InvalidInput(f"gain is {share!r}; it must lie between 0 (tokens stay) and 1 (attention alone)")
    weights = weights.astype(np.float64)
    if head is None:
        return Given((position, weights.mean("head", skipna=False)), share, f"mean of the heads, gain {share:g}")
    labels = weights["head"].values.tolist()
    if head not in labels:
        raise InvalidInput(f"head is {head!r}; {measure} takes one of {labels!r:.80}, or None for the mean of all")
    chosen = weights.isel(head=labels.index(head), drop=True)
    return Given((position, chosen), share, f"head {head}, gain {share:g}")
