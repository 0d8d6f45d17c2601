"""Figures as files: pictures for papers, moving pictures, and pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import holoviews as hv
import matplotlib as mpl
from PIL import Image

from lmdata.data.store.durable import write_whole
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_path
from lmdata.view import theme
from lmdata.view.composed import figures_of, first_state, gathered, states_of
from lmdata.view.page import Section, page_of
from lmdata.view.paper import drawing, recipes_of
from lmdata.view.theme import Sheet, Width

STILL = (".png", ".svg", ".pdf")
MOVING = (".gif", ".mp4")
FORMATS = (".html", *STILL, *MOVING)
MOST_PICTURES = 1_000
"""Of a moving picture: each takes a fifth of a second to draw."""


def save(
    figure: Any, path: str | os.PathLike[str], *, dpi: int = 150, width: Width | None = None, rate: float = 4.0
) -> Path:
    """Write a figure, or what is put together of figures with ``*`` and ``+``, to a file, and return its path.

    - ``.png``, ``.svg``, ``.pdf``: a figure without sliders, for a paper. PDF has its fonts in it.
    - ``.gif``, ``.mp4``: a figure with one slider, moving; MP4 needs the program ffmpeg.
    - ``.html``: a page in itself, whose sliders need no network; see `write_page`.

    Every file says the recipe ids of the datasets that were drawn. Equal figures are equal PNG, SVG and PDF files.

    Parameters
    ----------
    figure : Overlay, Element, Layout or DynamicMap
    path : path
        Its ending chooses the format. An existing file is replaced.
    dpi : int
        Dots per inch of a picture that is made of dots.
    width : {"column", "page"} or float, optional
        Of the whole on paper; a number is in millimetres. By default that of the figures.
    rate : float
        Pictures a second of a moving one.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InvalidInput
        If the ending is none of `FORMATS`, the figure has other sliders than the format shows, an element that only a
        browser draws, or the format needs ffmpeg and there is none.

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
    form = path.suffix.lower()
    if form not in FORMATS:
        raise InvalidInput(f"path={str(path)!r} must end in {', '.join(FORMATS)}")
    if not dpi > 0 or not rate > 0:
        raise InvalidInput(f"dpi is {dpi!r} and rate {rate!r}; both must be above 0")
    sheet = None if width is None else Sheet.of(width)
    if form == ".html":
        sections = [Section("", figures) for figures in gathered(figures_of(figure))]
        write_whole(path, page_of(_title(first_state(figure)), sections, about=_about(figure)).encode())
    elif form in STILL:
        write_whole(path, drawn(figure, form.removeprefix("."), dpi=dpi, sheet=sheet))
    else:
        pictures = _moving(figure, path, dpi=dpi, sheet=sheet)
        write = _gif if form == ".gif" else _mp4
        write_whole(path, write(pictures, rate, _about(figure), path))
    return path


def drawn(figure: Any, form: str, *, dpi: int, sheet: Sheet | None = None) -> bytes:
    """Return a figure without sliders in a format; equal figures are equal bytes."""
    told = {"Title": _title(figure), "Creator": f"lmdata {version('lmdata')}"}
    match form:
        case "pdf":
            metadata: dict[str, Any] = {**told, "Subject": _about(figure), "CreationDate": None}
        case "svg":
            metadata = {**told, "Description": _about(figure), "Date": None}
        case _:
            metadata = {"Title": told["Title"], "Software": told["Creator"], "Description": _about(figure)}
    look = {"svg.hashsalt": "lmdata", "svg.fonttype": "none", "pdf.fonttype": 42, "font.family": "sans-serif"}
    with mpl.rc_context(look):
        picture = BytesIO()
        canvas = drawing(figure, None if sheet is None else sheet.width)
        canvas.savefig(picture, dpi=dpi, format=form, facecolor=theme.PAPER, metadata=metadata)
    return picture.getvalue()


def _title(figure: Any) -> str:
    """Return the first line above the first figure that has one."""
    labels = (str(getattr(part, "label", "")).partition("\n")[0].strip() for part in figures_of(figure))
    return next(filter(None, labels), "figure")


def _about(figure: Any) -> str:
    """Return what the numbers of a figure come from."""
    plain = hv.Layout([first_state(part) for part in figures_of(figure)])
    recipes = recipes_of(plain)
    return f"lmdata {'recipe' if len(recipes) == 1 else 'recipes'} {', '.join(recipes)}" if recipes else "lmdata"


def _moving(figure: Any, path: Path, *, dpi: int, sheet: Sheet | None) -> Iterator[bytes]:
    """Return the pictures of a figure with one slider."""
    parts = figures_of(figure)
    every = list(map(states_of, parts))
    names = dict.fromkeys(name for states in every if states is not None for name in states.dims)
    told = ", ".join(names) or "none"
    if len(names) != 1:
        raise InvalidInput(
            f"path={str(path)!r} is a moving picture, of a figure with one slider; this one has {told}: "
            "select one member first, as with ds.isel(seed=[0])"
        )
    lengths = [states.dims[told] for states in every if states is not None]
    if any(values != lengths[0] for values in lengths) or len(lengths[0]) > MOST_PICTURES:
        raise InvalidInput(
            f"the slider {told} has {len(lengths[0])} values, or others in another figure; a moving picture has at "
            f"most {MOST_PICTURES}, the same in all figures: thin them out, as with ds.isel(time=slice(0, None, 4))"
        )
    columns = figure._max_cols if isinstance(figure, hv.Layout) else 1

    def pictures() -> Iterator[bytes]:
        for value in lengths[0]:
            now = [part if states is None else states(value) for part, states in zip(parts, every, strict=True)]
            yield drawn(hv.Layout(now).cols(columns), "png", dpi=dpi, sheet=sheet)

    return pictures()


def _gif(pictures: Iterator[bytes], rate: float, about: str, path: Path) -> bytes:
    """Return a GIF that plays without end."""
    first, *others = (
        Image.open(BytesIO(picture)).convert("RGB").quantize(dither=Image.Dither.NONE) for picture in pictures
    )
    file = BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=1000 / rate, loop=0, comment=about.encode())
    return file.getvalue()


def _mp4(pictures: Iterator[bytes], rate: float, about: str, path: Path) -> bytes:
    """Return an MP4, made by ffmpeg."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise InvalidInput(
            f"path={str(path)!r} needs the program ffmpeg, and there is none on the PATH; install it, or end the path "
            "in .gif or .html"
        )
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white"  # the usual colour format halves both sides
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "moving.mp4")
        given = ["-f", "image2pipe", "-framerate", f"{rate:g}", "-c:v", "png", "-i", "-"]
        made = ["-vf", even, "-pix_fmt", "yuv420p", "-metadata", f"comment={about}", "-movflags", "+faststart"]
        command = [program, "-loglevel", "error", *given, *made, str(target)]
        done = subprocess.run(command, input=b"".join(pictures), capture_output=True, check=False)
        if done.returncode != 0 or not target.exists():
            raise InvalidInput(f"ffmpeg could not make {path}: {done.stderr.decode(errors='replace').strip():.300}")
        return target.read_bytes()
