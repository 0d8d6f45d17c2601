"""Limits of rescaled self-attention: a polytope in the leading eigenspace of V, times a subspace."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.clusters import centres, clusters, polytope_vertices
from lmdata.analysis.hull_kernels import QHULL_RANK
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.analysis.parameters import CORE, check_all, check_order
from lmdata.analysis.planes import rescaled_values
from lmdata.analysis.polytope import scale_of
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number
from lmdata.wording import counted

SAME = 1e-6
"""Eigenvalues closer than this share of the largest are one: rounding splits a defective one by less."""

FLAT = 1e-9
"""A set thinner than this share of its extent has no interior."""


class Splitting(NamedTuple):
    """The components of a token in F and in G."""

    basis: NDArray[np.float64]
    """(d, k), orthonormal, of F."""
    dual: NDArray[np.float64]
    """(k, d): ``dual @ z`` are the coordinates in ``basis`` of the projection of z onto F along G."""


class Products(NamedTuple):
    """What `products` finds, for each member and frame."""

    corner_count: NDArray[np.int64]
    boundary_distance: NDArray[np.float64]
    subspace_dimension: NDArray[np.int64]


def splitting(values: NDArray[np.float64]) -> Splitting:
    """Return the leading eigenspace F of a paranormal V, and the projection onto it along the other, G.

    Raises
    ------
    InvalidInput
        If V is not paranormal: the eigenvalues of largest modulus must be one positive number, with as many
        eigenvectors as its multiplicity.

    Examples
    --------
    >>> basis, dual = splitting(np.array([[1.0, 0.5], [0.0, 0.5]]))
    >>> (dual @ np.array([3.0, 0.0]) @ basis.T).round(12).tolist()
    [3.0, 0.0]
    >>> np.abs(dual @ np.array([1.0, -1.0])).max().round(12).item()
    0.0
    """
    spectrum = np.linalg.eigvals(values)
    radius = np.abs(spectrum).max()
    leading = np.abs(spectrum - radius) <= SAME * radius
    k = int(leading.sum())
    left, size, right = np.linalg.svd(values - radius * np.eye(len(values)))
    if radius == 0 or (np.abs(spectrum[~leading]) >= (1 - SAME) * radius).any() or k != (size <= SAME * radius).sum():
        raise InvalidInput(
            f"V has the eigenvalues {spectrum}; it must be paranormal: those of largest modulus one positive number, "
            "with as many eigenvectors as its multiplicity"
        )
    basis, other = right[len(values) - k :].T, left[:, len(values) - k :].T
    return Splitting(np.ascontiguousarray(basis), np.linalg.solve(other @ basis, other))


def products(
    position: NDArray[np.floating], *, basis: NDArray[np.float64], dual: NDArray[np.float64], tolerance: float
) -> Products:
    """Return corners, distances and dimensions of members (..., t, n, d); shapes are those of `subspace_polytope`.

    Examples
    --------
    >>> segment_times_line = np.array([[[x, y] for x in (-1.0, 1.0) for y in (0.0, 2.0, 5.0)]])
    >>> first = np.array([[1.0, 0.0]])
    >>> found = products(segment_times_line, basis=first.T, dual=first, tolerance=1e-2)
    >>> found.corner_count.item(), found.boundary_distance.max().item(), found.subspace_dimension.item()
    (2, 0.0, 1)
    """
    tokens = position.astype(np.float64)
    leading = tokens @ dual.T
    rest = tokens - leading @ basis.T
    frames = position.shape[:-2]
    reach = np.broadcast_to(tolerance * scale_of(leading[..., 0, :, :])[..., None], frames)
    least = np.broadcast_to(tolerance * scale_of(tokens[..., 0, :, :])[..., None], frames)
    found = Products(np.full(frames, -1), np.full(position.shape[:-1], np.nan), np.full(frames, -1))
    for place in np.argwhere(present(tokens)):
        frame = tuple(place)
        cluster = clusters(np.ascontiguousarray(leading[frame]), float(reach[frame]))
        corners = polytope_vertices(centres(leading[frame], cluster), tolerance=tolerance)
        found.corner_count[frame] = len(corners)
        found.boundary_distance[frame] = np.minimum(depths(leading[frame]), np.linalg.norm(leading[frame], axis=-1))
        within = rest[frame] - centres(rest[frame], cluster)[cluster]
        singular = np.linalg.svd(within, compute_uv=False)
        found.subspace_dimension[frame] = (singular > least[frame]).sum()
    return found


def depths(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each of ``points`` (n, k) is inside the boundary of their convex hull.

    A flat hull is all boundary. NaN where the dimension is above 7, as for `lmdata.hull_volume`.

    Examples
    --------
    >>> depths(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [1.0, 2.0]])).tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0]
    >>> depths(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])).tolist()
    [0.0, 0.0, 0.0]
    """
    n, k = points.shape
    size = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if n <= k or size[-1] <= FLAT * size[0]:
        return np.zeros(n)
    if k == 1:
        line = points[:, 0]
        return np.asarray(np.minimum(line - line.min(), line.max() - line))
    if k > QHULL_RANK:
        return np.full(n, np.nan)
    from scipy.spatial import ConvexHull

    facets = ConvexHull(points).equations
    return np.asarray(np.maximum(-(points @ facets[:, :-1].T + facets[:, -1]).max(axis=1), 0.0))


@measure(
    Variable(
        "corner_count",
        ("*", "seed", "time"),
        "int64",
        "vertices of the hull of the components in the leading eigenspace",
    ),
    Variable(
        "boundary_distance", ("*", "seed", "time", "token"), "float64", "distance in it from the boundary or the origin"
    ),
    Variable(
        "subspace_dimension",
        ("*", "seed", "time"),
        "int64",
        "other dimensions along which tokens of one cluster differ",
    ),
)
def subspace_polytope(ds: xr.Dataset, *, tolerance: float = 1e-2) -> xr.Dataset:
    r"""Measure how near rescaled tokens are to the boundary of a polytope times a subspace.

    V is paranormal if the space is a sum of two invariant subspaces F and G, with V a positive multiple
    :math:`\lambda` of the identity on F, and of spectral radius below :math:`\lambda` on G. Then, for queries and
    keys of a positive form, there is a bounded convex polytope K in F with

    .. math:: \operatorname{dist}\bigl(z_i(t), (\partial K \cup \{0\}) \times G\bigr) \to 0

    for every rescaled token (arXiv 2305.05465): their components in F, along G, tend to the boundary of K or to the
    origin, while those in G need not converge. V = I is the case without G. Here K is the convex hull of the
    components in F at each stored step.

    Parameters
    ----------
    ds
        A dataset of `SelfAttention` in its rescaled form. Qhull is called for each stored step where F has two to
        seven dimensions: select steps first.
    tolerance : float
        Dimensionless. Tokens are linked into clusters if their components in F are at most this share of the
        longest one at the first stored step apart.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; -1 and NaN for absent members.

        - ``corner_count`` (<swept>, seed, time): vertices of the convex hull of the clusters' means in F
        - ``boundary_distance`` (<swept>, seed, time, token): Euclidean distance in F of the token's component from
          the hull's boundary or the origin, whichever is nearer. A hull without interior in F is all boundary. NaN
          where F has more than seven dimensions
        - ``subspace_dimension`` (<swept>, seed, time): dimensions of G along which tokens of one cluster differ;
          singular values of their differences from the cluster's mean count above ``tolerance`` times the longest
          token of the first stored step. 0 where the limit is the polytope alone

    Raises
    ------
    InvalidInput
        If the model is not rescaled self-attention with a paranormal V, ``tolerance`` is not a number above 0, or
        ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> model = lmdata.SelfAttention(values=[[1.0, 0.0], [0.0, -0.5]])
    >>> ds = lmdata.simulate(model, lmdata.tokens.uniform(8, 2, low=-3, high=3), steps=200, record=[0, 200])
    >>> found = lmdata.subspace_polytope(ds).isel(seed=0, time=-1)
    >>> int(found.corner_count), bool(found.boundary_distance.max() < 1e-6), int(found.subspace_dimension)
    (2, True, 1)
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    position = positions(ds, "subspace_polytope")
    check_order(ds, "subspace_polytope")
    kept = check_all(ds, "component", "subspace_polytope")
    basis, dual = splitting(rescaled_values(ds, "subspace_polytope"))
    return measured(
        ds,
        products,
        position,
        names=Products._fields,
        core=(CORE,),
        source="limits of rescaled self-attention, arXiv 2305.05465",
        comment=f"F of {counted(basis.shape[1], 'dimension')}, tolerance {tolerance!r}",
        basis=basis[kept],
        dual=dual[:, kept],
        tolerance=tolerance,
    )
