"""The size of the convex hull over time: volume in its own dimension, decay, and mean width."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis import hull_kernels
from lmdata.analysis.fit_kernels import decay_rate
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import check_order, times_of
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.dynamics import tokens
from lmdata.numerics.checks import as_count, as_number

GEOMETRY = "convex hull of the tokens"
"""Source of the measures that any dataset has."""

DECAYED = 1e-9
"""Below this, differences of relative volumes are rounding."""


def hull_sizes(
    position: NDArray[np.floating],
    first: NDArray[np.floating],
    *,
    relative: bool = True,
    rank_tolerance: float = hull_kernels.RANK_TOLERANCE,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return volume, rank and status of the hull of each state.

    Parameters
    ----------
    position : (..., n, d)
        Any number of states; one with NaN is absent.
    first : (..., n, d)
        The first state of each member, broadcast: the rank's tolerance refers to its largest coordinate.
    relative, rank_tolerance
        As of `hull_volume`.

    Returns
    -------
    volume : (...)
        NaN in an absent state.
    rank : (...)
        -1 in an absent state.
    status : (...)
        A `lmdata.analysis.hull_kernels.HullStatus`.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])
    >>> [part.tolist() for part in hull_sizes(np.stack([square, square / 2, square * [1, 0]]), square)]
    [[1.0, 0.25, 0.0], [2, 2, 1], [1, 1, 1]]
    """
    scale = np.abs(first).max(axis=(-2, -1))
    size, rank, status = hull_kernels.hull(
        position, rank_tolerance=rank_tolerance, scale=np.broadcast_to(scale, position.shape[:-2])
    )
    if not relative:
        return size, rank, status
    whole, dimension, _ = hull_kernels.hull(first, rank_tolerance=rank_tolerance, scale=scale)
    start = np.broadcast_to(dimension, rank.shape)
    size = np.where(rank < start, 0.0, size)
    risen = rank > start
    size[risen] = hull_kernels.volume_in_rank(position[risen], start[risen])
    ratio = np.divide(size, whole, out=np.ones_like(size), where=np.broadcast_to(start > 0, size.shape))
    measurable = present(position) & present(first)  # nothing is relative to a first state that is not there
    return np.where(measurable, ratio, np.nan), rank, status


@measure(
    Variable("hull_volume", ("*", "seed", "time"), "float64", "volume of the convex hull of the tokens"),
    Variable("hull_rank", ("*", "seed", "time"), "int64", "dimension of the affine hull of the tokens"),
    Variable(
        "hull_status",
        ("*", "seed", "time"),
        "uint8",
        "how the hull's volume was found",
        None,
        flags=((0, "not_finite"), (1, "compiled"), (2, "qhull"), (3, "mean_width_only"), (4, "failed")),
    ),
)
def hull_volume(
    ds: xr.Dataset, *, relative: bool = True, rank_tolerance: float = hull_kernels.RANK_TOLERANCE
) -> xr.DataArray:
    """Measure the volume of the convex hull conv Z(t) at every stored step, in the dimension of its affine hull.

    Under localmax dynamics conv Z(t+1) is inside conv Z(t) (arXiv 2509.15958), so that it never increases.

    Parameters
    ----------
    ds
        A dataset of any model.
    relative : bool
        Divide by the volume of the first stored frame, and measure in that frame's dimension r: 0 once the
        dimension is lower; a single point keeps its volume 1. Otherwise the length, area, ... of each frame
        in its own dimension; 0 for a single point.
    rank_tolerance : float
        A set extends in a further dimension if a token lies farther than this, times the largest coordinate
        of the first stored frame, from the affine hull of the others.

    Returns
    -------
    xarray.DataArray
        ``hull_volume`` (<swept>, seed, time), lazy where ``ds`` is; dimensionless. Beside it as coordinates
        ``hull_rank``, the dimension of the affine hull, and ``hull_status``, how the volume was found:
        exactly up to dimension 3, by qhull up to 7; beyond, it is NaN: see `mean_width`. Absent members have
        NaN and the rank -1.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a dataset with whole members.

    Examples
    --------
    >>> import lmdata
    >>> square = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
    >>> ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=9.0), square, steps=3)
    >>> volume = lmdata.hull_volume(ds)
    >>> volume.values, volume.hull_rank.values
    (array([[1.      , 0.25    , 0.0625  , 0.015625]]), array([[2, 2, 2, 2]]))
    """
    rank_tolerance = as_number(rank_tolerance, "rank_tolerance", minimum=0)
    position = positions(ds, "hull_volume")
    if relative:
        check_order(ds, "hull_volume")
    frame = ("token", "component")
    out = measured(
        ds,
        hull_sizes,
        position,
        position.isel(time=0, drop=True),
        names=("hull_volume", "hull_rank", "hull_status"),
        core=(frame, frame),
        source=GEOMETRY,
        comment=f"rank_tolerance {rank_tolerance!r} of the largest initial coordinate",
        relative=relative,
        rank_tolerance=rank_tolerance,
    )
    if relative:
        out["hull_volume"].attrs["long_name"] += ", relative to the first"
    return out.set_coords(["hull_rank", "hull_status"])["hull_volume"]


def decay(volume: NDArray[np.float64], time: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """Return the factor per unit of time by which volumes (..., t) approach their last; NaN where none can be fitted.

    Examples
    --------
    >>> round(float(decay(0.5 + 0.5 * 0.25 ** np.arange(24), np.arange(24))), 3)
    0.25
    """
    *shape, t = volume.shape
    excess = (volume - volume[..., -1:]).reshape(-1, t)
    times = np.asarray(time, np.float64)
    return np.array([decay_rate(times, one, DECAYED) for one in excess]).reshape(shape)


@measure(
    Variable("hull_decay", ("*", "seed"), "float64", "fitted factor of the excess hull volume per step", "step-1"),
)
def hull_decay(ds: xr.Dataset) -> xr.DataArray:
    """Fit the rate q at which the hull volume decays to its last value: ``V(t) - V(T) ~ q^t``.

    The line is fitted to the logarithm of the relative volume's excess, over the longest stretch of stored
    steps on which it is straight to 2 % (root mean square), above an excess of 1e-9. A contraction of all
    tokens to one point in dimension r gives ``(1 + alpha)^-r``.

    Parameters
    ----------
    ds
        A dataset of any model.

    Returns
    -------
    xarray.DataArray
        ``hull_decay`` (<swept>, seed), lazy where ``ds`` is; per step (or per unit of model time). NaN where
        fewer than four points make a line, and for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a dataset with whole members.

    Examples
    --------
    >>> import lmdata
    >>> square = [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
    >>> ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=9.0), square, steps=40)
    >>> lmdata.analysis.hull_decay(ds).values.round(3)
    array([0.25])
    """
    return measured(
        ds,
        decay,
        hull_volume(ds),
        times_of(ds, "hull_decay"),
        names=("hull_decay",),
        core=(("time",), ("time",)),
        source=GEOMETRY,
    )["hull_decay"]


@measure(
    Variable("mean_width", ("*", "seed", "time"), "float64", "mean width of the convex hull of the tokens"),
    Variable("mean_width_error", ("*", "seed", "time"), "float64", "standard error of the mean width"),
)
def mean_width(ds: xr.Dataset, *, directions: int = 512) -> xr.DataArray:
    """Measure the mean width of the convex hull: the mean over directions u of ``max_i <u, z_i> - min_i <u, z_i>``.

    A size of the hull in any dimension, also where no volume can be had. Under localmax dynamics it never
    increases (arXiv 2509.15958).

    Parameters
    ----------
    ds
        A dataset of any model.
    directions : int
        Number of unit vectors, the same for all datasets of that dimension.

    Returns
    -------
    xarray.DataArray
        ``mean_width`` (<swept>, seed, time), lazy where ``ds`` is; dimensionless, as the positions. Its
        standard error over the directions, ``mean_width_error``, is a coordinate. Absent members have NaN.

    Raises
    ------
    InvalidInput
        If ``ds`` is not a dataset with whole members, or ``directions`` is not an integer of at least 2.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(alignment_sensitivity=9.0), [[1.0], [-1.0]], steps=2)
    >>> lmdata.mean_width(ds).values
    array([[2. , 1. , 0.5]])
    """
    directions = as_count(directions, "directions", minimum=2)
    position = positions(ds, "mean_width")
    vectors = tokens.sphere(directions, ds.sizes["component"]).draw(0)
    out = measured(
        ds,
        hull_kernels.mean_width,
        position,
        names=("mean_width", "mean_width_error"),
        core=(("token", "component"),),
        source=GEOMETRY,
        comment=f"over {directions} directions",
        directions=vectors,
    )
    return out.set_coords("mean_width_error")["mean_width"]
