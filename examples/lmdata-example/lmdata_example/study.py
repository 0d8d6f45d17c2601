"""A pipeline: how the tokens draw together."""

from __future__ import annotations

import xarray as xr

from lmdata import view
from lmdata.pipeline import Study, representative, selected
from lmdata_example.diameter import diameter


def text(found: xr.Dataset) -> str:
    """Say how far the tokens draw together."""
    first, last = (float(found["diameter"].isel(time=i).mean()) for i in (0, -1))
    return f"The diameter goes from {first:.3g} to {last:.3g} on average."


STUDY = Study(
    "diameter",
    measure=diameter,
    figures=lambda found: [view.trajectories(selected(found))],
    text=text,
    picture=lambda found: view.trajectories(representative(found), time=found["time"].values[-1]),
)
