"""Rollout: a state as weights on the tokens of the first one; how much each of these decides in the end.

A convex step is ``Z(t + 1) = W_t Z(t)`` with ``W_t = (1 - g) I + g P_t``, so that ``Z(T) = R Z(0)`` with the
row-stochastic ``R = W_{T-1} ... W_0``: exact where each weight is that of the step, a column of R at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.given_attention import SOURCE as GIVEN
from lmdata.analysis.given_rollout import given_column_means, given_columns, given_steps
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_all, check_order, check_stepped, models_of, sensitivities_at
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import above_threshold, alignment_keys, scores
from lmdata.dynamics.model import Model
from lmdata.dynamics.models.krause_transformer import KrauseTransformer
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.models.neighbourhoods import BoundedConfidence, LocalmaxVariant
from lmdata.dynamics.models.pure_attention import PureAttention
from lmdata.dynamics.models.self_attention import SelfAttention
from lmdata.dynamics.models.sinkformer import Sinkformer
from lmdata.dynamics.models.softmax import Softmax
from lmdata.dynamics.models.weights import uniform_weights
from lmdata.errors import InvalidInput
from lmdata.wording import counted

SOURCE = "attention rollout, arXiv 2005.00928, with the weights of the step"

MOST_SOURCES = 1_000
"""So many tokens are sources unless some are named: with them there are n numbers a token and frame."""

_WEIGHTS_AT_ONCE = 2**20
"""Weights that are held at a time, or those of one row."""


class Run(NamedTuple):
    """The models of a dataset's members, and where its tokens and components stand among those of the run."""

    models: tuple[Model, ...]
    tokens: NDArray[np.int64]
    components: NDArray[np.int64]


def gain_of(model: Any, measure: str) -> float:
    """Return g of the step ``Z(t + 1) = (1 - g) Z(t) + g P_t Z(t)``, up to a factor by which all tokens grow.

    Raises
    ------
    InvalidInput
        If the step of the model is none such.

    Examples
    --------
    >>> gain_of(Localmax(influence=3.0), "rollout")
    0.75
    """
    flow = isinstance(model, Sinkformer | SelfAttention)
    if flow and model.scheme == "euler" and _is_identity(model.values):
        rescaled = isinstance(model, SelfAttention) and model.form == "rescaled"
        return float(model.step_size if rescaled else model.step_size / (1.0 + model.step_size))
    if isinstance(model, Localmax | Softmax | BoundedConfidence | KrauseTransformer) or (
        isinstance(model, LocalmaxVariant) and model.geometry == "euclidean"
    ):
        return float(model.influence / (1.0 + model.influence))
    if isinstance(model, PureAttention) and _is_identity(model.values):
        return 1.0
    flow = flow or isinstance(model, PureAttention)
    why = " with values other than the identity, or a scheme other than 'euler'," if flow else ""
    raise InvalidInput(
        f"{measure} needs a step in which every token moves towards a mean of tokens, and that of a model of kind "
        f"{model.kind!r}{why} is none: it is defined for localmax, softmax, bounded confidence and Krause attention in "
        "space, and for Sinkformer, self-attention (scheme='euler') and attention alone with the values left out"
    )


def _is_identity(matrix: Any) -> bool:
    return matrix is None or bool((np.array(matrix) == np.eye(len(matrix))).all())


def _weights(model: Any, state: NDArray[np.float64], step: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield P (r, n) of a state (n, d), some rows at a time, but for models that give all of them."""
    n = len(state)
    whole = isinstance(model, Sinkformer | SelfAttention | PureAttention | KrauseTransformer)
    size = n if whole else max(1, _WEIGHTS_AT_ONCE // n)
    if isinstance(model, Localmax):
        keys, delta = alignment_keys(state, model.matrix), sensitivities_at(model, np.array([step]))[0]
    for first in range(0, n, size):
        rows = slice(first, min(first + size, n))
        if isinstance(model, Localmax):
            yield rows, uniform_weights(above_threshold(scores(keys[rows], state), delta))
        elif size == n:
            yield rows, model.attention(state[None], step)[0]
        else:
            yield rows, model.attention(state[None], step, rows)[0]


def _stretches(
    frames: NDArray[np.float64], steps: NDArray[np.int64], model: Model, *, backwards: bool = False
) -> Iterator[tuple[int, list[tuple[int, NDArray[np.float64]]]]]:
    """Yield (frame, [(step, state), ...]) of the steps that lead to each frame from the one before.

    States between two frames are those of the run: the model steps there again.
    """
    pairs = list(itertools.pairwise(range(len(frames))))
    for before, frame in reversed(pairs) if backwards else pairs:
        first, last = int(steps[before]), int(steps[frame])
        states = [frames[before]]
        if last - first > 1:
            again = type(model).advance(
                [model], frames[before][None], start=first, record=range(first, last), seeds=[0], backend="auto"
            )
            states = list(again.position[0])
        yield frame, list(enumerate(states, first))


def columns(
    position: NDArray[np.floating],
    step: NDArray[np.int64],
    model: NDArray[np.int64],
    *,
    run: Run,
    sources: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return R (..., t, n, s): the columns ``sources`` of the product of steps up to each frame; NaN in absent members.

    Parameters
    ----------
    position : (..., t, n, d)
    step : (t,)
        Step numbers, ascending.
    model : (...)
        Number of each member's model among those of ``run``.
    run
        Models, tokens and components.
    sources : (s,)
        Places of tokens.
    """
    n = position.shape[-2]
    found = np.full((*position.shape[:-1], len(sources)), np.nan)
    for place, frames, own, order in _members(position, model, run):
        gain = gain_of(own, "rollout")
        now = np.eye(n)[:, sources][order]
        reached = found[place]
        reached[0, order] = now
        for frame, states in _stretches(frames, step, own):
            for number, state in states:
                mean = np.empty_like(now)
                for rows, weights in _weights(own, state, number):
                    mean[rows] = weights @ now
                now = now + gain * (mean - now)
            reached[frame, order] = now
    return found


def column_means(
    position: NDArray[np.floating], step: NDArray[np.int64], model: NDArray[np.int64], *, run: Run
) -> NDArray[np.float64]:
    """Return the mean of each column of R, (..., n), from the first frame to the last; see `columns`."""
    n = position.shape[-2]
    found = np.full((*position.shape[:-3], n), np.nan)
    for place, frames, own, order in _members(position, model, run):
        gain = gain_of(own, "influence")
        now = np.full(n, 1.0 / n)
        for _, states in _stretches(frames, step, own, backwards=True):
            for number, state in reversed(states):
                seen = np.zeros(n)
                for rows, weights in _weights(own, state, number):
                    seen += now[rows] @ weights
                now = now + gain * (seen - now)
        found[place][order] = now
    return found


def _members(
    position: NDArray[np.floating], model: NDArray[np.int64], run: Run
) -> Iterator[tuple[tuple[int, ...], NDArray[np.float64], Model, NDArray[np.intp]]]:
    """Yield place, frames in the order of the run, model, and that order, of every member that is there."""
    shape = position.shape[:-3]
    number = np.broadcast_to(model, shape)
    tokens, components = np.argsort(run.tokens), np.argsort(run.components)
    for place in itertools.product(*map(range, shape)):
        if present(position[place][:1])[0]:
            frames = position[place].astype(np.float64)[:, tokens][..., components]
            yield place, np.ascontiguousarray(frames), run.models[number[place]], tokens


@measure(
    Variable(
        "rollout",
        ("*", "seed", "time", "token", "source"),
        "float64",
        "weight of the source's first state in the token's state",
    ),
)
def rollout(
    ds: xr.Dataset, sources: Sequence[Any] | None = None, *, head: Hashable | None = None, gain: float | None = None
) -> xr.DataArray:
    r"""Write every state as weights on the first: :math:`z_i(t) = \sum_j R_{ij}(t) z_j(0)`.

    .. math:: R(t) = W_{t-1} \cdots W_0, \qquad W_s = \frac{I + \alpha P_s}{1 + \alpha}

    with the attention weights P of the step, so that the rows of R sum to one: attention rollout (arXiv 2005.00928),
    which is exact here. Steps that were not recorded are stepped again. Tokens of Sinkformer and of plain
    self-attention, whose step is ``(I + h P) Z``, grow by ``1 + h`` a step: of them ``z(t) = (1 + h)^t R(t) z(0)``.

    Of states that came with their attention, R is the product of :math:`(1 - g) I + g P_s`, with the weights P of each
    frame but the last over the sums of their rows (a token that attends to none stays): the attention rollout of that
    paper, which the states themselves do not follow exactly.

    Parameters
    ----------
    ds
        A dataset whose model steps convexly: localmax and hardmax, `Softmax`, `BoundedConfidence`,
        `KrauseTransformer` or `LocalmaxVariant`, in space; `PureAttention`, `Sinkformer` or `SelfAttention` (Euler)
        with V = I. No noise. Or one with the variable ``attention``.
    sources : sequence of token labels, optional
        The columns j that are wanted. All by default, where there are at most 1,000 tokens.
    head : label, optional
        Of given attention: a head. The mean over all heads by default.
    gain : float, optional
        Of given attention: g from 0 to 1, 1/2 by default, or alpha / (1 + alpha). 1 leaves the tokens' own way out.

    Returns
    -------
    xarray.DataArray
        ``rollout`` (<swept>, seed, time, token, source), lazy where ``ds`` is; the first stored frame counts as 0.
        NaN for absent members, and for tokens that a run has not.

    Raises
    ------
    InvalidInput
        If ``ds`` has not all tokens, components and known parameters, its steps are no such means, a source is no
        token, all sources of a large dataset would be taken, or a head or gain is not allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=2)
    >>> rollout(ds).isel(seed=0, time=-1).values
    array([[1.  , 0.  , 0.  ],
           [0.75, 0.25, 0.  ],
           [0.  , 0.  , 1.  ]])
    """
    given = given_steps(ds, "rollout", head, gain)
    labels = ds["token"].values.tolist()
    if sources is None and len(labels) > MOST_SOURCES:
        raise InvalidInput(
            f"rollout of all {counted(len(labels), 'token')} has {len(labels)} numbers a token and frame: name the "
            "sources that are wanted (sources=[...]; lmdata.influence tells which count), or take "
            "sources=ds.token.values for all"
        )
    places = (
        list(range(len(labels))) if sources is None else [_place(labels, label) for label in np.array(sources).flat]
    )
    if not places:
        raise InvalidInput("sources is empty; name at least one token, or leave it out for all")
    new = {"source": [labels[place] for place in places]}
    if given is not None:
        identity = xr.DataArray(np.eye(len(labels))[:, places], dims=("token", "source"))
        return measured(
            ds,
            given_columns,
            *given.arrays,
            identity,
            names=("rollout",),
            core=(CORE, ("time", "token", "key"), ("token", "source")),
            new=new,
            source=GIVEN,
            comment=given.comment,
            gain=given.gain,
        )["rollout"]
    position, steps, which, run = _asked(ds, "rollout")
    return measured(
        ds,
        columns,
        position,
        steps,
        which,
        names=("rollout",),
        core=(CORE, ("time",), ()),
        new=new,
        source=SOURCE,
        run=run,
        sources=np.array(places),
    )["rollout"]


@measure(
    Variable("influence_share", ("*", "seed", "token"), "float64", "share of the last state that the token decides"),
)
def influence(ds: xr.Dataset, *, head: Hashable | None = None, gain: float | None = None) -> xr.DataArray:
    r"""Tell who decides: how much each token's first state counts in the last frame, on average over the tokens.

    .. math:: s_j = \frac 1 n \sum_i R_{ij}, \qquad \bar z(T) = \sum_j s_j z_j(0), \qquad \sum_j s_j = 1

    with R of `rollout`. Tokens that all follow have a share of zero in the end, one that leads the rest has theirs. No
    n x n matrix is held: weights are taken some rows at a time, and the shares are a row vector times each of them.

    Parameters
    ----------
    ds
        As for `rollout`. From the first stored frame to the last: for an earlier end, select frames.
    head, gain
        Of given attention, as for `rollout`.

    Returns
    -------
    xarray.DataArray
        ``influence_share`` (<swept>, seed, token), lazy where ``ds`` is; NaN for absent members.

    Raises
    ------
    InvalidInput
        As `rollout`.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=40)
    >>> influence(ds).isel(seed=0).values.round(6)
    array([0.666667, 0.      , 0.333333])
    """
    given = given_steps(ds, "influence", head, gain)
    if given is not None:
        return measured(
            ds,
            given_column_means,
            *given.arrays,
            names=("influence_share",),
            core=(CORE, ("time", "token", "key")),
            source=GIVEN,
            comment=given.comment,
            gain=given.gain,
        )["influence_share"]
    position, steps, which, run = _asked(ds, "influence")
    return measured(
        ds,
        column_means,
        position,
        steps,
        which,
        names=("influence_share",),
        core=(CORE, ("time",), ()),
        source=SOURCE,
        run=run,
    )["influence_share"]


def _asked(ds: xr.Dataset, measure: str) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, Run]:
    """Return positions, step numbers, the number of each member's model, and the run."""
    position = positions(ds, measure)
    check_stepped(ds, measure)
    tokens, components = check_all(ds, "token", measure), check_all(ds, "component", measure)
    models = models_of(ds, measure)
    for model in models.distinct:
        gain_of(model, measure)
    steps = xr.DataArray(check_order(ds, measure), dims="time")
    return position, steps, models.which, Run(models.distinct, tokens, components)


def _place(labels: list[Any], label: Any) -> int:
    """Return where the token of a label is."""
    label = label.item() if isinstance(label, np.generic) else label
    if labels.count(label) != 1:
        raise InvalidInput(
            f"sources names {label!r}, which is the label of {counted(labels.count(label), 'token')}; name one of "
            f"{', '.join(map(repr, labels))!s:.80}"
        )
    return labels.index(label)
