"""Arrays in, arrays out: models, schedules, token sources, and the kernels that step them."""

from lmdata.dynamics import models, schedules, tokens
from lmdata.dynamics.model import Frames, Model, model_from_specification
from lmdata.dynamics.models.localmax import Localmax

__all__ = ["Frames", "Localmax", "Model", "model_from_specification", "models", "schedules", "tokens"]
