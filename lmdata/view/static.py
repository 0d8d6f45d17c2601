"""Figures as files for papers: PNG, SVG and PDF."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl

from lmdata.data.store.durable import write_whole
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_path
from lmdata.view import theme
from lmdata.view.paper import drawing

FORMATS = (".png", ".svg", ".pdf")


def save(figure: Any, path: str | os.PathLike[str], *, dpi: int = 150) -> Path:
    """Write a figure without sliders to a PNG, SVG or PDF file, and return its path.

    Parameters
    ----------
    figure : Overlay or Layout
        Made by a function of this package, of one member (and one time), or put together of such with ``*`` and ``+``.
    path : path
        Its ending chooses the format. An existing file is replaced.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInput
        If the figure has sliders or an element that only a browser draws, or the ending is none of `FORMATS`.

    Examples
    --------
    >>> import tempfile, lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(8, 2), steps=5)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     view.save(view.occupancy(ds), folder + "/occupancy.svg").stat().st_size > 1000
    True
    """
    path = as_path(path, "path")
    if path.suffix.lower() not in FORMATS:
        raise InvalidInput(f"path={str(path)!r} must end in {', '.join(FORMATS)}; for HTML use view.write_page")
    write_whole(path, drawn(figure, path.suffix.lower().removeprefix("."), dpi=dpi))
    return path


def drawn(figure: Any, form: str, *, dpi: int) -> bytes:
    """Return a figure without sliders in a format; equal figures are equal bytes."""
    undated: dict[str, None] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
    with mpl.rc_context({"svg.hashsalt": "lmdata", "svg.fonttype": "none", "font.family": "sans-serif"}):
        picture = BytesIO()
        drawing(figure).savefig(picture, dpi=dpi, format=form, facecolor=theme.PAPER, metadata=undated)
    return picture.getvalue()
