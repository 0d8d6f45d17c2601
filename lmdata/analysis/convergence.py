"""How fast the tokens come to rest."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.ends import marked, proved_members
from lmdata.analysis.fit_kernels import decay_rate
from lmdata.analysis.measuring import LOCALMAX, measure, measured, positions
from lmdata.analysis.parameters import CORE, models_of, times_of
from lmdata.analysis.polytope import scale_of
from lmdata.analysis.times import lasts_from
from lmdata.data import registry
from lmdata.data.registry import Variable
from lmdata.numerics.checks import as_number

FLOOR = 1e-12
"""Displacements below this, relative to the scale of a member, are rounding."""


def approach(
    position: NDArray[np.floating], time: NDArray[np.floating | np.integer], *, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return displacement (..., t), fitted rate (...) and time to tolerance (...) of members (..., t, n, d).

    Parameters and results are those of `convergence`; a member with NaN gives NaN.

    Examples
    --------
    >>> position = (0.5 ** np.arange(8.0))[:, None, None]
    >>> displacement, rate, reached = approach(position, np.arange(8), tolerance=0.1)
    >>> displacement[:4].tolist(), round(float(rate), 9), float(reached)
    ([nan, 0.5, 0.25, 0.125], 0.5, 4.0)
    """
    *shape, t, n, d = position.shape
    states = position.reshape(-1, t, n, d).astype(np.float64)
    times = np.asarray(time, np.float64)
    move = np.sqrt((np.diff(states, axis=1) ** 2).sum(axis=-1)).max(axis=-1)
    displacement = np.concatenate([np.full((len(states), 1), np.nan), move], axis=1)
    scale = scale_of(states[:, 0])
    interval = np.diff(times, prepend=np.nan)
    even = np.where(np.isclose(interval, interval[1:2]), displacement, np.nan) if t > 1 else displacement
    rate = np.array([decay_rate(times, one, FLOOR * size) for one, size in zip(even, scale, strict=True)])
    small = displacement <= tolerance * scale[:, None]
    return displacement.reshape(*shape, t), rate.reshape(shape), lasts_from(small, times).reshape(shape)


@measure(
    Variable("displacement", ("*", "seed", "time"), "float64", "largest move of a token since the last stored step"),
    Variable("rate", ("*", "seed"), "float64", "fitted factor of the displacement per step", "step-1"),
    Variable("rate_expected", ("*",), "float64", "1 / (1 + influence)", "step-1"),
    Variable("time_to_tolerance", ("*", "seed"), "float64", "first time with displacement within tolerance", "step"),
)
def convergence(ds: xr.Dataset, *, tolerance: float = 1e-6) -> xr.Dataset:
    """Measure how the tokens come to rest: displacements, their rate of decay, and the time to a tolerance.

    A token's distance from its neighbour mean shrinks by the factor ``1 / (1 + alpha)`` in every step in
    which that mean stays, so that no token arrives in finite time and ``1 / (1 + alpha)`` is the asymptotic
    rate once neighbourhoods and means no longer change (arXiv 2509.15958). A token that ends between several
    clusters and hears itself beside them is slower, since its mean moves with it.

    Parameters
    ----------
    ds
        A dataset of any model.
    tolerance : float
        Relative to the member's scale ``max_i |z_i|`` in the first stored frame.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``displacement`` (<swept>, seed, time): ``max_i |z_i(t) - z_i(t')|`` with t' the stored step before
          t; NaN at the first
        - ``rate`` (<swept>, seed): factor per step, fitted to the logarithm of the displacement over the
          longest stretch of stored steps on which it is straight to 2 % (root mean square). Intervals that
          are not as long as the first are left out; NaN where fewer than four points make a line
        - ``rate_expected`` (<swept>): ``1 / (1 + influence)``; only of models that have an influence
        - ``time_to_tolerance`` (<swept>, seed): first stored time from which on no displacement exceeds
          ``tolerance * scale``; NaN if the last one does
        - ``certified_rate`` (<swept>, seed): the proved rate, where ``ds`` has the variables of `lmdata.certify`

        Absent members have NaN.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a dataset with whole members, or ``tolerance`` is not a number of at least 0.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(influence=3.0), [[1.0], [0.5], [-1.0]], steps=20)
    >>> rest = lmdata.convergence(ds)
    >>> rest.rate.values.round(6), float(rest.rate_expected), rest.time_to_tolerance.values
    (array([0.25]), 0.25, array([11.]))
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0)
    position = positions(ds, "convergence")
    out = measured(
        ds,
        approach,
        position,
        times_of(ds, "convergence"),
        names=("displacement", "rate", "time_to_tolerance"),
        core=(CORE, ("time",)),
        comment=f"between stored steps; tolerance {tolerance!r} of the largest initial norm",
        tolerance=tolerance,
    )
    models = models_of(ds, "convergence") if "model" in ds.attrs else None
    if models is not None and all(hasattr(model, "influence") for model in models.distinct):
        expected = models.values(lambda model: 1.0 / (1.0 + model.influence))
        expected.attrs = registry.variable("rate_expected").attributes() | {"source": LOCALMAX}
        out["rate_expected"] = expected
    if "certified_rate" in ds and "certified" in ds:  # the proved one, where tokens between clusters make it slower
        certified = proved_members(ds)
        out["certified_rate"] = ds["certified_rate"].where(certified)
        return marked(out, certified)
    return marked(out, None)
