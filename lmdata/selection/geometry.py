"""The geometry of token selection: which tokens can be selected, by which direction, and which are optimal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import inner
from lmdata.selection.heads import output, tangent
from lmdata.selection.problem import Problem
from lmdata.selection.programs import Norm
from lmdata.selection.solver import SUPPORT, MaxMargin, max_margin
from lmdata.wording import counted

type Floats = NDArray[np.float64]
type Selection = tuple[int, ...]


def att_svm(
    problem: Problem,
    selected: Sequence[int | Sequence[int]],
    *,
    of: str = "prompt",
    norm: Norm = 2.0,
    relaxed: Sequence[int] = (),
) -> MaxMargin:
    """Return the max-margin parameter that separates the selected token of each sample from the others.

    For the prompt (ATT-SVM of arXiv 2306.13596, with keys k_it = W^T x_it; in l_q, arXiv 2410.14581)

        p_mm = argmin |p|  subject to  <k_is - k_it, p> >= 1  for every sample i and token t other than s = selected_i

    and for the weights (arXiv 2308.16898) ``(x_is - x_it)^T W z_i >= 1``, with the Frobenius or the nuclear norm.
    A token equal to the selected one counts as the same token, and is no constraint. Where several tokens of a sample
    are selected, as nonlinear heads may have it, they have equal scores: ``<k_is - k_is', p> = 0`` (generalised SVM of
    arXiv 2308.16898).

    Parameters
    ----------
    problem
        Tokens, and weights or queries.
    selected : (sample,)
        Number of the selected token of each sample, or the numbers of all that are.
    of : {"prompt", "weight"}
        Parameter to solve for.
    norm
        l_q norm of the entries (2: Euclidean, Frobenius; ``math.inf``: largest entry), or ``"nuclear"`` for weights.
    relaxed
        Samples whose tokens need only a margin of 0: those that do not support the label margin, in joint training.

    Returns
    -------
    MaxMargin
        With a status: inseparable tokens are ``infeasible``, by certificate, and no error.

    Raises
    ------
    InvalidInput
        If ``selected`` or ``relaxed`` do not fit the samples, or the weights are asked for without queries.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> att_svm(construction("joint-tight").draw(0), [1, 1, 1]).solution.round(6)
    array([1.333333, 0.333333])
    """
    several = [(int(s),) if np.ndim(s) == 0 else tuple(map(int, s)) for s in selected]  # type: ignore[arg-type]
    if not all(several):
        raise InvalidInput(f"selected is {selected!r:.200}; a sample without a selected token has nothing to separate")
    chosen = _selection(problem, [tokens[0] for tokens in several])
    if not set(relaxed) <= set(range(len(chosen))):
        raise InvalidInput(f"relaxed is {relaxed!r:.200}; it may name the samples 0 to {len(chosen) - 1}")
    differences, samples, tokens = _pairs(problem, of, chosen)
    beside = np.array([t in several[i] for i, t in zip(samples, tokens, strict=True)], np.bool)
    bounds = np.where(beside | np.isin(samples, list(relaxed)), 0.0, 1.0)
    differences, samples = np.concatenate([differences, -differences[beside]]), np.append(samples, samples[beside])
    bounds = np.append(bounds, np.zeros(beside.sum()))
    d = len(problem.value)
    if of == "weight":
        matrices = differences[:, :, None] * _queries(problem)[samples][:, None, :]
        return max_margin(matrices.reshape(-1, d * d), bounds=bounds, shape=(d, d), norm=norm)
    return max_margin(differences, bounds=bounds, norm=norm)


def label_svm(problem: Problem, selected: Sequence[int], *, norm: Norm = 2.0) -> MaxMargin:
    """Return the max-margin separator of the labels: the least |v| with ``y_i <x_is, v> >= 1`` at the selected tokens.

    Its ``support`` are the samples that hold the margin.

    Parameters
    ----------
    problem : Problem
        Tokens and labels; tokens and value vector are dimensionless.
    selected : sequence of int
        The token of each sample.
    norm : float
        l_q norm of v (2: Euclidean).

    Returns
    -------
    MaxMargin
        Its ``parameter`` is v (feature,).

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> label_svm(construction("joint-loose").draw(0), [1, 1, 1]).support
    array([ True,  True, False])
    """
    chosen = _selection(problem, selected)
    features = problem.tokens[np.arange(len(chosen)), chosen]
    return max_margin(problem.labels[:, None] * features, norm=norm)


@dataclass(frozen=True, eq=False)
class Solution:
    """A selection with its max-margin parameter.

    Parameters
    ----------
    selected
        Token of each sample.
    parameter
        p_mm or W_mm.
    value
        v_mm of joint training: the label separator at the selected tokens; None where v is fixed.
    token_support : (sample, token)
        Whether the token is at the margin from the selected one: its constraint holds with equality.
    locally_optimal
        Every selected token scores above all tokens that support the solution in its sample (definition 2 of
        arXiv 2306.13596).
    globally_optimal
        Every selected token has the highest score in its sample.
    """

    selected: Selection
    parameter: MaxMargin
    value: MaxMargin | None
    token_support: NDArray[np.bool]
    locally_optimal: bool
    globally_optimal: bool


def examine(
    problem: Problem,
    selected: Sequence[int],
    *,
    of: str = "prompt",
    norm: Norm = 2.0,
    joint: bool = False,
    head: str = "linear",
) -> Solution:
    """Return a selection's max-margin parameter and its optimality.

    Token scores are ``y_i <x_it, v>`` with the problem's v; in joint training with v_mm, the label separator at the
    selected tokens themselves, so that an optimal selection is one that supports itself. Samples that do not support
    v_mm are then relaxed in p_mm: their loss vanishes, whatever attention does (the relaxed ATT-SVM of
    arXiv 2306.13596). Scores of v_mm, whose margin is 1, are equal if they are so within `SUPPORT`, to which v_mm is
    known. Under a nonlinear head, a token alone scores ``y_i <sigma(x_it), v>``, and a selection is locally optimal by
    the scores of the tangent at its tokens, ``y_i <x_it, v sigma'(x_is)>``: a mean with another token is then worse.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> examine(construction("single-local").draw(0), [1]).locally_optimal
    True
    """
    chosen = _selection(problem, selected)
    value = label_svm(problem, chosen, norm=norm) if joint else None
    relaxed = () if value is None or value.status != "solved" else np.flatnonzero(~value.support).tolist()
    parameter = att_svm(problem, chosen, of=of, norm=norm, relaxed=relaxed)
    _, samples, tokens = _pairs(problem, of, chosen)
    support = np.zeros(problem.present.shape, np.bool)
    support[samples, tokens] = parameter.support
    if value is not None and value.status != "solved":
        return Solution(chosen, parameter, value, support, False, False)
    alone, known = (_scores(problem, head), 0.0) if value is None else (problem.scores(value.solution), SUPPORT)
    rows = np.arange(len(chosen))
    best = np.where(problem.present, alone, -np.inf).max(axis=1)
    globally = bool((alone[rows, chosen] >= best - known).all())
    scores = alone
    if head != "linear":
        at_selected = tangent(problem.tokens[rows, chosen], problem.value, head)
        scores = problem.labels[:, None] * inner(problem.tokens, at_selected[:, None])
    better = scores[rows, chosen][:, None] > scores + known
    locally = parameter.status == "solved" and bool(better[support].all())
    return Solution(chosen, parameter, value, support, locally, globally)


def _scores(problem: Problem, head: str) -> Floats:
    """Return what each token alone scores, (sample, token)."""
    return (
        problem.scores() if head == "linear" else problem.labels[:, None] * output(problem.tokens, problem.value, head)
    )


def optimal_tokens(problem: Problem, *, head: str = "linear") -> Selection:
    """Return the token of highest score of each sample (the first of equals), as `examine` has it.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> optimal_tokens(construction("single-global").draw(0))
    (0,)
    """
    scores = np.where(problem.present, _scores(problem, head), -np.inf)
    return tuple(int(t) for t in scores.argmax(axis=1))


def separable_tokens(problem: Problem, *, of: str = "prompt") -> list[list[int]]:
    """Return the tokens of each sample that some parameter selects, were the sample alone.

    Only their combinations can be separable in all samples. Of equal tokens the first stands for all.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> separable_tokens(construction("single-local").draw(0))
    [[0, 1, 2]]
    """
    found = []
    keys = _keys(problem, of)
    for i, length in enumerate(problem.lengths):
        first = np.sort(np.unique(problem.tokens[i, :length], axis=0, return_index=True)[1])
        own = [keys[i, t] - keys[i, np.delete(first, k)] for k, t in enumerate(first)]
        found.append([int(t) for t, g in zip(first, own, strict=True) if max_margin(g).status == "solved"])
    return found


def selections(problem: Problem, *, of: str = "prompt", limit: int = 1000) -> Iterator[Selection]:
    """Yield every combination of separable tokens; at most ``limit`` of them.

    Raises
    ------
    InvalidInput
        If there are more; give the selections to examine instead.

    Examples
    --------
    >>> from lmdata.selection import construction
    >>> list(selections(construction("unequal-scores").draw(0)))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    tokens = separable_tokens(problem, of=of)
    count = int(np.prod([len(t) for t in tokens], dtype=np.float64))
    if count > limit:
        raise InvalidInput(
            f"there are {count} combinations of separable tokens, more than limit={limit}; raise the limit, or name "
            "the selections to examine"
        )
    yield from product(*tokens)


def _selection(problem: Problem, selected: Sequence[int]) -> Selection:
    chosen = tuple(int(t) for t in selected)
    if len(chosen) != len(problem.labels) or any(not 0 <= t < n for t, n in zip(chosen, problem.lengths, strict=False)):
        raise InvalidInput(
            f"selected is {selected!r:.200}; it must name a token of each of {counted(len(problem.labels), 'sample')}, "
            f"of lengths {problem.lengths.tolist()}"
        )
    return chosen


def _keys(problem: Problem, of: str) -> Floats:
    if of not in ("prompt", "weight"):
        raise InvalidInput(f"of is {of!r}; a max-margin solution is of the 'prompt' or of the 'weight'")
    return problem.keys() if of == "prompt" else problem.tokens


def _queries(problem: Problem) -> Floats:
    if problem.query is None:
        raise InvalidInput("query is None; the max-margin weights need the queries that they are trained with")
    return np.asarray(problem.query)


def _pairs(problem: Problem, of: str, chosen: Selection) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Return the differences k_is - k_it, and the sample and token t of each; without tokens equal to the selected."""
    keys = _keys(problem, of)
    rows = np.arange(len(chosen))
    differences = keys[rows, chosen][:, None] - keys
    equal = (problem.tokens == problem.tokens[rows, chosen][:, None]).all(axis=2)
    samples, tokens = np.nonzero(problem.present & ~equal)
    return differences[samples, tokens], samples, tokens
