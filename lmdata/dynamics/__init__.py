"""Arrays in, arrays out: models, schedules, token sources, and the kernels that step them."""

from lmdata.dynamics import family, schedules, tokens
from lmdata.dynamics.localmax import Localmax
from lmdata.dynamics.model import Frames, Model, model_from_specification

__all__ = ["Frames", "Localmax", "Model", "family", "model_from_specification", "schedules", "tokens"]
