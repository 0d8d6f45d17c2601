"""Figures and dashboards in notebooks: each output is whole in itself, a page that needs no network and a picture.

Where IPython shows more than text, a figure in the last line of a cell becomes HTML and PNG. The HTML is the page of
`lmdata.view.write_page`, compressed, in a frame of its own: no script or style of the notebook meets it, the sliders
work without a kernel, in exported notebooks too, and where scripts may not run the picture stands in its place.
Whoever loads holoviews' own display, with ``holoviews.extension("bokeh")``, gets that instead.
"""

from __future__ import annotations

import base64
import gzip
import sys
from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
from holoviews.core.dimension import Dimensioned

from lmdata.errors import LmdataError
from lmdata.markup import escaped
from lmdata.view import naming, static
from lmdata.view.composed import figures_of, first_state, gathered, states_of, thinned
from lmdata.view.dashboard import figures as dashboard_figures
from lmdata.view.explorer import Explorer
from lmdata.view.page import Section, page_of
from lmdata.view.paper import on_paper
from lmdata.view.playground import Playground
from lmdata.view.scene import Scenes

MOST_STATES = 800
"""States of a figure that an output holds; of more, evenly chosen ones, and the output says so."""
MOST_NUMBERS = 1_500_000
"""Numbers that differ from state to state that an output holds, all states together."""
MOST_FRAMES = 60
"""The same for maps of holoviews that are not this package's: drawing a state takes a tenth of a second."""
DPI = 80
"""Of the picture: as wide as the page draws it."""
HEIGHT = 520
"""Of the frame, in pixels, until its page says how high it is."""

ALONE = (Explorer, Playground)
"""What has controls of its own."""

# the page of the frame: the frame takes its height, and the picture for where this does not run is hidden
LOADER = """<!DOCTYPE html><meta charset="utf-8"><script>
(async () => {
  const packed = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const page = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  const frame = window.frameElement;
  document.open();
  document.write(page);
  document.close();
  if (!frame) return;
  if (frame.nextElementSibling) frame.nextElementSibling.style.display = "none";
  const fit = () => { frame.style.height = document.documentElement.offsetHeight + "px"; };
  new ResizeObserver(fit).observe(document.documentElement);
  fit();
})();
</script>"""


def register() -> None:
    """Show what `lmdata.view` makes, and what is put together of it, where IPython shows more than text.

    ``holoviews.opts`` knows elements from now on, in a script too, as after ``holoviews.extension("bokeh")``.
    """
    if hv.Store.current_backend == "bokeh":
        hv.Store.set_current_backend("bokeh")
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or "text/html" not in shell.display_formatter.active_types:
        return
    for kind in (Dimensioned, Explorer, Playground, pmui.Page):
        shell.display_formatter.mimebundle_formatter.for_type(kind, bundle)


def bundle(shown: Any) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]] | None:
    """Return what a notebook shows of a figure, a dashboard, an explorer or a playground: HTML, and PNG, by MIME type.

    Nothing for what cannot be drawn: IPython shows its text then.

    Examples
    --------
    >>> import lmdata
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> sorted(bundle(lmdata.view.trajectories(ds)))
    ['image/png', 'text/html']
    """
    if isinstance(shown, Dimensioned):
        own, metadata = hv.Store.render(shown)
        if own:
            return own, metadata
    if isinstance(shown, pmui.Page) and (pn.extension._loaded or not hasattr(shown, "shown")):
        own_bundle: dict[str, Any] | None = shown._repr_mimebundle_()
        return own_bundle
    try:
        figures = _figures(shown)
        if figures is None:
            return None
        page = page_of("figure", _sections(figures), bare=True)
        still = _first(figures, shown)
    except LmdataError as error:
        return {"text/html": f"<p>{escaped(error)}</p>", "text/plain": str(error)}
    if not on_paper(still):  # an element of another package: a browser alone draws it
        return {"text/html": framed(page)}
    picture = static.drawn(still, "png", dpi=DPI)
    return {"text/html": framed(page, picture), "image/png": picture}


def framed(page: str, picture: bytes | None = None) -> str:
    """Return HTML that shows a page in a frame of its own, and a picture where frames or scripts are not allowed."""
    packed = base64.b64encode(gzip.compress(page.encode(), mtime=0)).decode()
    source = escaped(LOADER % packed)
    frame = f'<iframe srcdoc="{source}" title="figure" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
    if picture is None:
        return frame
    image = base64.b64encode(picture).decode()
    return f'{frame}<img src="data:image/png;base64,{image}" alt="figure" style="max-width: 100%">'


def _figures(shown: Any) -> list[Any] | None:
    """Return the figures of what is shown, or None if it is nothing that is drawn."""
    if isinstance(shown, pmui.Page):
        return dashboard_figures(shown.shown)
    figures = figures_of(shown)
    drawable = (hv.HoloMap, *ALONE, *hv.Store.registry["bokeh"])
    return figures if all(isinstance(figure, drawable) for figure in figures) else None


def _sections(figures: Sequence[Any]) -> list[Section]:
    """Return figures as sections of a page; those of one section share their sliders."""
    return [_thinned(each) for each in gathered(figures)]


def _thinned(figures: Sequence[Any]) -> Section:
    if isinstance(figures[0], ALONE):
        return Section("", figures[0])
    kept, left = thinned(figures, min(map(_most, figures)))
    told = [f"{count} of the {there} values of {naming.parameter(name)}" for name, (count, there) in left.items()]
    return Section("", kept, f"The sliders hold {' and '.join(told)}." if told else "")


def _most(figure: Any) -> int:
    """Return how many states of a figure an output has room for."""
    states = states_of(figure)
    if not isinstance(states, Scenes):
        return MOST_FRAMES if states else MOST_STATES
    ends = [states.make(**{name: v[end] for name, v in states.dims.items()}) for end in (0, -1)]
    columns = [[column for layer in scene.layers for column in layer.columns.values()] for scene in ends]
    changing = sum(len(one) for one, other in zip(*columns, strict=True) if not _equal(one, other))
    return min(MOST_STATES, max(1, MOST_NUMBERS // max(1, changing)))


def _equal(one: Any, other: Any) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _first(figures: Sequence[Any], shown: Any) -> Any:
    """Return figures as they are at first, without sliders, for paper."""
    plain = [figure.bands if isinstance(figure, Explorer) else first_state(figure) for figure in figures]
    columns = shown._max_cols if isinstance(shown, hv.Layout) else 2
    return hv.Layout(plain).cols(columns) if len(plain) > 1 else plain[0]
