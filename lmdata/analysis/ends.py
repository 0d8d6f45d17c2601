"""Where the tokens of a record end: at limits that are proved, where the dataset has them, else in its last frame.

What has not come to rest there is said by what stands on it: in the coordinate ``tokens_moving``, which is lazy where
the dataset is, and in a warning where it is in memory. A lazy one is not computed for the sake of a warning, which
would read it twice, or be raised on a worker whose messages nobody sees: whoever computes it calls `warn_if_moving`.
"""

from __future__ import annotations

import warnings

import xarray as xr

from lmdata.analysis.parameters import Among
from lmdata.data.registry import COMPLETE
from lmdata.errors import UnsettledWarning
from lmdata.wording import counted

CERTIFIED = "limits_certified"
"""Coordinate of what is measured: true where the limits are proved ones."""
MOVING = "tokens_moving"
"""Coordinate of what is measured: how many tokens have not come to rest at the limits it stands on; -1 if absent."""
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


def marked(
    found: xr.Dataset, certified: xr.DataArray | None, moving: xr.DataArray | None = None, measure: str = ""
) -> xr.Dataset:
    """Return what was measured with the attribute that says which limits it stands on.

    Where some could be proved, the coordinate ``limits_certified`` says whose are. Where ``moving`` is given, it is
    the coordinate ``tokens_moving``.

    Warns
    -----
    UnsettledWarning
        As `warn_if_moving`, in the name of the ``measure``, if what was measured is in memory.
    """
    if moving is not None:
        found = found.assign_coords({MOVING: moving.reset_coords(drop=True)})
        if moving.chunks is None:
            warn_if_moving(found, measure, stacklevel=5)  # past marked, the measure, and what declares it
    if certified is None:
        return found.assign_attrs({LIMITS: "of the last stored frame"})
    told = {LIMITS: f"certified where {CERTIFIED}, else of the last stored frame"}
    return found.assign_coords({CERTIFIED: certified.reset_coords(drop=True)}).assign_attrs(told)


def warn_if_moving(found: xr.Dataset, what: str, *, stacklevel: int = 2) -> None:
    """Warn of members whose tokens still move at the limits that something measured stands on.

    Parameters
    ----------
    found
        What was measured; its coordinate ``tokens_moving`` is read. Without one there is nothing to warn of.
    what
        The measure, or the name of the result, in the message.
    stacklevel
        As of `warnings.warn`.

    Warns
    -----
    UnsettledWarning
        With the number of members and of tokens.

    Examples
    --------
    >>> import lmdata, warnings
    >>> ds = lmdata.simulate(lmdata.Localmax(), [[1.0], [0.5], [-1.0]], steps=2)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     found = lmdata.limit_polytope(ds)
    >>> print(str(caught[0].message).partition(":")[0], found.tokens_moving.values)
    limit_polytope [1]
    """
    if MOVING not in found.coords:
        return
    moving = found.coords[MOVING].compute()
    members = int((moving > 0).sum())
    if members:
        warnings.warn(
            f"{what}: {members} of {counted(int((moving >= 0).sum()), 'member')} had not come to rest at the last "
            f"stored frame, where {counted(int(moving.where(moving > 0, 0).sum()), 'token')} still moved: this is not "
            f"their limit yet. The coordinate {MOVING!r} says whose; simulate more steps, or prove the limits with "
            "lmdata.certify",
            UnsettledWarning,
            stacklevel=stacklevel,
        )
