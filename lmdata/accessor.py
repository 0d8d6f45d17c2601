"""``ds.lm``: measures as methods of a dataset, lmdata's own and others'; ``ds.atlas``: an atlas as step functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

import xarray

from lmdata import plugins
from lmdata.errors import UnknownName
from lmdata.markup import table
from lmdata.wording import counted

STEP_FUNCTIONS = ("at", "breakpoints", "distinct_limits", "mean", "trajectory")
"""The methods of ``ds.atlas``."""


@xarray.register_dataset_accessor("lm")
class MeasureAccessor:
    """The measures of a dataset as methods: ``ds.lm.hull_volume()`` is ``lmdata.hull_volume(ds)``.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> ds.lm.hull_volume().identical(lmdata.hull_volume(ds))
    True
    >>> import inspect
    >>> inspect.signature(ds.lm.mean_width).parameters["directions"].default
    512
    """

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"ds.lm has no attribute {name!r}")
        own = _measures()
        measure = own[name] if name in own else plugins.load("measures", name)
        if measure is None:
            raise AttributeError(str(UnknownName.among("measure", name, {*own, *plugins.offers("measures")})))
        return MethodType(measure, self._dataset)

    def __dir__(self) -> list[str]:
        return sorted(plugins.load_all("measures", _measures()))

    def __repr__(self) -> str:
        return f"measures of a dataset: {', '.join(dir(self))}"

    def _repr_html_(self) -> str:
        found = plugins.load_all("measures", _measures())
        rows = [(f"ds.lm.{name}()", _first_line(found[name])) for name in sorted(found)]
        return table(rows, title=counted(len(rows), "measure"))


@xarray.register_dataset_accessor("atlas")
class AtlasAccessor:
    """An atlas as step functions of the sensitivity; see `lmdata.sensitivity.functions`.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), [[1.0, 0.0], [0.5, 0.1], [-1.0, 0.0]])
    >>> int(ds.atlas.at(0.05).vertex_count[0])
    2
    """

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from lmdata.sensitivity import distinct, functions

        if name not in STEP_FUNCTIONS:
            raise AttributeError(str(UnknownName.among("method of ds.atlas", name, STEP_FUNCTIONS)))
        return MethodType(getattr(distinct if name == "distinct_limits" else functions, name), self._dataset)

    def __dir__(self) -> list[str]:
        return sorted(STEP_FUNCTIONS)


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _measures() -> dict[str, Callable[..., Any]]:
    """Return lmdata's own measures of a dataset: what declares variables among the functions of `lmdata.analysis`."""
    import lmdata.analysis

    found = {name: getattr(lmdata.analysis, name) for name in lmdata.analysis.__all__}
    return {name: function for name, function in found.items() if hasattr(function, "variables")}
