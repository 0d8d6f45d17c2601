"""The models, each in one file: localmax, and the wider family of weights x geometry x values x time stepping.

The lines below are the only list of them: type checkers and editors read it, and all else follows from it.
"""

from lmdata.dynamics.models.circle_density import CircleDensityFlow as CircleDensityFlow
from lmdata.dynamics.models.feed_forward import FeedForwardAttention as FeedForwardAttention
from lmdata.dynamics.models.feed_forward_localmax import FeedForwardLocalmax as FeedForwardLocalmax
from lmdata.dynamics.models.krause_transformer import KrauseTransformer as KrauseTransformer
from lmdata.dynamics.models.localmax import Localmax as Localmax
from lmdata.dynamics.models.multi_head import MultiHeadAttention as MultiHeadAttention
from lmdata.dynamics.models.neighbourhoods import BoundedConfidence as BoundedConfidence
from lmdata.dynamics.models.neighbourhoods import LocalmaxVariant as LocalmaxVariant
from lmdata.dynamics.models.noisy import Noisy as Noisy
from lmdata.dynamics.models.normalised_attention import NormalisedAttention as NormalisedAttention
from lmdata.dynamics.models.positional import PositionalAttention as PositionalAttention
from lmdata.dynamics.models.pure_attention import PureAttention as PureAttention
from lmdata.dynamics.models.self_attention import SelfAttention as SelfAttention
from lmdata.dynamics.models.sinkformer import Sinkformer as Sinkformer
from lmdata.dynamics.models.softmax import Softmax as Softmax
from lmdata.dynamics.models.sphere_attention import SphereAttention as SphereAttention
from lmdata.dynamics.models.sphere_density import SphereDensityFlow as SphereDensityFlow
from lmdata.dynamics.models.sphere_gradient_flow import SphereGradientFlow as SphereGradientFlow

__all__ = sorted(name for name, value in globals().items() if isinstance(value, type))


def __getattr__(name: str) -> type:
    """Return a model under the name that it had before, with a warning."""
    if name != "KrauseAttention":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import warnings
    from pathlib import Path

    from lmdata.dynamics.models.neighbourhoods import KrauseAttention

    warnings.warn(
        "KrauseAttention is now BoundedConfidence, since a published model has its name; recipes and stores of kind "
        "'krause' stay as they are",
        DeprecationWarning,
        skip_file_prefixes=(str(Path(__file__).parents[2]),),
    )
    return KrauseAttention
