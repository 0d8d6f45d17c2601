"""Token sources: where the tokens of a run start. Public as ``lmdata.tokens``."""

from lmdata.dynamics.tokens.density import density
from lmdata.dynamics.tokens.directions import random_directions
from lmdata.dynamics.tokens.drawn import ball, normal, sphere, uniform
from lmdata.dynamics.tokens.equiangular import equiangular
from lmdata.dynamics.tokens.given import array, as_source
from lmdata.dynamics.tokens.published import configuration
from lmdata.dynamics.tokens.sentence import text
from lmdata.dynamics.tokens.source import TokenSource, register, source_from_specification
from lmdata.dynamics.tokens.spaced import spaced

__all__ = [
    "TokenSource",
    "array",
    "as_source",
    "ball",
    "configuration",
    "density",
    "equiangular",
    "normal",
    "random_directions",
    "register",
    "source_from_specification",
    "spaced",
    "sphere",
    "text",
    "uniform",
]
