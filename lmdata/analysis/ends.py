"""Where the tokens of a record end: at limits that are proved, where the dataset has them, else in its last frame."""

from __future__ import annotations

import xarray as xr

from lmdata.analysis.parameters import Among
from lmdata.data.registry import COMPLETE

CERTIFIED = "limits_certified"
"""Coordinate of what is measured: true where the limits are proved ones."""
LIMITS = "limits"
"""Attribute of what is measured: which limits it stands on."""


def ends(position: xr.DataArray, ds: xr.Dataset, among: Among) -> tuple[xr.DataArray, xr.DataArray | None]:
    """Return where tokens end, and which members' ends are proved; None where the dataset has no proofs.

    Parameters
    ----------
    position
        Of the dataset, absent members NaN.
    ds
        Perhaps with the variables of `lmdata.certify`, which are of all tokens of the run.
    among
        Proofs are for ``"run"`` alone.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(0.1), [[1.0], [0.5], [-1.0]], steps=2)
    >>> ends(ds.position, ds, "run")[0].values.ravel()
    array([ 1.   ,  0.875, -1.   ])
    >>> proved, certified = ends(ds.position, ds.merge(lmdata.certify(ds)), "run")
    >>> proved.values.ravel(), bool(certified.all())
    (array([ 0.96875,  0.96875, -1.     ]), True)
    """
    last = position.isel(time=-1, drop=True)
    if among != "run" or "certified" not in ds or "certified_limit" not in ds:
        return last, None
    certified = proved_members(ds).assign_attrs(long_name="the limits are proved ones")
    return ds["certified_limit"].where(certified, last).transpose(*last.dims), certified


def proved_members(ds: xr.Dataset) -> xr.DataArray:
    """Return which members are complete, and have limits that are proved."""
    certified = ds["certified"].astype(bool)
    return (certified & (ds["status"] == COMPLETE) if "status" in ds else certified).drop_attrs()


def marked(found: xr.Dataset, certified: xr.DataArray | None) -> xr.Dataset:
    """Return what was measured with the attribute that says which limits it stands on.

    Where some could be proved, the coordinate ``limits_certified`` says whose are.
    """
    if certified is None:
        return found.assign_attrs({LIMITS: "of the last stored frame"})
    told = {LIMITS: f"certified where {CERTIFIED}, else of the last stored frame"}
    return found.assign_coords({CERTIFIED: certified.reset_coords(drop=True)}).assign_attrs(told)
