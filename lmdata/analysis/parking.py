"""Parking: which tokens of a sequence find room, as where clusters wait under causal attention."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import Among, check_whole, numbers_of
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.models.weights import close_neighbours
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number

RADIUS = 0.5
"""Radians within which a place is taken, unless said otherwise."""

_PAIRS_AT_ONCE = 2**18
"""Pairs of tokens whose distance is known at a time."""


def parked(
    position: NDArray[np.floating], tokens: NDArray[np.int64], *, radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which tokens of states (..., n, d) are Renyi centres and which are strong ones, (..., n); see the measure.

    Parameters
    ----------
    position : (..., n, d)
    tokens : (n,)
        Number of each token in the sequence.
    radius : float
        Angle, in radians.

    Examples
    --------
    >>> angle = np.array([0.0, 0.4, 0.8])
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    >>> [part.tolist() for part in parked(circle, np.arange(3), radius=0.5)]
    [[True, False, True], [True, False, False]]
    """
    *shape, n, d = position.shape
    order = np.argsort(tokens, kind="stable")
    states = position.reshape(-1, n, d)
    renyi, strong = np.zeros((2, len(states), n), np.bool_)
    size = max(1, _PAIRS_AT_ONCE // n**2)
    for begin in range(0, len(states), size):
        block = slice(begin, begin + size)
        here = present(states[block])
        unit = directions(np.where(here[:, None, None], states[block], 0.0)[:, order])
        there = (unit != 0).any(axis=-1)  # a token at the origin has no direction, and takes no room
        near = close_neighbours(unit, unit, 2.0 * math.sin(radius / 2.0)) & there[:, :, None] & there[:, None, :]
        strong[block, order] = there & ~np.tril(near, -1).any(axis=-1)
        taken = ~there
        for i in range(n):
            free = ~taken[:, i]
            renyi[block, order[i]] = free
            taken |= free[:, None] & near[:, i]
    return renyi.reshape(*shape, n), strong.reshape(*shape, n)


@measure(
    Variable("parking_centre", ("*", "seed", "time", "token"), "bool", "no earlier centre is near the token", None),
    Variable("strong_centre", ("*", "seed", "time", "token"), "bool", "no earlier token is near the token", None),
)
def parking_centres(ds: xr.Dataset, radius: float = RADIUS, *, among: Among = "run") -> xr.Dataset:
    r"""Tell which tokens find room on the sphere, taken in their order, at every stored step.

    A token is a *Renyi centre* if it is farther than ``radius`` from every Renyi centre before it, as cars park in
    Renyi's problem (1958), and a *strong* one if it is from every token before it. Under causal attention clusters
    gather at such tokens and wait there (arXiv 2411.04990): the first token is one, and strong centres are Renyi
    centres. Of an endless uniform sequence, the mean number of strong centres is one over the share of the sphere that
    lies within the radius: :math:`\pi / r` on the circle, :math:`1 / \sin^2(r/2)` in space.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model; tokens count by their directions.
    radius : float
        Geodesic distance, an angle of more than 0 and at most pi radians; the bound counts as near. Where clusters of
        softmax wait, it goes as one over the root of the inverse temperature.
    among : {"run", "selection"}
        Whose order it is: that of all tokens of the run (a selection of them is refused), or, on its own, that of the
        tokens and components that a selection has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; False for absent members, and for tokens at the origin, which take no room.

        - ``parking_centre`` (<swept>, seed, time, token)
        - ``strong_centre`` (<swept>, seed, time, token)

    Raises
    ------
    InvalidInput
        If the radius is not allowed, or ``ds`` has not whole members and all tokens.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.sphere(200, 2), steps=0)
    >>> {name: int(found.sum()) for name, found in parking_centres(ds, 0.5).items()}
    {'parking_centre': 9, 'strong_centre': 6}
    """
    radius = as_number(radius, "radius", minimum=0, above=True)
    if radius > math.pi:
        raise InvalidInput(f"radius is {radius:g}; no two tokens of the sphere are farther than pi from each other")
    position = positions(ds, "parking_centres")
    check_whole(ds, "parking_centres", among)
    tokens = xr.DataArray(numbers_of(ds, "token", "parking_centres"), dims="token")
    return measured(
        ds,
        parked,
        position,
        tokens,
        names=("parking_centre", "strong_centre"),
        core=(("token", "component"), ("token",)),
        source="causal attention and Renyi parking, arXiv 2411.04990",
        comment=f"radius {radius:g}",
        radius=radius,
    )
