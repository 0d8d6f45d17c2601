"""The model under which states that came from elsewhere are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from lmdata.data import registry
from lmdata.data.digest import canonical_json
from lmdata.data.identity import model_ids
from lmdata.dynamics.model import Model
from lmdata.errors import InvalidInput


def with_model(ds: xr.Dataset, model: Model) -> xr.Dataset:
    """Return states that came from elsewhere as those of a model, for measures that ask how tokens attend.

    So localmax leaders of a transformer's hidden states are those that localmax would have in these very states. No
    claim is made that the model leads from a frame to the next. Components stay as they are: the model's matrices are
    in their basis.

    Parameters
    ----------
    ds
        Of `lmdata.from_trajectory` or `lmdata.adopt`, or a part of it.
    model
        Any model of lmdata, such as ``lmdata.Localmax(0.1)``.

    Returns
    -------
    xarray.Dataset
        The same with the attribute ``model`` and the coordinate ``model_id``; lazy where ``ds`` is.

    Raises
    ------
    InvalidInput
        If ``model`` is none, or the dataset has one already.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.from_trajectory([[[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]]])
    >>> lmdata.leaders(lmdata.with_model(ds, lmdata.Localmax())).values
    array([[[ True, False,  True]]])
    """
    if not isinstance(ds, xr.Dataset) or "position" not in ds or ds.attrs.get("lmdata_schema") != registry.SCHEMA:
        raise InvalidInput(f"ds is {type(ds).__name__}; with_model takes a dataset of lmdata, with positions")
    if not isinstance(model, Model):
        raise InvalidInput(f"model is {model!r:.80}; give a model, such as lmdata.Localmax(0.1)")
    if "model" in ds.attrs:
        raise InvalidInput("the dataset has the model that made it; with_model is for states that came from elsewhere")
    specification: dict[str, Any] = model.specification()
    members = [dim for dim in ds["position"].dims if dim not in ("time", "token", "component")]
    ids = np.broadcast_to(model_ids(specification, {}), [ds.sizes[dim] for dim in members])
    attributes = registry.variable("model_id").attributes()
    return ds.assign_coords(model_id=(members, ids, attributes)).assign_attrs(model=canonical_json(specification))
