"""The wider family of attention dynamics: weights x geometry x values x time stepping, each model in one file."""

from lmdata.dynamics.family.circle_density import CircleDensityFlow
from lmdata.dynamics.family.neighbourhoods import KrauseAttention, LocalmaxVariant
from lmdata.dynamics.family.noisy import Noisy
from lmdata.dynamics.family.self_attention import SelfAttention
from lmdata.dynamics.family.sinkformer import Sinkformer
from lmdata.dynamics.family.softmax import Softmax
from lmdata.dynamics.family.sphere_attention import SphereAttention
from lmdata.dynamics.family.sphere_gradient_flow import SphereGradientFlow

__all__ = [
    "CircleDensityFlow",
    "KrauseAttention",
    "LocalmaxVariant",
    "Noisy",
    "SelfAttention",
    "Sinkformer",
    "Softmax",
    "SphereAttention",
    "SphereGradientFlow",
]
