"""``ds.lm``: the measures of lmdata as methods of a dataset; each is the function of the same name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import xarray

MEASURES = (
    "hull_volume",
    "hull_decay",
    "mean_width",
    "limit_polytope",
    "vertex_occupancy",
    "quiescent_sets",
    "interaction",
    "leaders",
    "convergence",
    "lyapunov",
)


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
        if name not in MEASURES:
            raise AttributeError(f"ds.lm has no measure {name!r}; it has {', '.join(MEASURES)}")
        import lmdata.analysis

        return functools.partial(getattr(lmdata.analysis, name), self._dataset)

    def __dir__(self) -> list[str]:
        return list(MEASURES)
