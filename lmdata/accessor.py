"""``ds.lm``: the measures of lmdata as methods of a dataset; each is the function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import xarray


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
        if name.startswith("_") or name not in (measures := _measures()):
            raise AttributeError(f"ds.lm has no measure {name!r}; it has {', '.join(dir(self))}")
        return MethodType(measures[name], self._dataset)

    def __dir__(self) -> list[str]:
        return sorted(_measures())


def _measures() -> dict[str, Callable[..., Any]]:
    """Return the measures of a dataset by name: what declares variables among the functions of `lmdata.analysis`."""
    import lmdata.analysis

    found = {name: getattr(lmdata.analysis, name) for name in lmdata.analysis.__all__}
    return {name: function for name, function in found.items() if hasattr(function, "variables")}
