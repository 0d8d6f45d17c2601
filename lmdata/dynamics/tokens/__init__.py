"""Token sources: where the tokens of a run start. Public as ``lmdata.tokens``."""

from lmdata.dynamics.tokens.source import (
    TokenSource,
    array,
    as_source,
    ball,
    configuration,
    normal,
    source_from_specification,
    sphere,
    text,
    uniform,
)

__all__ = [
    "TokenSource",
    "array",
    "as_source",
    "ball",
    "configuration",
    "normal",
    "source_from_specification",
    "sphere",
    "text",
    "uniform",
]
