"""The dashboard of atlases: the axis as bands, limits along it, and the trajectory of the interval pointed at."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import Tap
from bokeh.models import CustomJS

from lmdata.data.identity import names_of
from lmdata.markup import escaped
from lmdata.view import naming, theme
from lmdata.view.atlas import (
    MOST_ROWS,
    SUBJECTS,
    Scale,
    band_scene,
    dress_bands,
    dress_limits,
    limit_scene,
    mark,
    stretched,
    subject,
    window,
)
from lmdata.view.intervals import Intervals
from lmdata.view.scene import Live, Scenes
from lmdata.view.trajectories import dress as dress_path
from lmdata.view.trajectories import scene as path_scene

SCALES: tuple[Scale, ...] = ("log", "linear")
HALF = 0.5
"""Of the height of a row, for the mark of the interval that is shown."""
GRID = """
:host { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); }
:host > * { min-width: 0 }
"""
"""Two columns where there is room, else one."""
WIDEST = 520
"""Of the trajectory's frame, in pixels."""


def atlas_page(intervals: Intervals) -> pmui.Page:
    """Return a page of linked figures: bands, limits along the axis, and the trajectory of one interval.

    A click on a band, or on the limits, goes to the interval there: its trajectory is simulated at
    ``sensitivity_from``.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), seeds=(0, 1))
    >>> [widget.label for widget in atlas_page(Intervals(ds)).sidebar[0] if hasattr(widget, "options")][:3]
    ['seed', 'scale', 'bands by']
    """
    return _Board(intervals).page


class _Board:
    """Widgets, figures and what links them, for one visitor."""

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals
        self.seed = intervals.seeds[0]
        self.number = intervals.first(self.seed)
        self.of, self.scale, self.component = intervals.numbers[0], SCALES[0], 0
        self.told = pn.pane.HTML(styles={"font-size": "14px", "margin": "4px 12px", "flex": "1 1 300px"})
        self.bands = {scale: self._bands(scale) for scale in self._scales()}
        self.limits = {scale: self._limits(scale) for scale in self._scales()} if self._has_limits() else {}
        self.marks = {live.root: mark(live) for live in (*self.bands.values(), *self.limits.values())}
        self.path = Live(Scenes(self._path, {"time": self._times()}, dress_path, {"time": self._times()[-1]}))
        _square(stretched(self.path))
        _close_on_telephones(self.path)
        self.widgets = self._widgets()
        self.page = pmui.Page(
            title=naming.dataset_name(intervals.dataset),
            sidebar=[pmui.Column(*self.widgets.values(), self._about(), sizing_mode="stretch_width")],
            main=[pn.FlexBox(self.told, self.beside, flex_wrap="wrap", align_items="center"), self._figures()],
            theme_toggle=False,
            theme_config={"palette": {"primary": {"main": theme.SLOTS[0]}}},
            sidebar_width=280,
        )
        self._say()

    # figures

    def _scales(self) -> tuple[Scale, ...]:
        """Return the scales that this axis can have: none is logarithmic that ends at 0."""
        begins = self.intervals.bands["sensitivity_from"].values
        return SCALES if begins.max() > 0.0 else ("linear",)

    def _has_limits(self) -> bool:
        return "cluster" in self.intervals.start(self.seed)

    def _rows(self) -> Any:
        """Return the atlas of as many starts as have room, the one that is shown among them."""
        seeds = self.intervals.seeds
        first = seeds.index(self.seed) // MOST_ROWS * MOST_ROWS
        ds = self.intervals.bands
        if len(seeds) <= MOST_ROWS:
            return ds
        shown = seeds[first : first + MOST_ROWS]
        return ds.isel(
            seed=slice(first, first + MOST_ROWS), interval=np.flatnonzero(np.isin(ds["interval_seed"].values, shown))
        )

    def _bands(self, scale: Scale) -> Live:
        rows = self._rows()
        scenes = Scenes(
            lambda **_: band_scene(self._rows(), of=self.of, scale=scale), {},
            partial(dress_bands, ds=rows, of=self.of, scale=scale),
        )  # fmt: skip
        live = Live(scenes)
        live.root.on_event(Tap, self._tapped_band)
        return stretched(live)

    def _limits(self, scale: Scale) -> Live:
        scenes = Scenes(
            lambda **_: limit_scene(self.intervals.start(self.seed), component=self.component, scale=scale), {},
            partial(dress_limits, scale=scale),
        )  # fmt: skip
        live = Live(scenes)
        live.root.on_event(Tap, lambda event: self.go(self.seed, self.intervals.at(self.seed, event.x)))
        return stretched(live)

    def _tapped_band(self, event: Tap) -> None:
        seeds = self._rows()["seed"].values.tolist()
        row = round(event.y)
        if 0 <= row < len(seeds):
            seed = seeds[len(seeds) - 1 - row]
            self.go(seed, self.intervals.at(seed, event.x))

    def _times(self) -> list[float]:
        found: list[float] = self.intervals.member(self.seed, self.number).time.tolist()
        return found

    def _path(self, time: float) -> Any:
        return path_scene(self.intervals.member(self.seed, self.number), time)

    def _figures(self) -> pn.Column:
        self.cards = {
            (kind, scale): _card(live, visible=scale == self.scale)
            for kind, lives in (("bands", self.bands), ("limits", self.limits))
            for scale, live in lives.items()
        }
        cards = [*(card for (kind, _), card in self.cards.items() if kind == "bands"), _card(self.path, rows=2)]
        cards += [card for (kind, _), card in self.cards.items() if kind == "limits"]
        return pn.Column(*cards, stylesheets=[GRID], sizing_mode="stretch_width")

    # widgets

    def _widgets(self) -> dict[str, Any]:
        wide = {"sizing_mode": "stretch_width"}
        found: dict[str, Any] = {}
        if len(self.intervals.seeds) > 1:
            seeds = self.intervals.seeds
            found["seed"] = pmui.DiscreteSlider(label="seed", options=seeds, value=self.seed, **wide)
            found["seed"].param.watch(self._seed_chosen, "value")
        if len(self._scales()) > 1:
            found["scale"] = pmui.RadioButtonGroup(label="scale", options=list(SCALES), value=self.scale, **wide)
            found["scale"].param.watch(self._scale_chosen, "value")
        if len(self.intervals.numbers) > 1:
            options = {SUBJECTS[name]: name for name in self.intervals.numbers}
            found["of"] = pmui.Select(label="bands by", options=options, value=self.of, **wide)
            found["of"].param.watch(self._of_chosen, "value")
        if self.limits and self.intervals.dataset.sizes["component"] > 1:
            count = self.intervals.dataset.sizes["component"]
            found["component"] = pmui.DiscreteSlider(
                label="component of the limits", options=list(range(count)), value=0, **wide
            )
            found["component"].param.watch(self._component_chosen, "value")
        back, forth = (pmui.Button(label=label, variant="outlined", **wide) for label in ("◀ band", "band ▶"))
        for button, step in ((back, -1), (forth, 1)):
            button.on_click(partial(self._beside, step))
        self.beside = pmui.Row(back, forth, width=240)
        found["interval"] = pmui.DiscretePlayer(
            label="interval", options=self._choices(), value=self.number, interval=250, loop_policy="once",
            show_loop_controls=False, visible_buttons=["first", "previous", "pause", "play", "next", "last"], **wide,
        )  # fmt: skip
        found["interval"].param.watch(lambda event: self.go(self.seed, event.new), "value")
        found["sensitivity"] = pmui.FloatInput(
            label="go to sensitivity δ", value=self._sensitivity(), start=0.0, step=0.01, **wide
        )
        found["sensitivity"].param.watch(self._typed, "value")
        found["time"] = pmui.DiscretePlayer(
            label=naming.time_label("step"), options=self._times(), value=self._times()[-1], interval=250,
            loop_policy="loop", show_loop_controls=False,
            visible_buttons=["first", "previous", "pause", "play", "next", "last"], **wide,
        )  # fmt: skip
        found["time"].param.watch(self._time_chosen, "value")
        return found

    def _choices(self) -> dict[str, int]:
        begins = self.intervals.start(self.seed)["sensitivity_from"].values.tolist()
        return {f"{number + 1}: δ = {begin:.6g}": number for number, begin in enumerate(begins)}

    def _sensitivity(self) -> float:
        return float(self.intervals.start(self.seed)["sensitivity_from"][self.number])

    def _seed_chosen(self, event: Any) -> None:
        if event.new != self.seed:
            self.go(event.new, self.intervals.at(event.new, self._sensitivity()))

    def _scale_chosen(self, event: Any) -> None:
        self.scale = event.new
        for (_, scale), card in self.cards.items():
            card.visible = scale == self.scale

    def _of_chosen(self, event: Any) -> None:
        self.of = event.new
        self._show_bands()

    def _component_chosen(self, event: Any) -> None:
        self.component = event.new
        for live in self.limits.values():
            live.show()

    def _beside(self, step: int, _: Any) -> None:
        self.go(self.seed, self.intervals.next_band(self.seed, self.number, self.of, step))

    def _typed(self, event: Any) -> None:
        if event.new is not None and event.new != self._sensitivity():
            self.go(self.seed, self.intervals.at(self.seed, event.new))

    def _time_chosen(self, event: Any) -> None:
        self.path.show(time=event.new)

    # what is shown

    def go(self, seed: int, number: int) -> None:
        """Show an interval of a start: its trajectory, and its place on the axis."""
        if (seed, number) == (self.seed, self.number):
            return
        block = self.intervals.seeds.index(self.seed) // MOST_ROWS
        other, self.seed, self.number = seed != self.seed, seed, number
        with pn.io.hold():
            if other:
                if "seed" in self.widgets:
                    self.widgets["seed"].value = seed
                self.widgets["interval"].param.update(options=self._choices(), value=number)
                for live in self.limits.values():
                    live.show()
                if self.intervals.seeds.index(seed) // MOST_ROWS != block:
                    self._show_bands()
            else:
                self.widgets["interval"].value = number
            self.widgets["sensitivity"].value = self._sensitivity()
            times = self._times()
            if self.widgets["time"].options != times:
                self.widgets["time"].param.update(options=times, value=times[-1])
            self.path.show(time=self.widgets["time"].value)
            self._say()

    def _show_bands(self) -> None:
        for live in self.bands.values():
            live.show()

    def _say(self) -> None:
        self.told.object = escaped(self.intervals.tell(self.seed, self.number))
        one = self.intervals.start(self.seed)
        low, high = self._sensitivity(), float(one["sensitivity_to"][self.number])
        seeds = self._rows()["seed"].values.tolist()
        row = len(seeds) - 1 - seeds.index(self.seed)
        for lives in (self.bands, self.limits):
            for scale, live in lives.items():
                end, begin = window(self._rows() if lives is self.bands else one, scale, None)
                bottom, top = (row - HALF, row + HALF) if lives is self.bands else _heights(live)
                left, right = min(max(low, begin), end), min(max(high, begin), end)
                self.marks[live.root].data = {"left": [left], "right": [right], "bottom": [bottom], "top": [top]}

    def _about(self) -> pn.pane.HTML:
        ds = self.intervals.dataset
        facts = {
            "starts": ds.sizes["seed"],
            "intervals": f"{ds.sizes['interval']:,}",
            "resolution": naming.number(ds.attrs["resolution"]) if ds.attrs["steps"] < 0 else "",
            "recipe": (names_of(ds) or ds.attrs).get("recipe_id", "")[:12],
        }
        rows = "".join(
            f"<tr><td>{escaped(k)}</td><td>{escaped(naming.plain(v))}</td></tr>" for k, v in facts.items() if v != ""
        )
        title = escaped(naming.plain(ds.attrs.get("title", subject(ds))))
        style = f"<style>td {{ padding: 2px 12px 2px 0; font-size: 13px; color: {theme.MUTED}; }}</style>"
        return pn.pane.HTML(f"{style}<p>{title}</p><table>{rows}</table>", sizing_mode="stretch_width")


def _card(live: Live, *, visible: bool = True, rows: int = 1) -> pmui.Paper:
    return pmui.Paper(
        pn.pane.Bokeh(live.root, sizing_mode="stretch_width"),
        elevation=1, margin=6, visible=visible, sizing_mode="stretch_width",
        styles={"padding": "6px", "grid-row": f"span {rows}", "align-self": "start"},
    )  # fmt: skip


def _close_on_telephones(live: Live) -> None:
    """Let the drawer be closed at first where it would cover the figures."""
    code = """
    if (innerWidth >= 600 || window.lmdata_drawer) return;
    window.lmdata_drawer = true;
    for (const {data} of root.document.all_models)
      if (data && data.attributes && "sidebar_open" in data.attributes) data.sidebar_open = false;
    """
    live.root.js_on_change("inner_width", CustomJS(args={"root": live.root}, code=code))


def _square(live: Live) -> None:
    """Keep a figure's frame square as it takes the width that there is."""
    live.root.update(max_width=WIDEST + 80)
    code = "root.frame_height = root.inner_width"
    live.root.js_on_change("inner_width", CustomJS(args={"root": live.root}, code=code))


def _heights(live: Live) -> tuple[float, float]:
    """Return the limits of a figure's vertical axis."""
    extent = live.root.y_range
    return extent.reset_start, extent.reset_end
