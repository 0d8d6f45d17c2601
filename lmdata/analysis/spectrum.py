"""How the tokens spread over directions: the spectrum of their covariance, and the dimension that they span."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lmdata.analysis.measuring import measure, measured_states
from lmdata.analysis.presence import present
from lmdata.data.registry import Variable
from lmdata.numerics.checks import as_number


def covariance_spectrum(position: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues (..., d), largest first, and the largest one's share (...), of states (..., n, d).

    NaN in an absent state; the share is also NaN where all tokens coincide.

    Examples
    --------
    >>> values, share = covariance_spectrum(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    >>> values.round(12).tolist(), share.item()
    ([1.0, 0.0], 1.0)
    """
    centred = position - position.mean(axis=-2, keepdims=True)
    singular = np.zeros((*position.shape[:-2], position.shape[-1]))
    here = present(position)
    found = np.linalg.svd(np.where(here[..., None, None], centred, 0.0), compute_uv=False)
    singular[..., : found.shape[-1]] = found
    values = np.where(here[..., None], singular**2 / position.shape[-2], np.nan)
    total = values.sum(axis=-1)
    share = np.divide(values[..., 0], total, out=np.full(total.shape, np.nan), where=total > 0)
    return values, share


def spans(position: NDArray[np.floating], *, tolerance: float) -> NDArray[np.int64]:
    """Return the dimension of the linear span (...) of states (..., n, d); -1 in an absent one.

    Examples
    --------
    >>> spans(np.array([[1.0, 0.0], [-1.0, 1e-9]]), tolerance=1e-6).item()
    1
    """
    here = present(position)
    singular = np.linalg.svd(np.where(here[..., None, None], position, 0.0), compute_uv=False)
    return np.where(here, (singular > tolerance * singular[..., :1]).sum(axis=-1), -1).astype(np.int64)


@measure(
    Variable(
        "covariance_eigenvalue", ("*", "seed", "time", "component"), "float64", "eigenvalue of the tokens' covariance"
    ),
    Variable("anisotropy", ("*", "seed", "time"), "float64", "share of the largest eigenvalue in the tokens' variance"),
)
def anisotropy(ds: xr.Dataset) -> xr.Dataset:
    """Measure the spectrum of the tokens' covariance at every stored step.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.

    Returns
    -------
    xarray.Dataset
        Lazy where ``ds`` is; NaN for absent members.

        - ``covariance_eigenvalue`` (<swept>, seed, time, component), largest first, in squared units of the tokens
        - ``anisotropy`` (<swept>, seed, time): the share of the largest one, between 1/d and 1; NaN at consensus

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [-1.0, 0.0]], steps=0)
    >>> anisotropy(ds).anisotropy.item()
    1.0
    """
    return measured_states(
        ds,
        covariance_spectrum,
        "anisotropy",
        "covariance_eigenvalue",
        "anisotropy",
        source="covariance of the tokens",
    )


def isotropies(position: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return `isotropy` (...) of states (..., n, d); NaN in an absent state, at consensus, and for one component.

    Examples
    --------
    >>> isotropies(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).round(12).item()
    1.0
    """
    d = position.shape[-1]
    values, _ = covariance_spectrum(position)
    largest = values[..., :1]
    share = np.divide(values, largest, out=np.full(values.shape, np.nan), where=largest > 0)  # squares stay finite
    taken = share.sum(axis=-1) ** 2 / (share * share).sum(axis=-1)
    return np.asarray((taken - 1.0) / (d - 1)) if d > 1 else np.full(taken.shape, np.nan)


@measure(
    Variable("isotropy", ("*", "seed", "time"), "float64", "how evenly the tokens' variance takes up all directions"),
)
def isotropy(ds: xr.Dataset) -> xr.DataArray:
    r"""Measure how evenly the tokens' variance takes up all directions of space, at every stored step.

    .. math:: \frac{1}{d - 1} \left( \frac{(\sum_k \lambda_k)^2}{\sum_k \lambda_k^2} - 1 \right),

    :math:`\lambda` the eigenvalues of the covariance, their participation ratio in the bracket: 1 where all are equal,
    0 where there is one alone. This is IsoScore (arXiv 2108.07344), written without its detours. n tokens have at most
    n - 1 eigenvalues above zero, so that it is at most (n - 2)/(d - 1) for few tokens.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.

    Returns
    -------
    xarray.DataArray
        ``isotropy`` (<swept>, seed, time), lazy where ``ds`` is; NaN for absent members, at consensus, and in one
        dimension.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [-1.0, 0.0]], steps=0)
    >>> isotropy(ds).item()
    0.0
    """
    return measured_states(
        ds,
        isotropies,
        "isotropy",
        "isotropy",
        source="IsoScore, arXiv 2108.07344",
    )["isotropy"]


@measure(
    Variable("span_dimension", ("*", "seed", "time"), "int64", "dimension of the linear span of the tokens"),
)
def span_dimension(ds: xr.Dataset, *, tolerance: float = 1e-6) -> xr.DataArray:
    """Measure the rank of the Gram matrix of the tokens, the dimension that they span, at every stored step.

    Parameters
    ----------
    ds
        A dataset of lmdata, of any model.
    tolerance : float
        Singular values of the (token, component) matrix above this share of the largest count.

    Returns
    -------
    xarray.DataArray
        ``span_dimension`` (<swept>, seed, time), lazy where ``ds`` is; -1 for absent members.

    Raises
    ------
    InvalidInput
        If ``ds`` has not whole members, or the tolerance is not positive.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0, 0.0], [-1.0, 0.0]], steps=0)
    >>> span_dimension(ds).item()
    1
    """
    tolerance = as_number(tolerance, "tolerance", minimum=0, above=True)
    return measured_states(
        ds,
        spans,
        "span_dimension",
        "span_dimension",
        source="Gram matrix of the tokens",
        comment=f"singular values above {tolerance:g} of the largest",
        tolerance=tolerance,
    )["span_dimension"]
