"""The sensitivity axis of an atlas on a page: a click on a band shows the trajectory there, computed in the browser."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
import xarray

from lmdata.dynamics.limits.shapes import shape_of
from lmdata.dynamics.model import model_from_specification
from lmdata.errors import InvalidInput, UnknownName
from lmdata.sensitivity.functions import check_atlas, slices
from lmdata.view import naming
from lmdata.view.atlas import MOST_ROWS, Scale, band_scene, dress_bands, dress_limits, limit_scene, mark, stretched
from lmdata.view.intervals import MOST_FRAMES, Intervals, next_steps
from lmdata.view.scene import Live, Scenes
from lmdata.view.trajectories import dress as dress_path
from lmdata.view.trajectories import scene as path_scene
from lmdata.wording import counted

MOST_INTERVALS = 200_000
"""Intervals that a page holds."""
FIRST_LABEL = 0x100
"""Of the letters that stand for the numbers of limits, in a page."""


@dataclass(frozen=True)
class Explorer:
    """Figures of an atlas that are linked on a page; made by `sensitivity_explorer`.

    Parameters
    ----------
    roots : dict
        The Bokeh figures by name: ``path``, and ``bands`` and ``limits`` with their scale.
    data : dict
        What the page's program needs, as plain JSON values; floats are exact.
    bands : Overlay
        The bands alone, for paper.
    """

    roots: dict[str, Any]
    data: dict[str, Any]
    bands: hv.Overlay = field(repr=False)


def sensitivity_explorer(
    ds: xarray.Dataset, *, of: str = "vertex_count", seeds: Iterable[int] | None = None
) -> Explorer:
    """Return the axis of an atlas to explore on a page: bands, limits along the axis, and trajectories, linked.

    A click on a band, or on the limits, goes to the interval there. Its trajectory, and the limits, are computed in
    the browser: the canonical step needs nothing but doubles, which its numbers are, so that it is the same to the
    bit. Buttons go to the next interval and the next band, a box to any sensitivity.

    Parameters
    ----------
    ds : Dataset
        An atlas, perhaps lazy.
    of : str
        What colours the bands, as for `sensitivity_bands`.
    seeds : iterable of int, optional
        Its starts that are shown, all by default.

    Returns
    -------
    Explorer
        To be given to `Section` as its figure.

    Raises
    ------
    InvalidInput, UnknownName
        If ``ds`` is no atlas, or has more starts or intervals than a page holds.

    Examples
    --------
    >>> import tempfile, lmdata
    >>> from lmdata import view
    >>> ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=(0, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = view.write_page(folder + "/axis.html", "Axis", [view.Section("All", view.sensitivity_explorer(ds))])
    ...     page.stat().st_size > 100_000
    True
    """
    check_atlas(ds, "sensitivity_explorer")
    shown = Intervals(_chosen(ds, seeds))
    atlas = shown.bands
    if atlas.sizes["seed"] > MOST_ROWS or atlas.sizes["interval"] > MOST_INTERVALS:
        raise InvalidInput(
            f"the atlas has {counted(atlas.sizes['seed'], 'start')} and {atlas.sizes['interval']:,} intervals; a "
            f"page holds {MOST_ROWS} and {MOST_INTERVALS:,}: choose some with seeds=[...]"
        )
    if of not in shown.numbers:
        raise UnknownName.among("whole number of an atlas", of, shown.numbers)
    seed = shown.seeds[0]
    number = shown.first(seed)
    begins = atlas["sensitivity_from"].values
    scales: tuple[Scale, ...] = ("log", "linear") if begins.max() > 0.0 else ("linear",)
    own = shown.start(seed)
    member = shown.member(seed, number)
    scene = path_scene(member, member.time[-1])
    path = _still(scene, dress_path)
    path.root.title.text = "Trajectory"
    lives = {}
    for scale in scales:
        bands = band_scene(atlas, of=of, scale=scale)
        lives[f"bands {scale}"] = _still(bands, partial(dress_bands, ds=atlas, of=of, scale=scale))
    lives["path"] = path
    for scale in scales if "cluster" in own else ():
        live = _still(limit_scene(own, component=0, scale=scale), partial(dress_limits, scale=scale))
        for source in live.sources:
            source.data = {name: [] for name in source.data}  # the page computes them
        lives[f"limits {scale}"] = live
    for live in lives.values():
        stretched(live)
    figures = {
        name: {
            "id": live.root.id,
            "sources": [source.id for source in live.sources],
            "mark": mark(live).id,
            "title": _parameters(live),
        }
        for name, live in lives.items()
        if name != "path"
    }
    return Explorer(
        {name: live.root for name, live in lives.items()},
        {
            "figures": figures,
            "path": {
                "id": path.root.id,
                "title": _parameters(path),
                "sources": {layer.group: source.id for layer, source in zip(scene.layers, path.sources, strict=True)},
            },
            "scales": list(scales),
            "of": of,
            "seed": 0,
            "interval": number,
            **_model(shown),
            "starts": [_start(shown, seed, of) for seed in shown.seeds],
        },
        dress_bands(band_scene(atlas, of=of, scale=scales[0]).draw(), atlas, of, scales[0]),
    )


def _chosen(ds: xarray.Dataset, seeds: Iterable[int] | None) -> xarray.Dataset:
    """Return the atlas of some of its starts."""
    if seeds is None:
        return ds
    own: list[int] = ds["seed"].values.tolist()
    wanted = list(seeds)
    for seed in wanted:
        if seed not in own:
            raise UnknownName.among("seed", str(seed), map(str, own))
    if not wanted:
        raise InvalidInput("seeds is empty; name at least one start of the atlas, or leave it out for all")
    rows = [number for number, seed in enumerate(own) if seed in wanted]
    places = slices(ds)
    return ds.isel(seed=rows, interval=np.concatenate([np.r_[places[number]] for number in rows]))


def _still(scene: Any, dress: Any) -> Live:
    return Live(Scenes(lambda **_: scene, {}, dress))


def _parameters(live: Live) -> str:
    """Return the id of the second line of a figure's title."""
    found: str = live.root.select_one({"name": "parameters"}).id
    return found


def _model(shown: Intervals) -> dict[str, Any]:
    """Return the model, and delta(t) / delta0 at every step that a trajectory may take."""
    attrs = shown.dataset.attrs
    model: Any = model_from_specification(json.loads(attrs["model"]))
    record = int(attrs["steps"])
    after = next_steps(model.influence)
    most = record if record >= 0 else int(shown.bands["steps_done"].max()) + after
    shape = shape_of(model, most).values
    return {
        "influence": model.influence,
        "matrix": None if model.matrix is None else model.matrix.tolist(),
        "shape": [1.0] if (shape == shape[0]).all() and shape[0] == 1.0 else shape.tolist(),
        "record": record,
        "after": after,
        "frames": MOST_FRAMES,
        "names": [naming.plain(label) for label in shown.dataset["token"].values.tolist()],
        "components": shown.dataset.sizes["component"],
    }


def _start(shown: Intervals, seed: int, of: str) -> dict[str, Any]:
    """Return a start as a page needs it: its tokens and its intervals."""
    one = shown.start(seed)
    tokens = one["initial_position"].values[0]
    member = shown.member(seed, 0)
    found: dict[str, Any] = {
        "seed": seed,
        "tokens": tokens.ravel().tolist(),
        "begin": one["sensitivity_from"].values.tolist(),
        "end": float(one["sensitivity_to"][-1]) if math.isfinite(one["sensitivity_to"][-1]) else None,
        "steps": one["steps_done"].values.tolist(),
        "value": one[of].values.tolist(),
        "known": np.isin(one["outcome"].values, (1, 2, 4)).astype(int).tolist(),
        "plane": None if tokens.shape[1] == 1 else member.plane().matrix.T.tolist(),
    }
    if "cluster" in one:
        proved, labels = one["certified"].values, one["cluster"].values
        kinds: dict[str, int] = {}
        words = [
            "".join(chr(FIRST_LABEL + c) for c in row) if ok else "" for row, ok in zip(labels, proved, strict=True)
        ]
        found["cluster"] = [kinds.setdefault(word, len(kinds)) for word in words]
        found["clusters"] = list(kinds)
        found["vertices"] = one["vertex_count"].values.tolist()
        found["others"] = one["s2_size"].values.tolist()
    return found
