"""The interaction graph: who listens to whom, whether it is mutual, and which sets listen to nobody else."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis import graph_tree
from lmdata.analysis.given_attention import SOURCE as GIVEN
from lmdata.analysis.given_attention import attended_most, given_attention, own_sensitivity, told, weights_by_place
from lmdata.analysis.graph_bits import packed, work
from lmdata.analysis.graph_frames import Numbers, find_edge_numbers, find_numbers
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.neighbours import frames_of
from lmdata.analysis.parameters import Among, alignment_of, check_whole, localmax_of, sensitivities
from lmdata.data.registry import Variable

NAMES = ("neighbour_count", "reciprocity", "sink_component", "sink_count")


def graph_statistics(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    alignment: NDArray[np.float64] | None = None,
) -> Numbers:
    """Return neighbour counts, reciprocity, sink component of each token, and number of sink components.

    Parameters
    ----------
    position : (..., n, d)
        Any number of states; one with NaN is absent.
    sensitivity : (...)
        Broadcast against the states.
    alignment : (d, d), optional
        A; the identity by default.

    Returns
    -------
    neighbour_count : (..., n)
        |C_i|, the token itself included if it is its own neighbour; -1 in an absent state.
    reciprocity : (...)
        NaN where no token listens to another.
    sink_component : (..., n)
        -1 for a token in no sink component, and in an absent state.
    sink_count : (...)
        -1 in an absent state.

    Examples
    --------
    >>> count, reciprocity, sink, sinks = graph_statistics(np.array([[1.0], [0.5], [-1.0]]), np.array(0.0))
    >>> count.tolist(), reciprocity.tolist(), sink.tolist(), sinks.tolist()
    ([1, 1, 1], 0.0, [0, -1, 1], 2)
    """
    frames = frames_of(position, sensitivity, alignment)
    numbers = _unknown(*frames.states.shape[:2])

    def fill(frame: int) -> None:
        numbers.neighbours[frame], numbers.reciprocity[frame], numbers.sink[frame], numbers.sinks[frame] = (
            graph_tree.numbers(frames.system(frame))
        )

    if frames.many():
        frames.over_many(fill, *numbers)
    else:
        frames.over_few(lambda room, begin, end: find_numbers(*frames, room, begin, end, numbers))
    return _shaped(numbers, position.shape[:-1])


def attended_statistics(weights: NDArray[np.floating], sensitivity: float = 0.0) -> Numbers:
    """Return what `graph_statistics` does, of the graph of localmax at the scores of weights (..., n, n).

    Examples
    --------
    >>> attended_statistics(np.array([[0.6, 0.4], [0.7, 0.3]]))[2].tolist()
    [0, -1]
    """
    shape = weights.shape[:-1]
    n = shape[-1]
    numbers = _unknown(math.prod(shape[:-1]), n)
    room = work(n, 1)
    for place, matrix in weights_by_place(weights):
        frame = int(np.ravel_multi_index(place, shape[:-1])) if place else 0
        find_edge_numbers(*packed(attended_most(matrix, sensitivity)), room, frame, numbers)
    return _shaped(numbers, shape)


def _unknown(states: int, n: int) -> Numbers:
    """Return the numbers of states that are absent."""
    return Numbers(np.full((states, n), -1), np.full(states, np.nan), np.full((states, n), -1), np.full(states, -1))


def _shaped(numbers: Numbers, outer: tuple[int, ...]) -> Numbers:
    """Return the numbers of states one after the other, of those of shape (..., n)."""
    return Numbers._make(array.reshape(outer if array.ndim == 2 else outer[:-1]) for array in numbers)


@measure(
    Variable("neighbour_count", ("*", "seed", "time", "token"), "int64", "neighbours of the token"),
    Variable("reciprocity", ("*", "seed", "time"), "float64", "share of the edges whose reverse is an edge"),
    Variable("sink_component", ("*", "seed", "time", "token"), "int64", "sink component of the token, or -1", None),
    Variable("sink_count", ("*", "seed", "time"), "int64", "sink components of the interaction graph"),
)
def interaction(ds: xr.Dataset, *, sensitivity: float | None = None, among: Among = "run") -> xr.Dataset:
    """Measure the interaction graph of every stored frame: edge i -> j iff j is in C_i(t).

    With ``C_i(t) = {j : <A z_i, z_j> >= max_l <A z_i, z_l> - delta(t)}`` (arXiv 2509.15958),
    decided exactly as the step decides it. The graph is directed: j in C_i does not give i in C_j.

    Of states that came with their attention, the graph is that of each head at the model's own scores, which softmax
    keeps but for a constant of the row: ``C_i = {j : ln P_ij >= max_l ln P_il - delta, P_ij > 0}``. Keys of weight 0
    are masked, or so far below that float32 or float64 no longer tells their scores.

    Parameters
    ----------
    ds
        A localmax dataset, or one with the variable ``attention``. Neighbourhoods are those of the stored states, at
        every stored step.
    sensitivity : float, optional
        delta >= 0 for given attention, in units of its scores (inverse temperature and all); 0, which is hardmax, by
        default. Localmax has its own.
    among : {"run", "selection"}
        Of whom the graph is: all tokens of the run (a selection of them is refused), or, on its own, what a selection
        of tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``neighbour_count`` (<swept>, seed, time, token): ``|C_i|``, from 1 to n; 0 where given attention is 0
          throughout
        - ``reciprocity`` (<swept>, seed, time): share of the edges between different tokens whose reverse is
          an edge too; NaN where there is none
        - ``sink_component`` (<swept>, seed, time, token): number of the sink strongly connected component (a
          minimal closed set) that holds the token, or -1; numbered by first token
        - ``sink_count`` (<swept>, seed, time)

        With given attention, the dimension ``head`` comes after ``time``. Absent members have -1 and NaN; the
        coordinate ``status`` tells.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or a sensitivity is not
        allowed.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]], steps=3)
    >>> graph = lmdata.interaction(ds)
    >>> graph.sink_component.isel(seed=0, time=0).values
    array([ 0, -1,  1])
    """
    weights = given_attention(ds, "interaction", among)
    delta = own_sensitivity(sensitivity, "interaction", given=weights is not None)
    if weights is not None:
        core = (("token", "key"),)
        return measured(
            ds, attended_statistics, weights, names=NAMES, core=core, source=GIVEN, comment=told(delta),
            sensitivity=delta,
        )  # fmt: skip
    position = positions(ds, "interaction")
    check_whole(ds, "interaction", among)
    models = localmax_of(ds, "interaction")
    return measured(
        ds,
        graph_statistics,
        position,
        sensitivities(ds, models, "interaction"),
        names=NAMES,
        core=(("token", "component"), ()),
        comment="neighbourhoods of the stored positions, at every stored step",
        alignment=alignment_of(ds, models, "interaction"),
    )
