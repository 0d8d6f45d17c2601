"""Limits of rescaled self-attention: the parallel hyperplanes on which tokens come to lie."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.clusters import clusters
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_all, check_order, count_of, model_of, models_of
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import oriented
from lmdata.numerics.checks import as_number
from lmdata.numerics.random import lengths


def rescaled_values(ds: xr.Dataset, measure: str) -> NDArray[np.float64]:
    """Return the value matrix V of rescaled self-attention, whose limits ``measure`` is about.

    Raises
    ------
    InvalidInput
        If the dataset's model is another.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.SelfAttention(), lmdata.tokens.uniform(4, 2), steps=1)
    >>> rescaled_values(ds, "hyperplanes").tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    model = model_of(ds, measure)
    models_of(ds, measure)  # every member has this V
    if getattr(model, "form", None) != "rescaled":
        raise InvalidInput(
            f"{measure} is about limits of rescaled self-attention; the dataset's model is of kind {model.kind!r}, "
            f"form {getattr(model, 'form', None)!r}: simulate SelfAttention(form='rescaled', values=...)"
        )
    values = getattr(model, "values", None)
    return np.eye(count_of(ds, "component", measure)) if values is None else np.array(values)


def leading_direction(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit left eigenvector of V of its simple, real, positive leading eigenvalue.

    Raises
    ------
    InvalidInput
        If the eigenvalue of largest real part is not real, simple and positive: then there are no hyperplanes.

    Examples
    --------
    >>> leading_direction(np.diag([2.0, 1.0])).tolist()
    [1.0, 0.0]
    """
    spectrum, vectors = np.linalg.eig(values.T)
    order = np.argsort(-spectrum.real)
    first = spectrum[order[0]]
    scale = np.abs(spectrum).max()
    if (
        first.real <= 0
        or abs(first.imag) > 1e-9 * scale
        or (len(order) > 1 and first.real - spectrum[order[1]].real <= 1e-9 * scale)
    ):
        raise InvalidInput(
            f"V has the eigenvalues {spectrum[order]}; the leading one must be real, positive and simple"
        )
    vector = vectors[:, order[0]].real
    return oriented(vector[:, None])[:, 0] / lengths(vector)


def heights(
    position: NDArray[np.floating], *, direction: NDArray[np.float64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return heights (..., t, n) and the number of distinct ones (..., t) of members (..., t, n, d).

    Distinct are heights farther apart than ``tolerance`` times the extent of the first frame. NaN and -1 where absent.

    Examples
    --------
    >>> members = np.array([[[1.0], [1.0], [-1.0]]])
    >>> [part.tolist() for part in heights(members, direction=np.ones(1), tolerance=1e-3)]
    [[[1.0, 1.0, -1.0]], [2]]
    """
    height = position.astype(np.float64) @ direction
    reach = tolerance * np.ptp(height[..., 0, :], axis=-1)
    count = np.full(height.shape[:-1], -1, np.int64)
    for place in np.argwhere(~np.isnan(height[..., 0])):
        index = tuple(place)
        count[index] = clusters(height[index][:, None], float(reach[index[:-1]])).max() + 1
    return height, count


@measure(
    Variable(
        "height", ("*", "seed", "time", "token"), "float64", "component of the token along the leading direction of V"
    ),
    Variable("plane_count", ("*", "seed", "time"), "int64", "parallel hyperplanes that hold the tokens"),
)
def hyperplanes(ds: xr.Dataset, *, tolerance: float = 1e-2) -> xr.Dataset:
    r"""Measure the tokens' heights along the leading direction of V, and on how many levels they lie.

    If V has a simple positive leading eigenvalue with left eigenvector :math:`\varphi`, the heights
    :math:`\langle \varphi, z_i(t) \rangle` of rescaled tokens converge to at most three values
    (arXiv 2305.05465).

    Parameters
    ----------
    ds
        A dataset of `SelfAttention` in its rescaled form.
    tolerance : float
        Heights closer than this share of their extent at the first stored step are on one level.

    Returns
    -------
    xarray.Dataset
        ``height`` (<swept>, seed, time, token) and ``plane_count`` (<swept>, seed, time), lazy where ``ds`` is; NaN
        and -1 for absent members.

    Raises
    ------
    InvalidInput
        If the model has no value matrix with such an eigenvalue, or ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata.dynamics.models import SelfAttention
    >>> model = SelfAttention(values=[[1.0, 0.0], [0.0, 0.2]])
    >>> ds = lmdata.simulate(model, lmdata.tokens.uniform(8, 2), steps=100, record=[0, 100])
    >>> hyperplanes(ds).plane_count.isel(seed=0).values
    array([8, 1])
    """
    position = positions(ds, "hyperplanes")
    check_order(ds, "hyperplanes")
    kept = check_all(ds, "component", "hyperplanes")
    values = rescaled_values(ds, "hyperplanes")
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    return measured(
        ds,
        heights,
        position,
        names=("height", "plane_count"),
        core=(CORE,),
        source="limits of rescaled self-attention, arXiv 2305.05465",
        comment=f"levels within {tolerance:g} of the first extent",
        direction=leading_direction(values)[kept],
        tolerance=tolerance,
    )
