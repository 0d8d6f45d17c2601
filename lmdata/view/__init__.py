"""Views of a dataset: holoviews figures, a dashboard, and pages that work offline from disk."""

from lmdata.errors import ExtraMissing

if _missing := ExtraMissing.of(
    "view", "lmdata.view", ("holoviews", "bokeh", "matplotlib", "panel", "panel_material_ui")
):
    raise _missing

from lmdata.view.atlas import limits_along, sensitivity_bands
from lmdata.view.curves import curves
from lmdata.view.dashboard import dashboard
from lmdata.view.explorer import sensitivity_explorer
from lmdata.view.notebook import register
from lmdata.view.occupancy import occupancy
from lmdata.view.page import Section, write_page
from lmdata.view.playground import playground
from lmdata.view.quiescent import quiescent_raster
from lmdata.view.shares import sensitivity_shares
from lmdata.view.static import save
from lmdata.view.trajectories import trajectories
from lmdata.view.volume import volume_decay
from lmdata.view.words import words

__all__ = [
    "Section",
    "curves",
    "dashboard",
    "limits_along",
    "occupancy",
    "playground",
    "quiescent_raster",
    "save",
    "sensitivity_bands",
    "sensitivity_explorer",
    "sensitivity_shares",
    "trajectories",
    "volume_decay",
    "words",
    "write_page",
]

register()
