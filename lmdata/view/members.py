"""Members of a dataset as figures use them: chosen by value, read when first shown, measured when first asked."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata import analysis
from lmdata.analysis.clusters import clusters
from lmdata.data.registry import COMPLETE, FAILED
from lmdata.errors import IncompleteDataset, InvalidInput, UnsettledWarning
from lmdata.outside.alone import alone
from lmdata.view import naming, theme
from lmdata.view.plane import Basis, Plane, plane
from lmdata.view.scene import Scene, Scenes
from lmdata.wording import counted

CORE = ("time", "token", "component")
AT_ONCE = 64 * 2**20
"""A dataset of up to so many bytes is read whole when a member is first shown: members share chunks."""

REACH = 1e-3
"""Tokens of a model without limit vertices are one cluster if they end closer than this part of the largest norm."""

KEPT = 256
"""Members (with their measures) that a view keeps in memory; the least recently shown goes first."""


def is_localmax(ds: xarray.Dataset) -> bool:
    """Return whether a dataset was made by localmax dynamics."""
    return bool(json.loads(ds.attrs.get("model", "{}")).get("kind") == "localmax")


@dataclass(frozen=True)
class Member:
    """One member, read when first needed, with its measures computed when they are first asked for.

    Parameters
    ----------
    dataset : Dataset
        Of one member: every dimension besides time, token and component has length one. Measures that it holds (a
        derived dataset merged with its source) are taken from it.
    """

    dataset: xarray.Dataset

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """Positions, dims (time, token, component)."""
        return np.asarray(self._squeezed(self._run["position"]).transpose(*CORE).values, dtype=np.float64)

    @cached_property
    def _run(self) -> xarray.Dataset:
        """The member in memory, for the measures."""
        return self.dataset.drop_vars([name for name in self.dataset if name not in ("position", "status")]).load()

    def _measure(self, measure: Callable[[xarray.Dataset], Any], *names: str) -> xarray.Dataset:
        """Return variables of a measure: those of the dataset if it has all of them, else computed."""
        if all(name in self.dataset for name in names):
            return self._squeezed(self.dataset[list(names)].compute())
        with warnings.catch_warnings():  # not of every member that a page draws: the coordinate says it of each
            warnings.simplefilter("ignore", UnsettledWarning)
            found = measure(self._run)
        return self._squeezed((found.to_dataset() if isinstance(found, xarray.DataArray) else found).compute())

    @cached_property
    def time(self) -> NDArray[Any]:
        """Times of the stored frames."""
        return np.asarray(self.dataset["time"].values)

    @property
    def time_unit(self) -> str:
        """Unit of the time coordinate: ``step``, or ``1`` for a model's own time."""
        return str(self.dataset["time"].attrs.get("units", "step"))

    @cached_property
    def names(self) -> NDArray[np.object_]:
        """Names of the tokens, safe to draw."""
        return np.array([naming.plain(label) for label in self.dataset["token"].values], dtype=object)

    def plane(self, basis: Basis = "initial") -> Plane:
        """Return the plane that the member is drawn in (d >= 2)."""
        return plane(self.position, basis=basis)

    def title(self, subject: str, *, time: float | None = None, without: Collection[str] = (), note: str = "") -> str:
        """Return the two lines above a figure: subject and dataset, then model, parameters, time and a note."""
        said = [naming.settings(self.dataset, without=without), note]
        if time is not None:
            said.insert(1, naming.time_of(time, self.time_unit))
        return f"{subject} · {naming.dataset_name(self.dataset)}\n{' · '.join(filter(None, said))}"

    def index(self, time: float) -> int:
        """Return the number of the stored frame at a time.

        Raises
        ------
        InvalidInput
            If there is no frame at that time.
        """
        found = np.flatnonzero(self.time == time)
        if not len(found):
            raise InvalidInput(
                f"time={time!r} is not stored; the record has {counted(len(self.time), 'time')} "
                f"from {self.time[0]} to {self.time[-1]}: choose one of ds['time'].values"
            )
        return int(found[0])

    @cached_property
    def polytope(self) -> xarray.Dataset:
        """Limit polytope: `lmdata.limit_polytope`."""
        return self._measure(analysis.limit_polytope, "token_vertex", "vertex_position")

    @cached_property
    def leaders(self) -> NDArray[np.bool_]:
        """Leaders, dims (time, token): `lmdata.leaders`; none for other models than localmax."""
        if not self.localmax:
            return np.zeros(self.position.shape[:2], dtype=bool)
        return np.asarray(self._measure(analysis.leaders, "leader")["leader"].transpose("time", "token").values)

    @cached_property
    def volume(self) -> NDArray[np.float64]:
        """Relative hull volume over time: `lmdata.hull_volume`."""
        return np.asarray(self._measure(analysis.hull_volume, "hull_volume")["hull_volume"].values)

    @cached_property
    def width(self) -> NDArray[np.float64]:
        """Mean width of the hull over time: `lmdata.mean_width`."""
        return np.asarray(self._measure(analysis.mean_width, "mean_width")["mean_width"].values)

    @cached_property
    def occupancy(self) -> NDArray[np.float64]:
        """Share of the tokens at each limit vertex, dims (vertex, time): `lmdata.vertex_occupancy`."""
        shares = self._measure(analysis.vertex_occupancy, "occupancy")["occupancy"].transpose("vertex", "time")
        return np.asarray(shares.values[: len(self.corners)])

    @cached_property
    def quiescent(self) -> xarray.Dataset:
        """Quiescent sets: `lmdata.quiescent_sets`."""
        return self._measure(analysis.quiescent_sets, "quiescent", "entry_time")

    @property
    def localmax(self) -> bool:
        """Whether the model is localmax, which has limit vertices and leaders."""
        return is_localmax(self.dataset)

    @cached_property
    def vertex(self) -> NDArray[np.int64]:
        """Limit vertex of each token, or -1."""
        return np.asarray(self.polytope["token_vertex"].values)

    @cached_property
    def ends(self) -> NDArray[np.object_]:
        """Where each token ends, in words: at a limit vertex, or in a cluster of the last frame."""
        if not self.localmax:
            return np.array([f"cluster {c}" for c in self._cluster], dtype=object)
        return np.array([f"vertex {v}" if v >= 0 else "no vertex" for v in self.vertex], dtype=object)

    @cached_property
    def _cluster(self) -> NDArray[np.int64]:
        """Cluster of each token in the last frame, for models without limit vertices."""
        last = np.ascontiguousarray(self.position[-1])
        return clusters(last, REACH * float(np.linalg.norm(last, axis=1).max()))

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """Limit vertices, dims (vertex, component)."""
        corners = self.polytope["vertex_position"].transpose("vertex", "component").values
        return np.asarray(corners[~np.isnan(corners).any(axis=1)])

    @property
    def marked(self) -> NDArray[np.float64]:
        """The limit vertices that have a colour of their own, dims (vertex, component)."""
        if not self.localmax:
            return np.empty((0, self.position.shape[2]))
        return self.corners[theme.slots(self.vertex_sizes) >= 0]

    @cached_property
    def vertex_sizes(self) -> NDArray[np.int64]:
        """Tokens at each limit vertex, by vertex id."""
        return np.bincount(self.vertex[self.vertex >= 0], minlength=len(self.corners))

    @cached_property
    def slot(self) -> NDArray[np.float64]:
        """Palette slot of each token: that of its limit vertex or cluster, or -1."""
        if not self.localmax:
            return theme.slots(np.bincount(self._cluster))[self._cluster].astype(np.float64)
        return self.slots_of(self.vertex)

    def slots_of(self, vertex: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the palette slots of vertex numbers; -1 stays -1.

        As floats: holoviews takes a column of equal integers for one colour that is not in the palette.
        """
        return np.append(theme.slots(self.vertex_sizes), -1)[vertex].astype(np.float64)

    def _squeezed[Data: (xarray.DataArray, xarray.Dataset)](self, data: Data) -> Data:
        chosen = [dim for dim in self.dataset["position"].dims if dim not in CORE and dim in data.dims]
        return data.squeeze(chosen, drop=True)


@dataclass(frozen=True)
class Members:
    """The members of a dataset, by the values of its swept parameters and seed.

    Parameters
    ----------
    dataset : Dataset
        With ``position`` over any swept parameters, ``seed``, time, token and component; it may be lazy: a member is
        read when it is first shown, and the last `KEPT` stay in memory.
    """

    dataset: xarray.Dataset
    choices: dict[str, list[Any]] = field(init=False)
    _load: Callable[[tuple[Hashable, ...]], Member] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        missing = {"position"} - set(self.dataset.variables) or set(CORE) - set(self.dataset["position"].dims)
        if missing:
            raise InvalidInput(
                f"ds lacks {', '.join(sorted(missing))}; a figure needs `position` over (..., {', '.join(CORE)}), "
                "as lmdata.open and lmdata.simulate return it"
            )
        dims = [str(dim) for dim in self.dataset["position"].dims if dim not in CORE]
        object.__setattr__(self, "choices", {dim: self.dataset[dim].values.tolist() for dim in dims})
        object.__setattr__(self, "_load", lru_cache(maxsize=KEPT)(self._read))

    def __call__(self, key: Mapping[str, Any]) -> Member:
        """Return the member with these values; dimensions of length one may be left out.

        Raises
        ------
        InvalidInput
            If a dimension is missing or a value is not in the dataset.
        IncompleteDataset
            If the member was never computed, or failed.
        """
        return self._load(tuple(self._value(dim, values, key) for dim, values in self.choices.items()))

    def complete(self, key: Mapping[str, Any]) -> bool:
        """Return whether the member with these values has been computed."""
        return self._status({dim: self._value(dim, values, key) for dim, values in self.choices.items()}) == COMPLETE

    def _value(self, dim: str, values: Sequence[Any], key: Mapping[str, Any]) -> Any:
        value = key.get(dim, values[0] if len(values) == 1 else None)
        if value not in values:
            raise InvalidInput(f"{dim}={value!r} is not in the dataset; it has {', '.join(map(repr, values))}")
        return value

    def _read(self, values: tuple[Hashable, ...]) -> Member:
        key = dict(zip(self.choices, values, strict=True))
        status = self._status(key)
        if status != COMPLETE:
            said = ", ".join(naming.setting(dim, value) for dim, value in key.items())
            state = "failed" if status == FAILED else "was not computed yet"
            raise IncompleteDataset(f"the member {said} {state}; run lmdata.resume on the store, or choose another")
        return Member(alone(self._source.sel({dim: [value] for dim, value in key.items()})))

    @cached_property
    def _source(self) -> xarray.Dataset:
        return self.dataset.compute() if self.dataset.nbytes <= AT_ONCE else self.dataset

    @property
    def varied(self) -> dict[str, list[Any]]:
        """Dimensions with more than one value."""
        return {dim: values for dim, values in self.choices.items() if len(values) > 1}

    def first(self) -> dict[str, Any]:
        """Return the values of the first complete member.

        Raises
        ------
        IncompleteDataset
            If there is none.
        """
        for values in itertools.product(*self.choices.values()):
            key = dict(zip(self.choices, values, strict=True))
            if self.complete(key):
                return key
        raise IncompleteDataset("no member of the dataset is complete; run lmdata.resume on its store")

    def _status(self, key: Mapping[str, Any]) -> int:
        if "status" not in self.dataset:
            return COMPLETE
        return int(self.dataset["status"].sel(key).values)

    def scenes(
        self,
        make: Callable[..., Scene],
        dress: Callable[[Any], Any],
        *,
        start: Mapping[str, Any] | None = None,
        **further: Sequence[Any],
    ) -> Scenes:
        """Return the scenes of a figure: a slider for each dimension with more than one value.

        Parameters
        ----------
        make : callable
            ``make(member, **values)`` for the dimensions of ``further``.
        dress : callable
            Gives the overlay its options.
        start : mapping, optional
            Values shown at first, besides those of the first complete member.
        **further : sequence
            Further dimensions, as ``time``, with their values.
        """
        fixed = {name: values[0] for name, values in further.items() if len(values) == 1}
        dims = self.varied | {name: values for name, values in further.items() if len(values) > 1}

        def at(**values: Any) -> Scene:
            return make(self(values), **fixed, **{name: values[name] for name in further if name in values})

        return Scenes(at, dims, dress, {**(self.first() if self.varied else {}), **(start or {})})
