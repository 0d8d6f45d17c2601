"""Who is heard by those whom it hears, cliques of tokens that have met left out."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.clusters import clusters
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.neighbours import graphs
from lmdata.analysis.parameters import Among, alignment_of, check_order, check_whole, localmax_of, sensitivities
from lmdata.analysis.polytope import TOLERANCE, scale_of
from lmdata.data.registry import Variable
from lmdata.numerics.checks import as_number


def reciprocities(
    position: NDArray[np.floating],
    first: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    *,
    alignment: NDArray[np.float64] | None = None,
    tolerance: float = TOLERANCE,
) -> NDArray[np.float64]:
    """Return the reciprocity of the edges between clusters (...), for states (..., n, d); NaN where there is none.

    Parameters
    ----------
    position, first : (..., n, d)
        Any number of states, and the first frame of the member of each; one with NaN is absent.
    sensitivity : (...)
        Broadcast against the states.
    alignment : (d, d), optional
        A; the identity by default.
    tolerance
        Relative to `scale_of` the first frame.

    Examples
    --------
    The first two have met. The third hears them, and nobody hears it.

    >>> state = np.array([[1.0], [1.0], [0.5]])
    >>> reciprocities(state, state, np.array(0.25)).item(), reciprocities(state, state, np.array(0.5)).item()
    (0.0, 1.0)
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    reach = tolerance * scale_of(np.broadcast_to(first, position.shape)).reshape(-1)
    found = np.full(len(states), np.nan)
    for frame, graph in graphs(states, np.broadcast_to(sensitivity, shape).reshape(-1), alignment):
        cluster = clusters(states[frame], float(reach[frame]))
        between = graph & (cluster[:, None] != cluster)
        if edges := np.count_nonzero(between):
            found[frame] = np.count_nonzero(between & between.T) / edges
    return found.reshape(shape)


@measure(
    Variable(
        "reciprocity_between",
        ("*", "seed", "time"),
        "float64",
        "share of the edges between clusters whose reverse is an edge",
    ),
)
def asymmetry(ds: xr.Dataset, *, tolerance: float = TOLERANCE, among: Among = "run") -> xr.DataArray:
    """Measure how mutual listening is between tokens that have not met, at every stored step.

    The tokens of a cluster all hear each other, and these edges make the reciprocity of `interaction` tend to 1. Here
    they are left out: 1 says that whoever is heard by another place hears it, 0 that nobody does. Functions that fall
    where listening is mutual need not fall where it is not (arXiv 2509.15958).

    Parameters
    ----------
    ds
        A localmax dataset.
    tolerance : float
        Tokens at most ``tolerance * scale`` apart are linked at the step, with the scale ``max_i |z_i|`` of the first
        stored frame; connected components are the clusters.
    among : {"run", "selection"}
        Of whom the graph is: all tokens of the run (a selection of them is refused), or, on its own, what a selection
        of tokens and components has left.

    Returns
    -------
    xarray.DataArray
        ``reciprocity_between`` (<swept>, seed, time), lazy where ``ds`` is; NaN where there is no such edge, and for
        absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or ``tolerance``
        is not a number above 0.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(0.25), [[1.0], [1.0], [0.5]], steps=2)
    >>> asymmetry(ds).values
    array([[0., 0., 1.]])
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    position = positions(ds, "asymmetry")
    check_whole(ds, "asymmetry", among)
    check_order(ds, "asymmetry")
    models = localmax_of(ds, "asymmetry")
    frame = ("token", "component")
    return measured(
        ds,
        reciprocities,
        position,
        position.isel(time=0, drop=True),
        sensitivities(ds, models, "asymmetry"),
        names=("reciprocity_between",),
        core=(frame, frame, ()),
        comment=f"neighbourhoods of the stored positions; clusters within {tolerance!r} of the largest initial norm",
        alignment=alignment_of(ds, models, "asymmetry"),
        tolerance=tolerance,
    )["reciprocity_between"]
