"""Attention matrices of stored states, on request, and what can be said of them in a number."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.given_attention import SOURCE as GIVEN
from lmdata.analysis.given_attention import given_attention, weights_by_place
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import (
    CORE,
    Among,
    check_whole,
    count_of,
    models_of,
    numbers_of,
    sensitivities_at,
    steps_of,
)
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import neighbourhoods
from lmdata.dynamics.model import Model
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.models.weights import uniform_weights
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number

NAMES = (
    *("attention_rank", "effective_rank", "distance_to_boolean", "attention_entropy", "sink_share"),
    *("row_sum", "column_sum", "attended_keys", "attended_back"),
)
SOURCE = "attention matrix of self-attention dynamics, arXiv 2305.05465"


def weights_of(model: Model, states: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the attention weights P (m, n, n) of a model in states (m, n, d) at a step number.

    Examples
    --------
    >>> weights_of(Localmax(), np.array([[[1.0], [0.5]]]), 0)
    array([[[1., 0.],
            [1., 0.]]])
    """
    inner = _attending(model)
    if isinstance(inner, Localmax):
        sensitivity = float(sensitivities_at(inner, np.array([step]))[0])
        return uniform_weights(neighbourhoods(states, sensitivity, inner.matrix))
    return np.asarray(inner.attention(states, step))


def _attending(model: Model) -> Any:
    """Return the model that says how tokens attend: of a noisy one, the model in it.

    Raises
    ------
    InvalidInput
        If it does not say so.
    """
    inner = getattr(model, "model", model)
    if not isinstance(inner, Localmax) and not hasattr(inner, "attention"):
        raise InvalidInput(
            f"a model of kind {model.kind!r} does not say how tokens attend; give its class a method "
            "attention(state, step) that returns the weights"
        )
    return inner


class Whose(NamedTuple):
    """The models of a dataset's members, and which components of the run their states hold."""

    models: tuple[Model, ...]
    components: NDArray[np.int64] | None
    """Number of each component in the run; None where they are the run's, in its order."""
    width: int
    """Components in the run."""

    def weights(
        self, number: int, state: NDArray[np.float64], step: int, tokens: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return P (n, n) of a model, by its number, in a state (n, d); components that are not there are zero.

        A causal mask goes by the tokens' numbers in the run.
        """
        order = np.argsort(tokens, kind="stable")
        full = state[order]
        if self.components is not None:
            full = np.zeros((len(state), self.width))
            full[:, self.components] = state[order]
        found = np.empty((len(state), len(state)))
        found[np.ix_(order, order)] = weights_of(self.models[number], full[None], step)[0]
        return found


def _matrices(
    position: NDArray[np.floating],
    step: NDArray[np.int64],
    model: NDArray[np.int64],
    tokens: NDArray[np.int64],
    whose: Whose,
) -> Iterator[tuple[tuple[int, ...], NDArray[np.float64]]]:
    """Yield (member, frame) and P for every frame of members (..., t, n, d) that is there."""
    shape = position.shape[:-3]
    number = np.broadcast_to(model, shape)
    for place in itertools.product(*map(range, shape)):
        for frame in np.flatnonzero(present(position[place])):
            state = position[(*place, frame)].astype(np.float64)
            yield (*place, int(frame)), whose.weights(int(number[place]), state, int(step[frame]), tokens)


def matrices(
    position: NDArray[np.floating],
    step: NDArray[np.int64],
    model: NDArray[np.int64],
    tokens: NDArray[np.int64],
    *,
    whose: Whose,
) -> NDArray[np.float64]:
    """Return P (..., t, n, n) of members (..., t, n, d); NaN in an absent one.

    Parameters
    ----------
    position : (..., t, n, d)
    step : (t,)
        Step numbers.
    model : (...)
        Number of each member's model among those of ``whose``.
    tokens : (n,)
        Number of each token in the run.
    whose
        Models and components.
    """
    found = np.full((*position.shape[:-1], position.shape[-2]), np.nan)
    for place, weights in _matrices(position, step, model, tokens, whose):
        found[place] = weights
    return found


def statistics(
    position: NDArray[np.floating],
    step: NDArray[np.int64],
    model: NDArray[np.int64],
    tokens: NDArray[np.int64],
    *,
    whose: Whose,
    tolerance: float = 1e-6,
) -> tuple[NDArray[Any], ...]:
    """Return numbers of matrices (..., t), then of tokens (..., t, n), in the order of `NAMES`; see `matrices`."""
    found = _matrices(position, step, model, tokens, whose)
    return _numbers(found, position.shape[:-1], tokens, tolerance)


def given_statistics(
    weights: NDArray[np.floating], tokens: NDArray[np.int64], *, tolerance: float = 1e-6
) -> tuple[NDArray[Any], ...]:
    """Return what `statistics` does, of given weights (..., n, n)."""
    return _numbers(weights_by_place(weights), weights.shape[:-1], tokens, tolerance)


def _numbers(
    found: Iterable[tuple[tuple[int, ...], NDArray[np.float64]]],
    outer: tuple[int, ...],
    tokens: NDArray[np.int64],
    tolerance: float,
) -> tuple[NDArray[Any], ...]:
    """Return the numbers of matrices by their places among states (..., n)."""
    *shape, n = outer
    rank = np.full(shape, -1, np.int64)
    effective, boolean, entropy, sink = (np.full(shape, np.nan) for _ in range(4))
    rows, columns, keys, back = (np.full((*shape, n), np.nan) for _ in range(4))
    for place, weights in found:
        singular = np.linalg.svd(weights, compute_uv=False)
        rank[place] = (singular > tolerance * singular[0]).sum()
        share = singular[singular > 0] / singular.sum()
        effective[place] = np.exp(-(share * np.log(share)).sum())
        boolean[place] = np.minimum(np.abs(weights), np.abs(weights - 1)).max()
        rows[place], columns[place] = weights.sum(axis=1), weights.sum(axis=0)
        given = rows[place][:, None]
        shares = np.divide(weights, given, out=np.full_like(weights, np.nan), where=given > 0)
        spread = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
        entropy[place], sink[place] = spread.mean(), shares.mean(axis=0).max()
        keys[place], back[place] = np.exp(spread), tokens - shares @ tokens
    return rank, effective, boolean, entropy, sink, rows, columns, keys, back


@measure(
    Variable(
        "attention", ("*", "seed", "time", "token", "key"), "float64", "weight with which the token attends to the key"
    ),
)
def attention(ds: xr.Dataset, *, among: Among = "run") -> xr.DataArray:
    """Return the attention weights P_ij of every stored state: how much the token i attends to the key j.

    Not stored with a simulation, since there are n x n of them a frame: select frames first. States that came with
    their attention have it as a variable, by head, which is returned.

    Parameters
    ----------
    ds
        A dataset of lmdata, of a model with attention weights, or with the variable ``attention``.
    among : {"run", "selection"}
        Who attends to whom: all tokens of the run to each other (a selection of them is refused), or, on their own,
        the tokens and components that a selection has left; components that it has left out count as zero.

    Returns
    -------
    xarray.DataArray
        ``attention`` (<swept>, seed, time, token, key), lazy where ``ds`` is; given attention has the dimension
        ``head`` after ``time``. NaN for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, all tokens and known parameters, or its model no attention weights.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=3)
    >>> attention(ds.isel(time=[0])).isel(seed=0, time=0).values
    array([[1., 0., 0.],
           [1., 0., 0.],
           [0., 0., 1.]])
    """
    weights = given_attention(ds, "attention", among)
    if weights is not None:
        return weights.assign_attrs(source=GIVEN)
    arguments, whose = _asked(ds, "attention", among)
    return measured(
        ds,
        matrices,
        *arguments,
        names=("attention",),
        core=(CORE, ("time",), (), ("token",)),
        new={"key": ds["token"].values.tolist()},
        source=SOURCE,
        whose=whose,
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
    Variable("attention_entropy", ("*", "seed", "time"), "float64", "mean entropy of the attention of a token", "nat"),
    Variable("sink_share", ("*", "seed", "time"), "float64", "share of all attention that one token receives at most"),
    Variable("row_sum", ("*", "seed", "time", "token"), "float64", "attention that the token gives"),
    Variable("column_sum", ("*", "seed", "time", "token"), "float64", "attention that the token receives"),
    Variable(
        "attended_keys", ("*", "seed", "time", "token"), "float64", "effective number of keys that the token attends to"
    ),
    Variable(
        "attended_back", ("*", "seed", "time", "token"), "float64", "positions that the token looks back on average"
    ),
)
def attention_statistics(ds: xr.Dataset, *, tolerance: float = 1e-6, among: Among = "run") -> xr.Dataset:
    r"""Measure the attention matrices of every stored state.

    In dimension one with positive V they tend to a Boolean matrix of rank one or two (arXiv 2305.05465).

    Parameters
    ----------
    ds
        A dataset of lmdata, of a model with attention weights, or with the variable ``attention``, which is measured
        head by head: results then have the dimension ``head`` after ``time``.
    tolerance : float
        Singular values above this share of the largest count for the rank.
    among : {"run", "selection"}
        Who attends to whom: all tokens of the run to each other (a selection of them is refused), or, on their own,
        the tokens and components that a selection has left; components that it has left out count as zero.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``attention_rank`` (<swept>, seed, time); -1 for absent members
        - ``effective_rank`` (<swept>, seed, time): exponential of the entropy of the normalised singular values
        - ``distance_to_boolean`` (<swept>, seed, time): :math:`\max_{ij} \min(|P_{ij}|, |P_{ij} - 1|)`
        - ``attention_entropy`` (<swept>, seed, time): mean over the tokens of :math:`-\sum_j p_{ij} \ln p_{ij}`, with
          :math:`p_{ij} = P_{ij} / \sum_l P_{il}`; 0 where each attends to one, ln n where all attend evenly
        - ``sink_share`` (<swept>, seed, time): :math:`\max_j \frac1n \sum_i p_{ij}`, 1/n where all receive alike, near
          1 where one is an attention sink (arXiv 2309.17453); which one is where ``column_sum`` is largest
        - ``row_sum``, ``column_sum`` (<swept>, seed, time, token): attention given and received
        - ``attended_keys`` (<swept>, seed, time, token): exponential of the entropy of the row, the effective number
          of tokens that it attends to
        - ``attended_back`` (<swept>, seed, time, token): :math:`\sum_j P_{ij} (i - j) / \sum_j P_{ij}`, how many
          positions back it looks; never negative under a causal mask

        Of a token that attends to none that is there, the last four by token and the means are NaN.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, all tokens and known parameters, its model no attention weights, or the
        tolerance is not positive.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=3)
    >>> attention_statistics(ds).attention_rank.values
    array([[2, 2, 2, 2]])
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    comment = f"rank above {tolerance:g} of the largest singular value"
    weights = given_attention(ds, "attention_statistics", among)
    if weights is not None:
        tokens = xr.DataArray(numbers_of(ds, "token", "attention_statistics"), dims="token")
        core = (("token", "key"), ("token",))
        return measured(
            ds, given_statistics, weights, tokens, names=NAMES, core=core, source=GIVEN, comment=comment,
            tolerance=tolerance,
        )  # fmt: skip
    arguments, whose = _asked(ds, "attention_statistics", among)
    return measured(
        ds,
        statistics,
        *arguments,
        names=NAMES,
        core=(CORE, ("time",), (), ("token",)),
        source=SOURCE,
        comment=comment,
        whose=whose,
        tolerance=tolerance,
    )


def _asked(ds: xr.Dataset, measure: str, among: Among) -> tuple[tuple[xr.DataArray, ...], Whose]:
    """Return positions, step numbers, the number of each member's model and of each token, and whose they are."""
    position = positions(ds, measure)
    check_whole(ds, measure, among)
    models = models_of(ds, measure)
    for model in models.distinct:
        _attending(model)
    kept, width = numbers_of(ds, "component", measure), count_of(ds, "component", measure)
    as_they_were = np.array_equal(kept, np.arange(width))
    steps = xr.DataArray(steps_of(ds, measure), dims="time")
    tokens = xr.DataArray(numbers_of(ds, "token", measure), dims="token")
    return (position, steps, models.which, tokens), Whose(models.distinct, None if as_they_were else kept, width)
