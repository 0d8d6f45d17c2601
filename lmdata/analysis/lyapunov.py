"""A Lyapunov function of symmetric bounded confidence, which localmax need not obey."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.pair_kernels import bounded_energy
from lmdata.analysis.parameters import (
    CORE,
    Among,
    alignment_of,
    check_order,
    check_whole,
    localmax_of,
    sensitivities,
)
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.numerics.checks import as_number

ROUNDING = 1e-12
"""A rise below this, relative to the first energy, is rounding."""


def energies(
    position: NDArray[np.floating],
    sensitivity: NDArray[np.float64],
    *,
    radius: float | None = None,
    alignment: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return energy (..., t), number of rises (...) and largest rise (...) of members (..., t, n, d).

    Parameters
    ----------
    position : (..., t, n, d)
        A member with NaN is absent: NaN, and -1 rises.
    sensitivity : (...)
        At the first frame; broadcast against the members.
    radius, alignment
        As of `lyapunov`, and A (d, d).

    Examples
    --------
    >>> position = np.array([[[0.0], [1.0], [9.0]], [[0.0], [1.5], [9.0]], [[0.0], [0.5], [9.0]]])
    >>> [part.tolist() for part in energies(position, np.array(0.0), radius=2.0)]
    [[9.0, 10.25, 8.25], 1, 1.25]
    """
    *shape, t, n, d = position.shape
    states = position.reshape(-1, t, n, d).astype(np.float64)
    if alignment is not None:
        states = states @ np.linalg.cholesky(alignment)
    reach = np.full(shape, radius) if radius is not None else np.sqrt(2.0 * sensitivity)
    reach = np.broadcast_to(reach, shape).reshape(-1)
    here = present(states[:, 0])
    energy = np.full((len(states), t), np.nan)
    for member in np.flatnonzero(here):
        energy[member] = bounded_energy(states[member], float(reach[member]))
    rise = np.diff(energy, axis=1)
    rises = np.where(here, (rise > ROUNDING * energy[:, :1]).sum(axis=1), -1)
    largest = np.where(here, rise.max(axis=1, initial=0.0, where=~np.isnan(rise)), np.nan)
    return energy.reshape(*shape, t), rises.reshape(shape), largest.reshape(shape)


@measure(
    Variable("energy", ("*", "seed", "time"), "float64", "bounded-confidence energy"),
    Variable("violations", ("*", "seed"), "int64", "stored steps at which the energy rises"),
    Variable("largest_increase", ("*", "seed"), "float64", "largest rise of the energy"),
)
def lyapunov(ds: xr.Dataset, *, radius: float | None = None, among: Among = "run") -> xr.Dataset:
    """Measure the energy ``E(t) = sum_{i<j} min(|z_i - z_j|_A^2, radius^2)``, and where it rises.

    With ``|x|_A^2 = <A x, x>``. In bounded confidence of Hegselmann and Krause, where tokens listen to each
    other within a radius, E never increases (arXiv 0807.2028). Localmax listens without being heard, and E
    may rise: the limits of such functions are discussed in arXiv 2509.15958.

    Parameters
    ----------
    ds
        A localmax dataset.
    radius : float, optional
        In the norm of A. By default ``sqrt(2 delta)`` with delta the sensitivity at the first stored step:
        the least distance of two vertices of a limit polytope. It is 0 for hardmax, and so is then the
        energy: give a radius.
    among : {"run", "selection"}
        Whose pairs count: all tokens of the run (a selection of them is refused), or, on its own, what a selection
        of tokens and components has left.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``energy`` (<swept>, seed, time)
        - ``violations`` (<swept>, seed): number of stored steps at which E is higher than at the one before,
          by more than rounding (1e-12 of the first energy)
        - ``largest_increase`` (<swept>, seed): largest rise from one stored step to the next; 0 if there is
          none

        Absent members have NaN and -1.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a localmax dataset with whole members, all tokens and known parameters, or ``radius`` is
        not a number above 0.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=2)
    >>> lmdata.lyapunov(ds, radius=1.0).energy.values
    array([[2.25    , 2.0625  , 2.015625]])
    """
    radius = None if radius is None else as_number(radius, "radius", minimum=0, above=True)
    position = positions(ds, "lyapunov")
    check_whole(ds, "lyapunov", among)
    check_order(ds, "lyapunov")
    models = localmax_of(ds, "lyapunov")
    what = "sqrt(2 delta) of the first stored step" if radius is None else repr(radius)
    return measured(
        ds,
        energies,
        position,
        sensitivities(ds, models, "lyapunov").isel(time=0),
        names=("energy", "violations", "largest_increase"),
        core=(CORE, ()),
        source="Lyapunov function of bounded confidence, arXiv 0807.2028",
        comment=f"radius {what}; rises between stored steps",
        radius=radius,
        alignment=alignment_of(ds, models, "lyapunov"),
    )
