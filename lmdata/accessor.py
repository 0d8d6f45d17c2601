"""``ds.lm``: the measures of lmdata as methods of a dataset; each is the function of the same name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import xarray

OF_NO_DATASET = ("equiangular_alignment", "equiangular_curve")
"""Functions of `lmdata.analysis` that take parameters alone."""


@xarray.register_dataset_accessor("lm")
class MeasureAccessor:
    """The measures of a dataset as methods: ``ds.lm.hull_volume()`` is ``lmdata.hull_volume(ds)``.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> ds.lm.hull_volume().identical(lmdata.hull_volume(ds))
    True
    """

    def __init__(self, dataset: xarray.Dataset) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or name not in dir(self):
            raise AttributeError(f"ds.lm has no measure {name!r}; it has {', '.join(dir(self))}")
        import lmdata.analysis

        return functools.partial(getattr(lmdata.analysis, name), self._dataset)

    def __dir__(self) -> list[str]:
        import lmdata.analysis

        return sorted(set(lmdata.analysis.__all__) - set(OF_NO_DATASET))
