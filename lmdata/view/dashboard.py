"""The dashboard: all figures of a dataset, linked by a time player and a slider for each swept parameter and seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
import xarray
from bokeh.models import Span

from lmdata.data.identity import names_of, part_of
from lmdata.errors import IncompleteDataset
from lmdata.markup import escaped
from lmdata.view import naming, selection, theme
from lmdata.view.atlas_page import atlas_page
from lmdata.view.explorer import sensitivity_explorer
from lmdata.view.intervals import Intervals, is_atlas
from lmdata.view.members import Members, is_localmax
from lmdata.view.occupancy import scenes as occupancy_scenes
from lmdata.view.quiescent import scenes as quiescent_scenes
from lmdata.view.scene import Live, Scenes
from lmdata.view.training import Training, is_training, training_page
from lmdata.view.trajectories import scenes as trajectory_scenes
from lmdata.view.volume import scenes as volume_scenes
from lmdata.view.words import scenes as word_scenes

type Shared = Members | Training | Intervals

HALF = 98.0
"""Width of a figure in a notebook, in millimetres, so that two stand side by side."""
INTERVAL = 250
"""Milliseconds between two frames of the time player."""


def dashboard(ds: xarray.Dataset | Shared) -> pmui.Page:
    """Return a page of linked figures of a dataset, to serve or to show in a notebook.

    A player for the time and a slider for every swept parameter and the seed change all figures. A member is read
    and measured when it is first shown, and kept; see `lmdata.view.members.Members`.

    Parameters
    ----------
    ds : Dataset
        As `lmdata.open`, `lmdata.simulate`, `lmdata.atlas` and `lmdata.selection.train` return it; lazy data stays
        lazy. What `shared` returns, where several pages show one dataset.

    Returns
    -------
    panel_material_ui.Page
        Everything that it needs comes from its own server.

    Raises
    ------
    InvalidInput
        If ``ds`` has no positions.
    IncompleteDataset
        If no member is complete.

    Examples
    --------
    >>> import lmdata
    >>> from lmdata.view.dashboard import dashboard
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5, seeds=(0, 1))
    >>> [widget.label for widget in dashboard(ds).sidebar[0] if hasattr(widget, "options")]
    ['seed', 'time (steps)']
    """
    shown = shared(ds) if isinstance(ds, xarray.Dataset) else ds
    match shown:
        case Training():
            page = training_page(shown)
        case Intervals():
            page = atlas_page(shown)
        case _:
            page = _Board(shown).page
    page.shown = shown  # what notebooks draw it from
    if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
        pn.state.on_session_destroyed(lambda _: _release(page))
    return page


def _release(page: pmui.Page) -> None:
    """Let go of a visitor's page: it listens to whether panel is busy, which outlives the session and would keep it."""
    for watcher in [w for watchers in pn.state.param.watchers.values() for whats in watchers.values() for w in whats]:
        if getattr(getattr(watcher.fn, "__self__", None), "self", None) is page:
            pn.state.param.unwatch(watcher)
    page.main.clear()
    page.sidebar.clear()


def shared(ds: xarray.Dataset) -> Shared:
    """Return what the pages of several visitors share of a dataset: what is read and measured."""
    if is_atlas(ds):
        return Intervals(ds)
    return Training(ds) if is_training(ds) else Members(ds)


class _Board:
    """Widgets, figures and what links them, for one visitor."""

    def __init__(self, members: Members) -> None:
        self.members = members
        times = members.dataset["time"].values.tolist()
        self.values: dict[str, Any] = {**members.first(), "time": times[0]}
        self.lives = {name: Live(scenes, self._known(scenes)) for name, scenes in _figures(members, times).items()}
        self.cursors = [self._cursor(live) for live in self.lives.values() if "time" not in live.scenes.dims]
        self.notice = pmui.Alert(severity="warning", visible=False, sizing_mode="stretch_width")
        self.page = pmui.Page(
            title=naming.dataset_name(members.dataset),
            sidebar=[pmui.Column(*self._widgets(times), _about(members), sizing_mode="stretch_width")],
            main=[self.notice, self._figures()],
            theme_toggle=False,
            theme_config={"palette": {"primary": {"main": theme.SLOTS[0]}}},
            sidebar_width=280,
        )

    def _known(self, scenes: Scenes) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if name in scenes.dims}

    def _cursor(self, live: Live) -> Span:
        cursor = Span(location=self.values["time"], dimension="height", line_color=theme.INK, line_alpha=0.6)
        live.root.add_layout(cursor)
        return cursor

    def _widgets(self, times: Sequence[float]) -> list[Any]:
        wide = {"sizing_mode": "stretch_width"}
        widgets = []
        for name, values in self.members.varied.items():
            options = {naming.number(value): value for value in values}
            slider = pmui.DiscreteSlider(label=naming.parameter(name), options=options, value=self.values[name], **wide)
            slider.param.watch(lambda event, name=name: self.show(**{name: event.new}), "value")
            widgets.append(slider)
        if len(times) > 1:
            unit = str(self.members.dataset["time"].attrs.get("units", "step"))
            player = pmui.DiscretePlayer(
                label=naming.time_label(unit), options=list(times), value=times[0], interval=INTERVAL,
                loop_policy="loop", show_loop_controls=False,
                visible_buttons=["first", "previous", "pause", "play", "next", "last"], **wide,
            )  # fmt: skip
            player.param.watch(lambda event: self.show(time=event.new), "value")
            widgets.append(player)
        return widgets

    def _figures(self) -> pmui.FlexBox:
        left = ("words", "volume", "occupancy") if "words" in self.lives else ("trajectories", "quiescent")
        cards = {
            name: pmui.Paper(pn.pane.Bokeh(live.root), elevation=1, margin=6, styles={"padding": "6px"})
            for name, live in self.lives.items()
        }
        columns = [[cards[name] for name in cards if (name in left) is first] for first in (True, False)]
        return pmui.FlexBox(*(pmui.Column(*column) for column in columns), sizing_mode="stretch_width")

    def show(self, **changed: Any) -> None:
        """Show the member and the time that the widgets say; say so where there is no such member."""
        self.values |= changed
        try:
            self.members(self.values)
            with pn.io.hold():
                for live in self.lives.values():
                    if changed.keys() & live.scenes.dims.keys():
                        live.show(**self._known(live.scenes))
                for cursor in self.cursors:
                    cursor.location = self.values["time"]
        except IncompleteDataset as error:
            self.notice.param.update(object=escaped(str(error)), visible=True)
        else:
            self.notice.visible = False


def _figures(members: Members, times: list[float]) -> dict[str, Scenes]:
    figures = {
        "trajectories": trajectory_scenes(members, times=times),
        "volume": volume_scenes(members, marked=True),
    }
    if is_localmax(members.dataset):
        figures |= {"occupancy": occupancy_scenes(members), "quiescent": quiescent_scenes(members)}
    named = members.dataset["token"].dtype.kind in "OUT" and members.dataset.sizes["component"] > 1
    return {"words": word_scenes(members, times=times), **figures} if named else figures


def figures(shown: Shared) -> list[Any]:
    """Return the figures of a dashboard, with sliders of their own, for a page that no server stands behind."""
    match shown:
        case Training():
            ds = shown.dataset
            starts = ds["start"].values.tolist()
            further = {"start": [selection.EVERY, *starts]} if len(starts) > 1 else {}
            return [made.figure(width=HALF) for made in selection.scenes(ds, shown.solutions, **further).values()]
        case Intervals():
            return [sensitivity_explorer(shown.dataset)]
        case _:
            return [made.figure(width=HALF) for made in _figures(shown, shown.dataset["time"].values.tolist()).values()]


def _about(members: Members) -> pn.pane.HTML:
    """Return what the dataset is, as escaped HTML."""
    ds = members.dataset
    count = 1
    for values in members.choices.values():
        count *= len(values)
    facts = {
        "members": count,
        "tokens": ds.sizes["token"],
        "components": ds.sizes["component"],
        "stored times": ds.sizes["time"],
        "backend": ds.attrs.get("backend", ""),
        "recipe": (names_of(ds) or part_of(ds)).get("recipe_id", "")[:12],
        "digest": names_of(ds).get("digest", "")[:12],
    }
    rows = "".join(
        f"<tr><td>{escaped(k)}</td><td>{escaped(naming.plain(v))}</td></tr>" for k, v in facts.items() if v != ""
    )
    title = escaped(naming.plain(ds.attrs.get("title", "")))
    style = f"<style>td {{ padding: 2px 12px 2px 0; font-size: 13px; color: {theme.MUTED}; }}</style>"
    return pn.pane.HTML(f"{style}<p>{title}</p><table>{rows}</table>", sizing_mode="stretch_width")
