"""The models, each in one file: localmax, and the wider family of weights x geometry x values x time stepping."""

from lmdata.dynamics.models.circle_density import CircleDensityFlow
from lmdata.dynamics.models.localmax import Localmax
from lmdata.dynamics.models.neighbourhoods import KrauseAttention, LocalmaxVariant
from lmdata.dynamics.models.noisy import Noisy
from lmdata.dynamics.models.self_attention import SelfAttention
from lmdata.dynamics.models.sinkformer import Sinkformer
from lmdata.dynamics.models.softmax import Softmax
from lmdata.dynamics.models.sphere_attention import SphereAttention
from lmdata.dynamics.models.sphere_gradient_flow import SphereGradientFlow

__all__ = [
    "CircleDensityFlow",
    "KrauseAttention",
    "Localmax",
    "LocalmaxVariant",
    "Noisy",
    "SelfAttention",
    "Sinkformer",
    "Softmax",
    "SphereAttention",
    "SphereGradientFlow",
]
