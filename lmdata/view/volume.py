"""Decay of the hull: its relative volume over time, a line for each swept value."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.errors import InvalidInput
from lmdata.view import naming, theme
from lmdata.view.members import Member, Members
from lmdata.view.plane import padded
from lmdata.view.scene import Axis, Layer, Scene, Scenes
from lmdata.view.theme import Width
from lmdata.wording import counted

MOST_COMPONENTS = 7
"""Beyond this dimension of the tokens the mean width is drawn: no volume can be had (see `lmdata.hull_volume`)."""

LEAST = 1e-8
"""Sizes below this part of the first are off the scale."""

MOST_NAMED = 14
"""Lines that the legend names; of more, evenly chosen ones."""


def volume_decay(
    ds: xarray.Dataset,
    *,
    by: str | None = None,
    over_seeds: bool = False,
    width: Width | None = None,
    title: str | None = None,
) -> hv.Overlay | hv.DynamicMap:
    """Draw the hull volume relative to the first stored frame, on a logarithmic scale, one line a swept value.

    For tokens of more than seven components the mean width of the hull is drawn instead, as the axis says. Lines end
    where the hull loses a dimension and its volume is 0.

    Parameters
    ----------
    ds : Dataset
        Other swept parameters and the seed get sliders where they are not fixed. Lazy data is read member by member.
    by : str, optional
        The swept parameter that the lines stand for: by default ``alignment_sensitivity``, else the first.
    over_seeds : bool
        Draw the median over the seeds with a band between the quartiles, instead of a slider for the seed.
    width : {"column", "page"} or float, optional
        On paper; a number is in millimetres.
    title : str, optional
        Instead of the first line above the figure; an empty one takes both lines away.

    Returns
    -------
    Overlay or DynamicMap

    Raises
    ------
    InvalidInput
        If ``ds`` has no positions or ``by`` is none of its dimensions.
    IncompleteDataset
        If a member to be drawn is absent or failed.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> type(view.volume_decay(ds)).__name__
    'Overlay'
    """
    return scenes(Members(ds), by=by, over_seeds=over_seeds).figure(width=width, title=title, of=ds)


def scenes(members: Members, *, by: str | None = None, over_seeds: bool = False, marked: bool = False) -> Scenes:
    """Return the scenes of `volume_decay`; with ``marked``, ``by`` has a slider too, whose line stands out."""
    by = _by(members, by)
    values: list[Any] = members.choices.get(by, [None])
    seeds: list[Any] = members.choices.get("seed", [None])
    gathered = {by} if not over_seeds else {by, "seed"}
    dims = {name: v for name, v in members.varied.items() if name not in gathered or (marked and name == by)}

    def make(**key: Any) -> Scene:
        chosen = seeds if over_seeds else [key.get("seed", seeds[0])]
        asked = {value: [{**key, by: value, "seed": seed} for seed in chosen] for value in values}
        rows = {value: [members(each) for each in keys if members.complete(each)] for value, keys in asked.items()}
        shown = next((row[0] for row in rows.values() if row), None)
        if shown is None:
            shown = members(asked[values[0]][0])  # raises, and says what is missing
        sizes = {value: np.array([_relative(member) for member in row]) for value, row in rows.items() if row}
        missing = sum(len(asked[value]) - len(row) for value, row in rows.items())
        notes = [f"median and quartiles of {counted(len(seeds), 'seed')}"] if over_seeds else []
        notes += [f"{counted(missing, 'member')} missing"] if missing else []
        without = {by, "seed"} if over_seeds else {by}
        title = shown.title(_subject(shown), without=without, note=" · ".join(notes))
        return _scene(shown, by, values, sizes, marked=key.get(by), bands=over_seeds, title=title)

    return Scenes(make, dims, lambda figure: _dress(figure, len(values)))


def _by(members: Members, by: str | None) -> str:
    swept = [name for name in members.choices if name != "seed"]
    if by is None:
        return "alignment_sensitivity" if "alignment_sensitivity" in swept or not swept else swept[0]
    if by not in swept:
        raise InvalidInput(f"by={by!r} is not swept in this dataset; choose one of {', '.join(swept) or '(nothing)'}")
    return by


def _relative(member: Member) -> NDArray[np.float64]:
    if member.dataset.sizes["component"] <= MOST_COMPONENTS:
        return member.volume
    width = member.width
    return width / width[0] if width[0] > 0 else width


def _subject(member: Member) -> str:
    return "Mean width of the hull" if member.dataset.sizes["component"] > MOST_COMPONENTS else "Volume of the hull"


def _scene(
    member: Member,
    by: str,
    values: list[Any],
    sizes: dict[Any, NDArray[np.float64]],
    *,
    marked: Any,
    bands: bool,
    title: str,
) -> Scene:
    at = member.time.astype(np.float64)
    nothing = np.full(len(at), np.nan)
    lines = {value: np.median(each, axis=0) for value, each in sizes.items()}
    low = max(LEAST, min((float(line[line > 0].min()) for line in lines.values() if (line > 0).any()), default=LEAST))
    layers = []
    if bands:
        quartiles = [np.quantile(each, (0.25, 0.75), axis=0).clip(low / 2) for each in sizes.values()]
        around = [np.concatenate([lower, upper[::-1]]) for lower, upper in quartiles]
        shades = np.array([values.index(value) for value in sizes], dtype=np.float64)
        columns = {"x": [np.concatenate([at, at[::-1]])] * len(around), "y": around, "fill_color": shades}
        layers.append(Layer("Polygons", "Band", columns))
    named = -(-len(values) // MOST_NAMED)
    for k, value in enumerate(values):
        label = naming.setting(by, value) if value is not None and k % named == 0 else ""
        layers.append(Layer("Curve", f"By{k}", {"x": at, "y": _positive(lines.get(value, nothing))}, label=label))
    chosen = lines.get(marked, nothing) if marked is not None else nothing
    layers.append(Layer("Curve", "Chosen", {"x": at, "y": _positive(chosen)}))
    return Scene(
        title,
        Axis(naming.time_label(member.time_unit), padded(at[0], at[-1], 0.02)),
        Axis(f"relative to t = {at[0]:g} (dimensionless)", (min(low, 0.1) * 0.8, 1.25)),
        tuple(layers),
    )


def _positive(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the line with gaps where it is 0: the logarithm has no place for it."""
    return np.where(line > 0, line, np.nan)


def _dress(figure: hv.Overlay, count: int) -> hv.Overlay:
    colours = theme.ordered(count)
    shades = {"cmap": colours, "clim": (-0.5, count - 0.5)}
    options = [
        theme.style("Polygons", "Band", fill_color="fill_color", fill_alpha=0.15, line_color=None, **shades),
        theme.style("Curve", "Chosen", color=theme.INK, line_width=4, line_dash="dotted"),
    ]
    for k, colour in enumerate(colours):
        options.append(theme.style("Curve", f"By{k}", color=colour, line_width=2.2))
    return theme.dress(figure, *options, size=(390, 300), logy=True, show_legend=count > 1, legend_position="right")
