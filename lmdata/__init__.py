"""Labelled datasets and analysis for attention dynamics.

Localmax dynamics (arXiv 2509.15958) and its kin: simulate, keep, name, reopen, measure and look at.

>>> import lmdata
>>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=10)
>>> volume = lmdata.hull_volume(ds)

Public names are imported when they are first used, so that ``import lmdata`` is quick; `_HOMES` says which file holds
a name, and all that the rooms of `_ROOMS` list is public too.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "runs.simulation": ("simulate",),
    "outside.adoption": ("adopt",),
    "outside.model": ("with_model",),
    "outside.trajectory": ("from_trajectory",),
    "models.outputs": ("from_transformers",),
    "sensitivity.atlas": ("atlas",),
    "sensitivity.functions": ("breakpoints",),
    "sensitivity.certifying": ("certify", "continue_to"),
    "library": ("open", "resume", "extend", "verify", "catalog"),
    "classification.corpus": ("reviews",),
    "upkeep": ("repair", "publish", "versions", "migrate", "gc"),
}
_PUBLIC = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("dynamics.models", "analysis")
_FORMER = {"KrauseAttention": "dynamics.models"}
"""Names that things had before, and where they are still known; every use is warned of."""
_MODULES = {
    "classification": "classification",
    "models": "models",
    "schedules": "dynamics.schedules",
    "tokens": "dynamics.tokens",
    "selection": "selection",
    "view": "view",
}

if TYPE_CHECKING:
    from lmdata import classification as classification
    from lmdata import models as models
    from lmdata import selection as selection
    from lmdata import view as view
    from lmdata.analysis import *  # noqa: F403
    from lmdata.classification.corpus import reviews as reviews
    from lmdata.dynamics import schedules as schedules
    from lmdata.dynamics import tokens as tokens
    from lmdata.dynamics.models import *  # noqa: F403
    from lmdata.library import catalog as catalog
    from lmdata.library import extend as extend
    from lmdata.library import open as open  # noqa: A004
    from lmdata.library import resume as resume
    from lmdata.library import verify as verify
    from lmdata.models.outputs import from_transformers as from_transformers
    from lmdata.outside.adoption import adopt as adopt
    from lmdata.outside.model import with_model as with_model
    from lmdata.outside.trajectory import from_trajectory as from_trajectory
    from lmdata.runs.simulation import simulate as simulate
    from lmdata.sensitivity.atlas import atlas as atlas
    from lmdata.sensitivity.certifying import certify as certify
    from lmdata.sensitivity.certifying import continue_to as continue_to
    from lmdata.sensitivity.functions import breakpoints as breakpoints
    from lmdata.upkeep import gc as gc
    from lmdata.upkeep import migrate as migrate
    from lmdata.upkeep import publish as publish
    from lmdata.upkeep import repair as repair
    from lmdata.upkeep import versions as versions


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lmdata.{_MODULES[name]}")
    if name in _FORMER:
        return getattr(_room(_FORMER[name]), name)
    if name in _PUBLIC:
        value = getattr(importlib.import_module(f"lmdata.{_PUBLIC[name]}"), name)
    elif name == "__all__":
        value = ["__version__", *_PUBLIC, *_MODULES, *_listed()]
    elif name.startswith("_") or importlib.util.find_spec(f"lmdata.{name}"):  # import asks here for a module first
        raise AttributeError(f"module 'lmdata' has no attribute {name!r}")
    else:
        for room in map(_room, _ROOMS):
            if name in room.__all__:
                value = getattr(room, name)
                break
        else:
            raise AttributeError(f"module 'lmdata' has no attribute {name!r}")
    globals()[name] = value
    return value


def _room(name: str) -> ModuleType:
    return importlib.import_module(f"lmdata.{name}")


def _listed() -> list[str]:
    return [name for room in _ROOMS for name in _room(room).__all__]


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES, *_listed()})


try:
    import lmdata.accessor  # noqa: F401 - registers ds.lm
except ModuleNotFoundError as error:  # machines that only step tokens have no xarray
    if error.name != "xarray":
        raise
