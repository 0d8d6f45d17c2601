"""Pairing of two datasets by the labels of the dimensions that both have."""

from __future__ import annotations

from collections.abc import Iterable

import xarray as xr

from lmdata.errors import InvalidInput


def check_labels(first: xr.DataArray, second: xr.DataArray, measure: str, *, apart: Iterable[str]) -> None:
    """Refuse dimensions of both, but for those ``apart``, that have no labels or one twice.

    Raises
    ------
    InvalidInput
        Naming the dimension.
    """
    for dim in sorted(map(str, set(first.dims) & set(second.dims) - set(apart))):
        for one in (first, second):
            if dim not in one.indexes or not one.indexes[dim].is_unique:
                raise InvalidInput(f"{measure} pairs what has the same {dim}: give each {dim} a label, once")


def aligned(measure: str, *arrays: xr.DataArray, apart: Iterable[str] = ()) -> tuple[xr.DataArray, ...]:
    """Return arrays at the labels that all of them have, of the dimensions but those ``apart``.

    Raises
    ------
    InvalidInput
        If labels of a dimension are of different kinds, or there are none in common.

    Examples
    --------
    >>> one, two = (xr.DataArray([1, 2], dims="seed", coords={"seed": seeds}) for seeds in ([0, 1], [1, 2]))
    >>> [array.seed.item() for array in aligned("energy_distance", one, two)]
    [1, 1]
    """
    try:
        found = xr.align(*arrays, join="inner", exclude=frozenset(apart))
    except (ValueError, TypeError) as error:  # kinds that NumPy has no common one of are a TypeError
        raise InvalidInput(
            f"{measure} pairs what has the same labels, and these have labels of different kinds: {error}"
        ) from error
    if empty := [dim for dim, size in found[0].sizes.items() if size == 0]:
        raise InvalidInput(f"the datasets share no {empty[0]}; simulate both with the same {empty[0]}s")
    return found
