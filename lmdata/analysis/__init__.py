"""Measures of a dataset: lazy, labelled, one file a measure.

The lines below are the only list of them: type checkers and editors read it, and all else follows from it.
"""

from types import FunctionType

from lmdata.analysis.alignment import cosine_density as cosine_density
from lmdata.analysis.alignment import pair_alignment as pair_alignment
from lmdata.analysis.asymmetry import asymmetry as asymmetry
from lmdata.analysis.attention import attention as attention
from lmdata.analysis.attention import attention_statistics as attention_statistics
from lmdata.analysis.cells import dominance_cells as dominance_cells
from lmdata.analysis.cluster_count import cluster_counts as cluster_counts
from lmdata.analysis.cluster_count import metastability as metastability
from lmdata.analysis.cluster_events import cluster_events as cluster_events
from lmdata.analysis.cone import cone_margin as cone_margin
from lmdata.analysis.convergence import convergence as convergence
from lmdata.analysis.effective_time import effective_time as effective_time
from lmdata.analysis.energy import energy as energy
from lmdata.analysis.energy_distance import energy_distance as energy_distance
from lmdata.analysis.energy_slope import energy_slope as energy_slope
from lmdata.analysis.equiangular import equiangular_alignment as equiangular_alignment
from lmdata.analysis.equiangular import equiangular_curve as equiangular_curve
from lmdata.analysis.gaussian import gaussian_closure as gaussian_closure
from lmdata.analysis.hull import hull_decay as hull_decay
from lmdata.analysis.hull import hull_volume as hull_volume
from lmdata.analysis.hull import mean_width as mean_width
from lmdata.analysis.interaction import interaction as interaction
from lmdata.analysis.kernel_modes import kernel_modes as kernel_modes
from lmdata.analysis.leaders import leaders as leaders
from lmdata.analysis.limit_weights import limit_weights as limit_weights
from lmdata.analysis.long_context import layer_alignment as layer_alignment
from lmdata.analysis.lyapunov import lyapunov as lyapunov
from lmdata.analysis.occupancy import vertex_occupancy as vertex_occupancy
from lmdata.analysis.order_parameter import order_parameter as order_parameter
from lmdata.analysis.parking import parking_centres as parking_centres
from lmdata.analysis.planes import hyperplanes as hyperplanes
from lmdata.analysis.polytope import limit_polytope as limit_polytope
from lmdata.analysis.quiescent import quiescent_sets as quiescent_sets
from lmdata.analysis.rank import token_rank as token_rank
from lmdata.analysis.rescaled_time import merging_time as merging_time
from lmdata.analysis.rescaled_time import rescaled_time as rescaled_time
from lmdata.analysis.retrieval import retrieval_limit as retrieval_limit
from lmdata.analysis.retrieval import retrieval_profile as retrieval_profile
from lmdata.analysis.retrieval import retrieval_theory as retrieval_theory
from lmdata.analysis.retrieval import retrieval_turn as retrieval_turn
from lmdata.analysis.rollout import influence as influence
from lmdata.analysis.rollout import rollout as rollout
from lmdata.analysis.second_variation import second_variation as second_variation
from lmdata.analysis.spectrum import anisotropy as anisotropy
from lmdata.analysis.spectrum import isotropy as isotropy
from lmdata.analysis.spectrum import span_dimension as span_dimension
from lmdata.analysis.subspace import subspace_polytope as subspace_polytope
from lmdata.analysis.transport import transport_distance as transport_distance
from lmdata.analysis.two_tokens import antipodal_probability as antipodal_probability
from lmdata.analysis.uniform_modes import critical_strength as critical_strength
from lmdata.analysis.uniform_modes import predicted_clusters as predicted_clusters
from lmdata.analysis.uniform_modes import tricritical_temperature as tricritical_temperature
from lmdata.analysis.uniform_modes import uniform_growth as uniform_growth
from lmdata.analysis.uniformity import uniformity as uniformity

__all__ = sorted(name for name, value in globals().items() if isinstance(value, FunctionType))
