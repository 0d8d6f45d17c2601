"""The dashboard of training runs: figures of `lmdata.view.selection`, linked by sliders for start, seed and sweep."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import panel as pn
import panel_material_ui as pmui
import xarray

from lmdata.markup import escaped
from lmdata.selection.solved import solutions
from lmdata.view import naming, selection, theme
from lmdata.view.scene import Live


class Training:
    """A training run with its max-margin solutions, solved for once and shared by all visitors.

    Parameters
    ----------
    dataset : Dataset
        Result of `lmdata.selection.train`; lazy data stays lazy.
    """

    def __init__(self, dataset: xarray.Dataset) -> None:
        self.dataset = dataset

    @cached_property
    def solutions(self) -> xarray.Dataset:
        """The solutions that training may converge to: `lmdata.selection.solutions`."""
        return solutions(self.dataset)


def is_training(dataset: xarray.Dataset) -> bool:
    """Return whether a dataset is a training run, and not a trajectory of tokens.

    Examples
    --------
    >>> from lmdata import selection
    >>> is_training(selection.train(selection.TokenSelection(), selection.construction("single-local"), steps=2))
    True
    """
    return "iteration" in dataset.dims and "token_vector" in dataset


def training_page(training: Training) -> pmui.Page:
    """Return a page of linked figures: paths in the plane with SVM directions, correlation, and weight by iteration.

    Examples
    --------
    >>> from lmdata import selection
    >>> source, starts = selection.construction("single-local"), selection.starts(count=3)
    >>> ds = selection.train(selection.TokenSelection(), source, steps=9, starts=starts, sweep={"step": [0.1, 0.2]})
    >>> [widget.label for widget in training_page(Training(ds)).sidebar[0] if hasattr(widget, "options")]
    ['step', 'start']
    """
    ds = training.dataset
    starts = ds["start"].values.tolist()
    further = {"start": [selection.EVERY, *starts]} if len(starts) > 1 else {}
    lives = {name: Live(made) for name, made in selection.scenes(ds, training.solutions, **further).items()}

    def show(**changed: Any) -> None:
        with pn.io.hold():
            for live in lives.values():
                live.show(**changed)

    sliders = []
    for name, values in next(iter(lives.values())).scenes.dims.items():
        options = {value if isinstance(value, str) else naming.number(value): value for value in values}
        slider = pmui.DiscreteSlider(
            label=naming.parameter(name), options=options, value=values[0], sizing_mode="stretch_width"
        )
        slider.param.watch(lambda event, name=name: show(**{name: event.new}), "value")
        sliders.append(slider)
    cards = {
        name: pmui.Paper(pn.pane.Bokeh(live.root), elevation=1, margin=6, styles={"padding": "6px"})
        for name, live in lives.items()
    }
    columns = [[card for name, card in cards.items() if (name == "paths") is first] for first in (True, False)]
    title = f"<p>{escaped(naming.plain(ds.attrs.get('title', '')))}</p>"
    return pmui.Page(
        title=naming.dataset_name(ds),
        sidebar=[pmui.Column(*sliders, pn.pane.HTML(title), sizing_mode="stretch_width")],
        main=[pmui.FlexBox(*(pmui.Column(*column) for column in columns if column), sizing_mode="stretch_width")],
        theme_toggle=False,
        theme_config={"palette": {"primary": {"main": theme.SLOTS[0]}}},
        sidebar_width=280,
    )
