"""Measures of a dataset: lazy, labelled, one file a measure."""

from lmdata.analysis.alignment import cosine_density, pair_alignment
from lmdata.analysis.attention import attention, attention_statistics
from lmdata.analysis.cells import dominance_cells
from lmdata.analysis.cluster_count import cluster_counts, metastability
from lmdata.analysis.convergence import convergence
from lmdata.analysis.energy import energy
from lmdata.analysis.equiangular import equiangular_alignment, equiangular_curve
from lmdata.analysis.hull import hull_decay, hull_volume, mean_width
from lmdata.analysis.interaction import interaction
from lmdata.analysis.leaders import leaders
from lmdata.analysis.lyapunov import lyapunov
from lmdata.analysis.occupancy import vertex_occupancy
from lmdata.analysis.planes import hyperplanes
from lmdata.analysis.polytope import limit_polytope
from lmdata.analysis.quiescent import quiescent_sets
from lmdata.analysis.spectrum import anisotropy, span_dimension
from lmdata.analysis.subspace import subspace_polytope
from lmdata.analysis.transport import transport_distance

__all__ = [
    "anisotropy",
    "attention",
    "attention_statistics",
    "cluster_counts",
    "convergence",
    "cosine_density",
    "dominance_cells",
    "energy",
    "equiangular_alignment",
    "equiangular_curve",
    "hull_decay",
    "hull_volume",
    "hyperplanes",
    "interaction",
    "leaders",
    "limit_polytope",
    "lyapunov",
    "mean_width",
    "metastability",
    "pair_alignment",
    "quiescent_sets",
    "span_dimension",
    "subspace_polytope",
    "transport_distance",
    "vertex_occupancy",
]
