"""Attention matrices of stored states, on request, and what can be said of them in a number."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, model_of, positions
from lmdata.analysis.neighbours import present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import neighbourhoods
from lmdata.dynamics.model import Model
from lmdata.dynamics.models.base import AttentionFlow
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.models.weights import uniform_weights
from lmdata.errors import InvalidInput

SOURCE = "attention matrix of self-attention dynamics, arXiv 2305.05465"


def weights_of(model: Model, states: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the attention weights P (m, n, n) of a model in states (m, n, d) at a step number.

    Examples
    --------
    >>> weights_of(Localmax(), np.array([[[1.0], [0.5]]]), 0)
    array([[[1., 0.],
            [1., 0.]]])
    """
    if isinstance(model, Localmax):
        sensitivity = float(model.schedule.values(step + 1)[step])
        return uniform_weights(neighbourhoods(states, sensitivity, model.matrix))
    inner = getattr(model, "model", model)
    if not hasattr(inner, "attention"):
        raise InvalidInput(
            f"a model of kind {model.kind!r} does not say how tokens attend; give its class a method "
            "attention(state, step) that returns the weights"
        )
    return np.asarray(inner.attention(states, step))


def _matrices(
    position: NDArray[np.floating], time: NDArray[Any], swept: tuple[NDArray[np.float64], ...], model: Model,
    parameters: tuple[str, ...],
) -> Iterator[tuple[tuple[int, ...], NDArray[np.float64]]]:  # fmt: skip
    """Yield (member, frame) and P for every frame of members (..., t, n, d) that is there."""
    shape = position.shape[:-3]
    columns = [np.broadcast_to(column, shape) for column in swept]
    for place in itertools.product(*map(range, shape)):
        member = model
        for name, column in zip(parameters, columns, strict=True):
            member = member.with_parameter(name, float(column[place]))
        inner = getattr(member, "model", member)
        size = inner.step_size if isinstance(inner, AttentionFlow) else 1
        for frame in np.flatnonzero(present(position[place])):
            state = position[(*place, frame)][None].astype(np.float64)
            yield (*place, int(frame)), weights_of(member, state, round(float(time[frame]) / size))[0]


def matrices(
    position: NDArray[np.floating], time: NDArray[Any], *swept: NDArray[np.float64], model: Model,
    parameters: tuple[str, ...] = (),
) -> NDArray[np.float64]:  # fmt: skip
    """Return P (..., t, n, n) of members (..., t, n, d); NaN in an absent one.

    Parameters
    ----------
    position : (..., t, n, d)
    time : (t,)
        The model's times.
    swept : (...)
        The members' values of ``parameters``.
    model, parameters
        The model, and the names of the parameters that differ.
    """
    found = np.full((*position.shape[:-1], position.shape[-2]), np.nan)
    for place, weights in _matrices(position, time, swept, model, parameters):
        found[place] = weights
    return found


def statistics(
    position: NDArray[np.floating], time: NDArray[Any], *swept: NDArray[np.float64], model: Model,
    parameters: tuple[str, ...] = (), tolerance: float = 1e-6,
) -> tuple[NDArray[Any], ...]:  # fmt: skip
    """Return rank, effective rank, distance to Boolean (..., t), and by token (..., t, n) four numbers; see `matrices`.

    These are row sums, column sums, effective number of keys and mean way back.
    """
    shape, n = position.shape[:-2], position.shape[-2]
    rank = np.full(shape, -1, np.int64)
    effective, boolean = np.full(shape, np.nan), np.full(shape, np.nan)
    rows, columns, keys, back = (np.full((*shape, n), np.nan) for _ in range(4))
    place_of = np.arange(n)
    for place, weights in _matrices(position, time, swept, model, parameters):
        singular = np.linalg.svd(weights, compute_uv=False)
        rank[place] = (singular > tolerance * singular[0]).sum()
        share = singular[singular > 0] / singular.sum()
        effective[place] = np.exp(-(share * np.log(share)).sum())
        boolean[place] = np.minimum(np.abs(weights), np.abs(weights - 1)).max()
        rows[place], columns[place] = weights.sum(axis=1), weights.sum(axis=0)
        shares = weights / rows[place][:, None]
        keys[place] = np.exp(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1))
        back[place] = place_of - shares @ place_of
    return rank, effective, boolean, rows, columns, keys, back


@measure(
    Variable(
        "attention", ("*", "seed", "time", "token", "key"), "float64", "weight with which the token attends to the key"
    ),
)
def attention(ds: xr.Dataset) -> xr.DataArray:
    """Return the attention weights P_ij of every stored state: how much the token i attends to the key j.

    Not stored with a dataset, since there are n x n of them a frame: select frames first.

    Parameters
    ----------
    ds
        A dataset of lmdata, of a model with attention weights.

    Returns
    -------
    xarray.DataArray
        ``attention`` (<swept>, seed, time, token, key), lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or its model no attention weights.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=3)
    >>> attention(ds.isel(time=[0])).isel(seed=0, time=0).values
    array([[1., 0., 0.],
           [1., 0., 0.],
           [0., 0., 1.]])
    """
    model, swept = _model_and_sweep(ds, "attention")
    return measured(
        ds,
        matrices,
        positions(ds, "attention"),
        ds["time"],
        *(ds[name] for name in swept),
        names=("attention",),
        core=(("time", "token", "component"), ("time",), *([()] * len(swept))),
        new={"key": ds["token"].values.tolist()},
        source=SOURCE,
        model=model,
        parameters=swept,
    )["attention"]


@measure(
    Variable("attention_rank", ("*", "seed", "time"), "int64", "numerical rank of the attention matrix"),
    Variable(
        "effective_rank",
        ("*", "seed", "time"),
        "float64",
        "exponential of the entropy of the singular values of attention",
    ),
    Variable(
        "distance_to_boolean", ("*", "seed", "time"), "float64", "largest distance of an attention weight from 0 or 1"
    ),
    Variable("row_sum", ("*", "seed", "time", "token"), "float64", "attention that the token gives"),
    Variable("column_sum", ("*", "seed", "time", "token"), "float64", "attention that the token receives"),
    Variable(
        "attended_keys", ("*", "seed", "time", "token"), "float64", "effective number of keys that the token attends to"
    ),
    Variable(
        "attended_back", ("*", "seed", "time", "token"), "float64", "positions that the token looks back on average"
    ),
)
def attention_statistics(ds: xr.Dataset, *, tolerance: float = 1e-6) -> xr.Dataset:
    r"""Measure the attention matrices of every stored state.

    In dimension one with positive V they tend to a Boolean matrix of rank one or two (arXiv 2305.05465).

    Parameters
    ----------
    ds
        A dataset of lmdata, of a model with attention weights.
    tolerance : float
        Singular values above this share of the largest count for the rank.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``attention_rank`` (<swept>, seed, time); -1 for absent members
        - ``effective_rank`` (<swept>, seed, time): exponential of the entropy of the normalised singular values
        - ``distance_to_boolean`` (<swept>, seed, time): :math:`\max_{ij} \min(|P_{ij}|, |P_{ij} - 1|)`
        - ``row_sum``, ``column_sum`` (<swept>, seed, time, token): attention given and received
        - ``attended_keys`` (<swept>, seed, time, token): exponential of the entropy of the row, the effective number
          of tokens that it attends to
        - ``attended_back`` (<swept>, seed, time, token): :math:`\sum_j P_{ij} (i - j) / \sum_j P_{ij}`, how many
          positions back it looks; never negative under a causal mask

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, its model no attention weights, or the tolerance is not positive.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=3)
    >>> attention_statistics(ds).attention_rank.values
    array([[2, 2, 2, 2]])
    """
    if not tolerance > 0:
        raise InvalidInput(f"tolerance is {tolerance!r}; it must be positive")
    model, swept = _model_and_sweep(ds, "attention_statistics")
    return measured(
        ds,
        statistics,
        positions(ds, "attention_statistics"),
        ds["time"],
        *(ds[name] for name in swept),
        names=(
            *("attention_rank", "effective_rank", "distance_to_boolean"),
            *("row_sum", "column_sum", "attended_keys", "attended_back"),
        ),
        core=(("time", "token", "component"), ("time",), *([()] * len(swept))),
        source=SOURCE,
        comment=f"rank above {tolerance:g} of the largest singular value",
        model=model,
        parameters=swept,
        tolerance=tolerance,
    )


def _model_and_sweep(ds: xr.Dataset, measure: str) -> tuple[Model, tuple[str, ...]]:
    """Return the model, and the names of its swept parameters, whose coordinates hold each member's values."""
    model = model_of(ds, measure)
    return model, tuple(name for name in model.sweepable if name in ds.coords)
