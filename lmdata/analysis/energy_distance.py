"""How far apart two distributions are, of particles or densities, of any numbers of tokens or cells."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.masses import cells_of
from lmdata.analysis.measuring import DENSITIES, PARTICLES, measure, measured, positions
from lmdata.analysis.pairing import aligned, check_labels
from lmdata.analysis.presence import check_presence, present
from lmdata.data import registry
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.wording import counted

type Array = NDArray[np.float64]

_OTHER = {"token": "other_token", "component": "other_component"}


def mean_distances(one: Array, two: Array, weights: Array, others: Array) -> float:
    """Return the mean distance of points (n, d) with weights (n,) to points (k, d) with weights (k,).

    Examples
    --------
    >>> mean_distances(np.array([[0.0], [1.0]]), np.array([[3.0]]), np.array([0.5, 0.5]), np.array([1.0]))
    2.5
    """
    square = np.zeros((len(one), len(two)))
    for first, second in zip(one.T, two.T, strict=True):
        square += (first[:, None] - second) ** 2
    return float(weights @ np.sqrt(square) @ others)


def energy_distances(
    position: NDArray[np.floating],
    other: NDArray[np.floating],
    there: NDArray[np.bool_],
    *,
    cells: Array | None,
    other_cells: Array | None,
) -> Array:
    """Return the distance (...) of states (..., n, d) and (..., k, e), `energy_distance` says which; NaN if absent.

    ``there`` (..., k) says which tokens the others have.

    Examples
    --------
    >>> pair, point = np.array([[0.0], [2.0]]), np.array([[1.0], [9.0]])
    >>> energy_distances(pair, point, np.array([True, False]), cells=None, other_cells=None).item()  # 2 * 1 - 1 - 0
    1.0
    """
    shape = np.broadcast_shapes(position.shape[:-2], other.shape[:-2], there.shape[:-1])
    one, two = (
        np.broadcast_to(states, (*shape, *states.shape[-2:])).reshape(-1, *states.shape[-2:])
        for states in (position, other)
    )
    whose = np.broadcast_to(there, (*shape, there.shape[-1])).reshape(-1, there.shape[-1])
    found = np.full(len(one), np.nan)
    for index, (state, padded, tokens) in enumerate(zip(one, two, whose, strict=True)):
        against = padded[tokens]
        check_presence(against, "energy_distance", whole=False)
        if len(against) == 0 or not present(state) or not present(against):
            continue
        points, weights = _weighted(state, cells)
        others, masses = _weighted(against, other_cells)
        between = mean_distances(points, others, weights, masses)
        within = mean_distances(points, points, weights, weights) + mean_distances(others, others, masses, masses)
        found[index] = np.sqrt(max(2 * between - within, 0.0))  # not negative in exact arithmetic
    return found.reshape(shape)


def _weighted(state: NDArray[np.floating], cells: Array | None) -> tuple[Array, Array]:
    """Return points and their weights: particles alike, or cells with their masses."""
    own = np.asarray(state, dtype=np.float64)
    return (own, np.full(len(own), 1 / len(own))) if cells is None else (cells, own[:, 0])


@measure(
    Variable("energy_distance", ("*", "seed", "time"), "float64", "energy distance of two distributions"),
    about=(PARTICLES, DENSITIES),
)
def energy_distance(ds: xr.Dataset, other: xr.Dataset) -> xr.DataArray:
    r"""Measure how far the states of two datasets are apart as distributions, at every time that both have.

    .. math:: \Big( 2 \iint |x - y|\, d\mu\, d\nu - \iint |x - x'|\, d\mu\, d\mu - \iint |y - y'|\, d\nu\, d\nu
              \Big)^{1/2}

    Each is of particles, alike, or a density with its masses at its cells, and they may have other numbers of them
    (for clouds of one size see `transport_distance`). It is zero for equal distributions alone. Of n random tokens and
    the density that they are drawn from its mean square is :math:`\mathbf{E} |x - x'| / n`: so particles follow the
    density of the mean-field limit.

    Parameters
    ----------
    ds, other
        Datasets of lmdata in a space of as many components. Dimensions that only one has are broadcast, as
        those of ``other.isel(seed=0)``; of shared ones, the labels that both have are compared.

    Returns
    -------
    xarray.DataArray
        ``energy_distance`` (<swept>, seed, time), the root of the tokens' unit, lazy where a dataset is, O(n^2 + k^2) a
        state; NaN for absent members.

    Raises
    ------
    InvalidInput
        If they are in spaces of other components, share no time or seed, or not all cells of a density are there.

    Examples
    --------
    >>> import lmdata
    >>> model, start = lmdata.SphereDensityFlow(), lmdata.tokens.density(128, surface="sphere")
    >>> uniform = lmdata.simulate(model, start, steps=0)
    >>> tokens = lmdata.simulate(lmdata.SphereGradientFlow(), lmdata.tokens.sphere(300, 3), steps=0)
    >>> bool(energy_distance(tokens, uniform).item() < 3 * (4 / 3 / 300) ** 0.5)
    True
    """
    first, second = positions(ds, "energy_distance"), positions(other, "energy_distance")
    cells, other_cells = cells_of(ds, "energy_distance"), cells_of(other, "energy_distance")
    one, two = (
        int(position.sizes["component"]) if places is None else places.shape[1]
        for position, places in ((first, cells), (second, other_cells))
    )
    if one != two:
        raise InvalidInput(
            f"energy_distance compares distributions of one space; they have {one} and {counted(two, 'component')}"
        )
    check_labels(first, second, "energy_distance", apart=_OTHER)
    has = other.coords.get(registry.PRESENT, xr.DataArray(np.ones(second.sizes["token"], bool), dims="token"))
    bare, there = (
        array.drop_vars([name for name in array.coords if name not in array.xindexes or name in _OTHER]).rename(
            {dim: renamed for dim, renamed in _OTHER.items() if dim in array.dims}
        )
        for array in (second, has)
    )
    here, bare, there = aligned("energy_distance", first, bare, there, apart=[*_OTHER, *_OTHER.values()])
    return measured(
        here.to_dataset(name="position"),
        energy_distances,
        here,
        bare,
        there,
        names=("energy_distance",),
        core=(("token", "component"), ("other_token", "other_component"), ("other_token",)),
        source="energy distance of distributions, Szekely and Rizzo 2013",
        cells=cells,
        other_cells=other_cells,
    )["energy_distance"]
