"""One run of several, as if it had come alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from lmdata.data import registry
from lmdata.errors import InvalidInput
from lmdata.outside.tokens import distinct


def alone(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset of one run with the tokens that it has, labelled by its own words.

    Parameters
    ----------
    ds
        Of one run, lazy or not: every dimension of runs has length one. One of which the tokens are all there and have
        their labels comes back as it is.

    Returns
    -------
    xarray.Dataset
        Without padding, `token_present` and ``word``; its tokens are numbered from 0 on.

    Raises
    ------
    InvalidInput
        If there are several runs.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.from_trajectory([np.ones((2, 3, 1)), np.ones((2, 1, 1))], token=[["a", "red", "fox"], ["dog"]])
    >>> alone(ds.isel(seed=[1])).token.values.tolist(), alone(ds.isel(seed=[0])).sizes["token"]
    (['dog'], 3)
    """
    there, word = ds.coords.get(registry.PRESENT), ds.coords.get("word")
    if there is None and word is None:
        return ds
    for column in (there, word):
        if column is not None and column.size != ds.sizes["token"]:
            raise InvalidInput(f"ds has runs of the shape {column.shape[:-1]}; select one, as in ds.isel(seed=[0])")
    kept = np.flatnonzero(np.ones(ds.sizes["token"], np.bool_) if there is None else there.values.ravel())
    own = ds.isel({dim: kept for dim in ("token", "key") if dim in ds.dims})
    number = own["token_number"].copy(data=np.arange(len(kept)))
    columns: dict[str, Any] = {"token_number": number.assign_attrs(count=len(kept))}
    if word is not None:
        labels = np.array(distinct(word.values.ravel()[kept]))
        columns |= {dim: own[dim].copy(data=labels) for dim in ("token", "key") if dim in own.dims}
    return own.drop_vars([registry.PRESENT, "word"], errors="ignore").assign_coords(columns)
