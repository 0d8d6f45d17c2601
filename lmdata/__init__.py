"""Labelled datasets and analysis for attention dynamics.

Localmax dynamics (arXiv 2509.15958) and its kin: simulate, keep, name, reopen, measure and look at.

>>> import lmdata
>>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=10)
>>> volume = lmdata.hull_volume(ds)

Public names are imported when they are first used, so that ``import lmdata`` is quick; `_HOMES` says which file holds
a name, but for the measures, which `lmdata.analysis` lists.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "runs.simulation": ("simulate",),
    "sensitivity.atlas": ("atlas",),
    "sensitivity.functions": ("breakpoints",),
    "sensitivity.certifying": ("certify", "continue_to"),
    "library": ("open", "resume", "verify", "catalog"),
    "dynamics.models": (
        *("CircleDensityFlow", "KrauseAttention", "Localmax", "LocalmaxVariant", "Noisy", "SelfAttention"),
        *("Sinkformer", "Softmax", "SphereAttention", "SphereGradientFlow"),
    ),
}
_PUBLIC = {name: home for home, names in _HOMES.items() for name in names}
_MODULES = {
    "schedules": "dynamics.schedules",
    "tokens": "dynamics.tokens",
    "selection": "selection",
    "view": "view",
}

if TYPE_CHECKING:
    from lmdata import selection as selection
    from lmdata import view as view
    from lmdata.analysis import *  # noqa: F403
    from lmdata.dynamics import schedules as schedules
    from lmdata.dynamics import tokens as tokens
    from lmdata.dynamics.models import *  # noqa: F403
    from lmdata.library import catalog as catalog
    from lmdata.library import open as open  # noqa: A004
    from lmdata.library import resume as resume
    from lmdata.library import verify as verify
    from lmdata.runs.simulation import simulate as simulate
    from lmdata.sensitivity.atlas import atlas as atlas
    from lmdata.sensitivity.certifying import certify as certify
    from lmdata.sensitivity.certifying import continue_to as continue_to
    from lmdata.sensitivity.functions import breakpoints as breakpoints


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lmdata.{_MODULES[name]}")
    if name in _PUBLIC:
        value = getattr(importlib.import_module(f"lmdata.{_PUBLIC[name]}"), name)
    elif name == "__all__":
        value = ["__version__", *_PUBLIC, *_MODULES, *_measures()]
    elif _may_be_a_measure(name) and name in (measures := _measures()):
        value = measures[name]
    else:
        raise AttributeError(f"module 'lmdata' has no attribute {name!r}")
    globals()[name] = value
    return value


def _may_be_a_measure(name: str) -> bool:
    """Whether the measures are to be imported for a name: not for a module, which import looks for here first."""
    return not name.startswith("_") and importlib.util.find_spec(f"lmdata.{name}") is None


def _measures() -> dict[str, Any]:
    analysis = importlib.import_module("lmdata.analysis")
    return {name: getattr(analysis, name) for name in analysis.__all__}


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES, *_measures()})


try:
    import lmdata.accessor  # noqa: F401 - registers ds.lm
except ModuleNotFoundError as error:  # machines that only step tokens have no xarray
    if error.name != "xarray":
        raise
