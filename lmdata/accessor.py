"""``ds.lm``: measures as methods of a dataset, lmdata's own and those of other packages; each is a function."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import xarray

from lmdata import plugins
from lmdata.errors import UnknownName


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


def _measures() -> dict[str, Callable[..., Any]]:
    """Return lmdata's own measures of a dataset: what declares variables among the functions of `lmdata.analysis`."""
    import lmdata.analysis

    found = {name: getattr(lmdata.analysis, name) for name in lmdata.analysis.__all__}
    return {name: function for name, function in found.items() if hasattr(function, "variables")}
