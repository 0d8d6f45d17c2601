"""The interaction energy of attention on the sphere, and whether it goes one way."""

from __future__ import annotations

import functools
import math
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.energy_kernels import log_mean_power
from lmdata.analysis.masses import cells_of
from lmdata.analysis.measuring import DENSITIES, PARTICLES, measure, measured, positions
from lmdata.analysis.parameters import CORE, check_order
from lmdata.analysis.presence import check_frames, present
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import apply
from lmdata.numerics.checks import as_number, as_real_array

ROUNDING = 1e-13
"""A change below this, relative to the first energy, is rounding."""

LEAST, LARGEST = -708.0, 709.7
"""Logarithms of numbers that float64 holds to full precision."""


def interaction_energies(
    position: NDArray[np.floating],
    *,
    inverse_temperature: float = 1.0,
    alignment: NDArray[np.float64] | None = None,
    relative: bool = False,
) -> NDArray[np.float64]:
    """Return the energy (...) of states (..., n, d), as `energy` defines it; NaN in an absent state.

    Accurate to 1e-12 at any inverse temperature up to 1e6, that is, of these positions as they stand.

    Raises
    ------
    InvalidInput
        If float64 does not hold it.

    Examples
    --------
    >>> interaction_energies(np.array([[1.0, 0.0], [1.0, 0.0]]), relative=True).round(12).item()
    1.0
    """
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    matrix = np.empty((0, 0)) if alignment is None else np.ascontiguousarray(alignment)
    energies = np.full(len(states), np.nan)
    for state in np.flatnonzero(present(states)):
        top, mean = log_mean_power(states[state], matrix, inverse_temperature, 1.0 if relative else 0.0)
        energies[state] = _energy(top, mean, inverse_temperature, relative)
    return energies.reshape(shape)


def density_energies(
    masses: NDArray[np.floating],
    *,
    cells: NDArray[np.float64],
    inverse_temperature: float = 1.0,
    alignment: NDArray[np.float64] | None = None,
    relative: bool = False,
) -> NDArray[np.float64]:
    """Return the energy (...) of masses (..., n, 1) of cells (n, d), as `energy` defines it; NaN in an absent state.

    Raises
    ------
    InvalidInput
        If float64 does not hold it.

    Examples
    --------
    >>> north_and_south = np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> masses = np.array([[[0.5], [0.5]], [[1.0], [0.0]]])
    >>> density_energies(masses, cells=north_and_south).round(4)  # cosh(1) / 2 and e / 2
    array([0.7715, 1.3591])
    """
    *shape, n, _ = masses.shape
    states = masses.reshape(-1, n).astype(np.float64)
    exponent = inverse_temperature * (scores(cells, apply(alignment, cells)) - (1.0 if relative else 0.0))
    top = float(exponent.max())
    kernel = np.exp(exponent - top)
    energies = np.full(len(states), np.nan)
    for state in np.flatnonzero(present(states[:, :, None])):
        energies[state] = _energy(top, float(states[state] @ kernel @ states[state]), inverse_temperature, relative)
    return energies.reshape(shape)


def _energy(top: float, mean: float, inverse_temperature: float, relative: bool) -> float:
    """Return the energy of which ``e^top`` times ``mean`` is the mean of the exponentials."""
    factor = 1.0 if relative else 0.5 / inverse_temperature
    logarithm = top + math.log(mean * factor)
    if not LEAST <= logarithm <= LARGEST:
        raise InvalidInput(
            f"the energy at inverse_temperature={inverse_temperature:g} is exp({logarithm:.6g}), which float64 "
            f"does not hold: {'lower it' if relative else 'take relative=True, or lower it'}, or scale the tokens"
        )
    half = math.exp(top / 2)
    return half * (mean * factor) * half


def monotonicity(energy: NDArray[np.float64], *, sign: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how often (...) and by how much (...) energies (..., t) go against the sign; -1 and NaN where absent.

    Examples
    --------
    >>> [part.tolist() for part in monotonicity(np.array([1.0, 2.0, 1.5, 3.0]), sign=1.0)]
    [1, 0.5]
    """
    change = -sign * np.diff(energy, axis=-1)
    check_frames(~np.isnan(energy), "energy")
    here = ~np.isnan(energy[..., 0])
    wrong = change > ROUNDING * np.abs(energy[..., :1])
    count = np.where(here, wrong.sum(axis=-1), -1)
    return count, np.where(here, change.max(axis=-1, initial=0.0, where=~np.isnan(change)), np.nan)


@measure(
    Variable("interaction_energy", ("*", "seed", "time"), "float64", "energy of the interaction of the tokens"),
    Variable("against", ("*", "seed"), "int64", "stored steps at which the energy goes against the direction"),
    Variable("largest_against", ("*", "seed"), "float64", "largest change of the energy against the direction"),
    about=(PARTICLES, DENSITIES),
)
def energy(
    ds: xr.Dataset,
    *,
    inverse_temperature: float = 1.0,
    alignment: ArrayLike | None = None,
    relative: bool = False,
    direction: Literal["ascent", "descent"] = "ascent",
) -> xr.Dataset:
    r"""Measure the interaction energy along the flow, and the stored steps at which it goes the wrong way.

    .. math:: E_D = \frac{1}{2 \beta n^2} \sum_{ij} e^{\beta \langle x_i, D x_j \rangle}

    (arXiv 2501.03096), or relative to its largest value for D = I, whose plateaus are the staircase of
    arXiv 2410.06833,

    .. math:: E_\beta = \frac{1}{n^2} \sum_{ij} e^{\beta (\langle x_i, D x_j \rangle - 1)}

    The first never decreases under `SphereGradientFlow` in ascent and USA, and never increases in descent. Of a density
    it is the sum over cells with their masses, :math:`\frac{1}{2 \beta} \sum_{kl} w_k w_l e^{\beta \langle x_k, D x_l
    \rangle}`, under `CircleDensityFlow` and `SphereDensityFlow`. How far a state is from rest tells `energy_slope`.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model; of densities with all their cells.
    inverse_temperature : float
        beta > 0.
    alignment : array (component, component), optional
        D; the identity by default.
    relative : bool
        The second form.
    direction : {"ascent", "descent"}
        Which way the energy should go.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is.

        - ``interaction_energy`` (<swept>, seed, time)
        - ``against`` (<swept>, seed): stored steps at which it goes against the direction by more than rounding
        - ``largest_against`` (<swept>, seed): by how much at most; 0 if it never does

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or a parameter is not allowed; when computed, if float64 does not hold an
        energy, as E_D of clusters from beta = 710 on.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata.dynamics.models import SphereGradientFlow
    >>> ds = lmdata.simulate(SphereGradientFlow(), lmdata.tokens.sphere(6, 3), steps=20)
    >>> energy(ds).against.item()
    0
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0, above=True)
    if direction not in ("ascent", "descent"):
        raise InvalidInput(f"direction is {direction!r}; it must be 'ascent' or 'descent'")
    matrix = None if alignment is None else as_real_array(alignment, "alignment")
    cells = cells_of(ds, "energy")
    components = ds.sizes.get("component") if cells is None else cells.shape[1]
    if matrix is not None and matrix.shape != (components, components):
        raise InvalidInput(f"alignment has shape {matrix.shape}; D must be ({components}, {components})")
    form = "relative" if relative else "E_D"
    position = positions(ds, "energy")
    check_order(ds, "energy")
    value = measured(
        ds,
        interaction_energies if cells is None else functools.partial(density_energies, cells=cells),
        position,
        names=("interaction_energy",),
        core=(CORE[1:],),
        source="interaction energy of self-attention, arXiv 2501.03096",
        comment=f"{form} at beta = {beta:g}",
        inverse_temperature=beta,
        alignment=matrix,
        relative=relative,
    )
    way = measured(
        ds,
        monotonicity,
        value["interaction_energy"],
        names=("against", "largest_against"),
        core=(("time",),),
        source="interaction energy of self-attention, arXiv 2501.03096",
        comment=f"{form} at beta = {beta:g}, {direction}; between stored steps",
        sign=1.0 if direction == "ascent" else -1.0,
    )
    return value.assign(way.data_vars)
