"""The second variation of the interaction energy: whether a stationary state is a maximum, a minimum or a saddle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from lmdata.analysis.energy_slope import steepness
from lmdata.analysis.masses import alignment_for, cells_of, components_of
from lmdata.analysis.measuring import DENSITIES, PARTICLES, measure, measured_states, positions
from lmdata.analysis.presence import present
from lmdata.analysis.rank import directions
from lmdata.data.registry import Variable
from lmdata.dynamics.kernels.canonical import scores
from lmdata.dynamics.models.parameters import refuse_overflow
from lmdata.errors import InvalidInput
from lmdata.numerics.arrays import apply, inner
from lmdata.numerics.checks import as_number
from lmdata.wording import counted

MOST_DIRECTIONS = 3000
"""The eigenvalues of more take many seconds a state."""

type Array = NDArray[np.float64]

ABSENT, MOVING, MINIMUM, MAXIMUM, SADDLE, FLAT = range(6)
"""Values of ``critical_kind``."""


class Found(NamedTuple):
    """What the second variation tells, each (...)."""

    critical_kind: NDArray[np.uint8]
    least: Array
    largest: Array
    downward: NDArray[np.int64]
    upward: NDArray[np.int64]


def curvatures(points: Array, weights: Array, *, inverse_temperature: float, alignment: Array | None) -> Array:
    """Return the eigenvalues of the second variation at unit vectors (n, d) with weights (n,) > 0, ascending.

    There are n (d - 1); `second_variation` says of what.

    Examples
    --------
    >>> pair = np.array([[1.0, 0.0], [-1.0, 0.0]])  # opposite each other; turning both costs nothing
    >>> curvatures(pair, np.array([0.5, 0.5]), inverse_temperature=1.0, alignment=None).round(4) + 0.0
    array([0.    , 0.3679])
    """
    n, d = points.shape
    keys = apply(alignment, points)
    kernel = np.exp(inverse_temperature * scores(points, keys))
    root = np.sqrt(weights)
    matrix = np.eye(d) if alignment is None else alignment
    both = (root[:, None] * root * kernel)[:, None, :, None]
    blocks = both * (inverse_temperature * keys[:, None, None, :] * keys.T[None, :, :, None] + matrix[None, :, None, :])
    own = inverse_temperature * np.einsum("ij,ja,jb->iab", kernel * weights, keys, keys)
    own -= inner(points, kernel @ (weights[:, None] * keys))[:, None, None] * np.eye(d)
    place = np.arange(n)
    blocks[place, :, place, :] += own
    basis = tangents(points)
    within = np.einsum("iap,iajb->ipjb", basis, blocks)
    matrix_within = np.einsum("ipjb,jbq->ipjq", within, basis).reshape(n * (d - 1), n * (d - 1))
    return np.linalg.eigvalsh((matrix_within + matrix_within.T) / 2)


def tangents(points: Array) -> Array:
    """Return an orthonormal basis (n, d, d - 1) of what is at right angles to each unit vector (n, d).

    By the reflection of Householder that brings the vector to the first axis.

    Examples
    --------
    >>> tangents(np.array([[0.6, 0.8]]))[0, :, 0].round(12)
    array([-0.8,  0.6])
    """
    d = points.shape[1]
    normal = points.copy()
    normal[:, 0] += np.where(points[:, 0] < 0, -1.0, 1.0)
    outer = normal[:, :, None] * normal[:, None, 1:]
    basis: Array = np.eye(d)[None, :, 1:] - 2 * outer / inner(normal, normal)[:, None, None]
    return basis


def critical(
    position: NDArray[np.floating],
    *,
    cells: Array | None,
    inverse_temperature: float,
    alignment: Array | None,
    tolerance: float,
) -> Found:
    """Return what the second variation tells of particles (..., n, d), or of the masses (..., n, 1) of ``cells``."""
    *shape, n, d = position.shape
    states = position.reshape(-1, n, d).astype(np.float64)
    count = len(states)
    kind, ends = np.full(count, ABSENT, np.uint8), np.full((2, count), np.nan)
    signs = np.full((2, count), -1, np.int64)
    energy = {"inverse_temperature": inverse_temperature, "alignment": alignment}
    for index in np.flatnonzero(present(states)):
        if cells is None:
            points, weights = directions(states[index]), np.full(n, 1 / n)
        else:
            here = states[index][:, 0] > 0
            points, weights = cells[here], states[index][here, 0]
        if not points.any(axis=1).all():  # a token at the origin has no direction
            continue
        found = curvatures(points, weights, **energy)  # type: ignore[arg-type]
        slope = steepness(points, weights, metric="wasserstein", **energy)  # type: ignore[arg-type]
        size = max(-found[0], found[-1])
        down, up = (found < -tolerance * size).sum(), (found > tolerance * size).sum()
        ends[:, index], signs[:, index] = found[[0, -1]], (down, up)
        kind[index] = MOVING if slope > tolerance * size else _KINDS[bool(down), bool(up)]
    return Found(
        kind.reshape(shape),
        ends[0].reshape(shape),
        ends[1].reshape(shape),
        signs[0].reshape(shape),
        signs[1].reshape(shape),
    )


_KINDS = {(False, False): FLAT, (False, True): MINIMUM, (True, False): MAXIMUM, (True, True): SADDLE}


@measure(
    Variable(
        "critical_kind",
        ("*", "seed", "time"),
        "uint8",
        "what the state is for the interaction energy",
        None,
        flags=(
            (ABSENT, "absent"),
            (MOVING, "not_stationary"),
            (MINIMUM, "minimum"),
            (MAXIMUM, "maximum"),
            (SADDLE, "saddle"),
            (FLAT, "flat"),
        ),
    ),
    Variable("least_curvature", ("*", "seed", "time"), "float64", "least eigenvalue of the second variation"),
    Variable("largest_curvature", ("*", "seed", "time"), "float64", "largest eigenvalue of the second variation"),
    Variable("downward_directions", ("*", "seed", "time"), "int64", "directions in which the energy curves down"),
    Variable("upward_directions", ("*", "seed", "time"), "int64", "directions in which the energy curves up"),
    about=(PARTICLES, DENSITIES),
)
def second_variation(
    ds: xr.Dataset,
    *,
    inverse_temperature: float = 1.0,
    alignment: ArrayLike | None = None,
    tolerance: float = 1e-6,
) -> xr.Dataset:
    r"""Measure whether each stored state is a maximum, a minimum or a saddle of the interaction energy.

    Of a distribution mu on the sphere that is moved along geodesics of velocities v(x), :math:`E_D` (`energy`) has the
    second derivative

    .. math:: \iint e^{\beta \langle x, D y \rangle} \Big( \beta \langle v_x, D y \rangle \langle D x, v_y \rangle
              + \langle v_x, D v_y \rangle + \beta \langle v_x, D y \rangle^2
              - \langle x, D y \rangle |v_x|^2 \Big) d\mu(x)\, d\mu(y).

    Its eigenvalues over :math:`\int |v|^2 d\mu` are the rates at which disturbances of a stationary state grow under
    `SphereGradientFlow` in ascent (negative ones: decay): the Riemannian Hessian of particles, and the second variation
    in the metric of Wasserstein of densities. For the uniform density and D = I its directions are the gradients of
    spherical harmonics, Fourier modes on the circle, and its eigenvalues those of `uniform_growth`. Symmetries give
    eigenvalues of zero, as all turns do for D = I.

    Parameters
    ----------
    ds
        A dataset of particles, which count by their directions and alike, or of densities, whose empty cells
        are left out.
    inverse_temperature : float
        beta > 0.
    alignment : array (component, component), optional
        D, symmetric; the identity by default.
    tolerance : float
        Eigenvalues up to this part of the largest, in magnitude, count as zero, and slopes (`energy_slope`) too.

    Returns
    -------
    xarray.Dataset
        All (<swept>, seed, time), lazy where ``ds`` is; O(n^3 d^3) in time and O(n^2 d^2) in memory a state.

        - ``critical_kind``: minimum or maximum (up to the directions of eigenvalue zero), saddle, flat, or
          not stationary; absent also where a token is at the origin
        - ``least_curvature``, ``largest_curvature``: in the inverse of the flow's time
        - ``downward_directions``, ``upward_directions``: how many eigenvalues are below and above zero; -1 where absent

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, has one component, or not all cells of a density; if beta or the tolerance is
        not allowed, exp(beta |D|) is beyond float64, or D is not symmetric; beyond `MOST_DIRECTIONS` n (d - 1), whose
        eigenvalues take seconds a state.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.SphereGradientFlow(), [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], steps=0)
    >>> found = second_variation(ds)  # a square is the minimum, up to turns
    >>> found.critical_kind.item(), found.upward_directions.item(), found.downward_directions.item()
    (2, 3, 0)
    """
    beta = as_number(inverse_temperature, "inverse_temperature", minimum=0, above=True)
    tolerance = as_number(tolerance, "tolerance", minimum=0)
    cells = cells_of(ds, "second_variation")
    components = components_of(ds, cells, "second_variation")
    matrix = alignment_for(alignment, components)
    number = int(positions(ds, "second_variation").sizes["token"]) * (components - 1)
    if number > MOST_DIRECTIONS:
        raise InvalidInput(
            f"second_variation takes the eigenvalues of all directions in which tokens move, here {number:,}, of "
            f"{counted(components, 'component')}; at most {MOST_DIRECTIONS:,} are taken: measure energy_slope instead"
        )
    refuse_overflow(beta, 1.0 if matrix is None else float(np.linalg.norm(matrix, 2)))
    return measured_states(
        ds,
        critical,
        "second_variation",
        *("critical_kind", "least_curvature", "largest_curvature", "downward_directions", "upward_directions"),
        source="stationary points of the interaction energy, arXiv 2501.03096",
        comment=f"beta = {beta:g}",
        cells=cells,
        inverse_temperature=beta,
        alignment=matrix,
        tolerance=tolerance,
    )
