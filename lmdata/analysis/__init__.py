"""Measures of a dataset: lazy, labelled, one file a measure."""

from lmdata.analysis.convergence import convergence
from lmdata.analysis.hull import hull_decay, hull_volume, mean_width
from lmdata.analysis.interaction import interaction
from lmdata.analysis.leaders import leaders
from lmdata.analysis.lyapunov import lyapunov
from lmdata.analysis.occupancy import vertex_occupancy
from lmdata.analysis.polytope import limit_polytope
from lmdata.analysis.quiescent import quiescent_sets

__all__ = [
    "convergence",
    "hull_decay",
    "hull_volume",
    "interaction",
    "leaders",
    "limit_polytope",
    "lyapunov",
    "mean_width",
    "quiescent_sets",
    "vertex_occupancy",
]
