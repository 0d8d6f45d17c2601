"""Labelled datasets and analysis for attention dynamics.

Localmax dynamics (arXiv 2509.15958) and its kin: simulate, keep, name, reopen, measure and look at.

>>> import lmdata
>>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(16, 2), steps=10)
>>> volume = lmdata.hull_volume(ds)

Public names are imported when they are first used, so that ``import lmdata`` is quick; `_PUBLIC` says
which file holds a name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "simulate": "simulation",
    "resume": "simulation",
    "open": "library",
    "verify": "library",
    "catalog": "library",
    "Localmax": "dynamics.localmax",
    "hull_volume": "analysis",
    "hull_decay": "analysis",
    "mean_width": "analysis",
    "limit_polytope": "analysis",
    "vertex_occupancy": "analysis",
    "quiescent_sets": "analysis",
    "interaction": "analysis",
    "leaders": "analysis",
    "convergence": "analysis",
    "lyapunov": "analysis",
}
_MODULES = {
    "schedules": "dynamics.schedules",
    "tokens": "dynamics.tokens",
    "selection": "selection",
    "view": "view",
}

__all__ = ["__version__", *_PUBLIC, *_MODULES]

if TYPE_CHECKING:
    from lmdata.analysis import convergence as convergence
    from lmdata.analysis import hull_decay as hull_decay
    from lmdata.analysis import hull_volume as hull_volume
    from lmdata.analysis import interaction as interaction
    from lmdata.analysis import leaders as leaders
    from lmdata.analysis import limit_polytope as limit_polytope
    from lmdata.analysis import lyapunov as lyapunov
    from lmdata.analysis import mean_width as mean_width
    from lmdata.analysis import quiescent_sets as quiescent_sets
    from lmdata.analysis import vertex_occupancy as vertex_occupancy
    from lmdata.dynamics import schedules as schedules
    from lmdata.dynamics import tokens as tokens
    from lmdata.dynamics.localmax import Localmax as Localmax
    from lmdata.library import catalog as catalog
    from lmdata.library import open as open  # noqa: A004
    from lmdata.library import verify as verify
    from lmdata.simulation import resume as resume
    from lmdata.simulation import simulate as simulate


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"lmdata.{_MODULES[name]}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lmdata' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lmdata.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES})


try:
    import lmdata.accessor  # noqa: F401 - registers ds.lm
except ModuleNotFoundError as error:  # machines that only step tokens have no xarray
    if error.name != "xarray":
        raise
