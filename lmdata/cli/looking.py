"""Commands that show: ``demo``, ``analyse``, ``dashboard``, ``figure``, ``play``, ``doctor``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from lmdata.cli.parser import PLACE, Options, as_path, declare, scheduled
from lmdata.errors import InvalidInput

LONGEST = 1_000
"""Letters of a catalogue's title or text that a page shows."""


KINDS = (
    *("trajectories", "volume_decay", "occupancy", "quiescent_raster", "words"),
    *("sensitivity_bands", "sensitivity_shares", "limits_along"),
    *("paths", "correlation", "mass"),
)
"""Figures; as `lmdata.view.kinds.FIGURES`, which takes seconds to import."""
FORMATS = (".html", ".png", ".svg", ".pdf", ".gif", ".mp4")
"""As `lmdata.view.static.FORMATS`."""


def add(commands: Any) -> None:
    """Add the commands to a parser's."""
    demo = declare(
        commands,
        "demo",
        _demo,
        "from a sentence to a page of figures, in a minute",
        "lmdata demo --output my-demo",
    )
    demo.add_argument(
        "--output",
        type=as_path,
        default=Path("lmdata-demo"),
        help="folder for everything it makes (default: %(default)s)",
    )

    demo.add_argument("--text", help="a sentence of your own instead of the film review")

    analyse = declare(
        commands,
        "analyse",
        _analyse,
        "run the pipelines on a dataset",
        "lmdata analyse localmax-square --pipeline hull_volume_decay",
    )
    analyse.add_argument("name", help=PLACE)
    analyse.add_argument(
        "--pipeline", action="append", help="which to run (default: the three that suit every dataset)"
    )
    analyse.add_argument(
        "--output",
        type=as_path,
        default=Path("lmdata-analysis"),
        help="folder for results (default: %(default)s)",
    )
    scheduled(analyse)

    dashboard = declare(
        commands,
        "dashboard",
        _dashboard,
        "explore a dataset in the browser",
        "lmdata dashboard film-review",
    )
    dashboard.add_argument("name", help=PLACE)
    dashboard.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    dashboard.add_argument(
        "--address", default="127.0.0.1", help="IPv4 address to listen on (default: this machine alone)"
    )
    dashboard.add_argument(
        "--origin",
        action="append",
        help="HOST:PORT or URL in the browser's address bar, behind a tunnel or a hub; may be repeated",
    )
    dashboard.add_argument(
        "--password",
        nargs="?",
        const="",
        help="ask visitors for a password: the one given, or that of the variable LMDATA_PASSWORD",
    )
    dashboard.add_argument("--no-browser", action="store_true", help="do not open a browser window")

    figure = declare(
        commands,
        "figure",
        _figure,
        "draw a figure of a dataset into a file",
        "lmdata figure localmax-square trajectories --width column --output square.pdf",
    )
    figure.add_argument("name", help=PLACE)
    figure.add_argument("kind", choices=KINDS, metavar="kind", help=f"what is drawn: {', '.join(KINDS)}")
    figure.add_argument(
        "--output",
        type=as_path,
        default=Path("lmdata-figure.pdf"),
        help=f"its ending chooses the format: {', '.join(FORMATS)} (default: %(default)s)",
    )
    figure.add_argument("--width", type=_width, help="on paper: column, page, or millimetres")
    figure.add_argument("--title", help="instead of the first line above the figure; '' takes all lines away")
    figure.add_argument(
        "--at",
        type=_setting,
        action="append",
        default=[],
        metavar="SLIDER=VALUE",
        help="which member, seed or time; may be repeated (default: the first member, the last time)",
    )
    figure.add_argument("--dpi", type=int, default=150, help="dots per inch of .png, .gif and .mp4 (default: 150)")

    play = declare(
        commands,
        "play",
        _play,
        "write a page that computes: drag tokens, move parameters, no server",
        "lmdata play localmax-square --output square.html",
    )
    play.add_argument("name", nargs="?", help=f"{PLACE}, of localmax (default: 24 tokens in a square)")
    play.add_argument(
        "--output", type=as_path, default=Path("lmdata-play.html"), help="the page's file (default: %(default)s)"
    )

    declare(
        commands, "doctor", _doctor, "say what this machine has and which kernel serves which size", "lmdata doctor"
    )


def _demo(options: Options) -> dict[str, Any]:
    from lmdata.demo import demo

    say = (lambda line: None) if options.json else print
    return demo(options.output, text=options.text, say=say) | {"text": ""}


def _analyse(options: Options) -> dict[str, Any]:
    from lmdata.pipeline import analyse

    made = analyse(options.name, pipelines=options.pipeline, output=options.output, scheduler=options.scheduler)
    lines = [f"{pipeline}: {place}" for pipeline, place in made.items()]
    return {"name": options.name, "results": made, "text": "\n".join(lines)}


def _dashboard(options: Options) -> dict[str, Any]:
    import lmdata
    from lmdata.serving import check_reach

    password = options.password if options.password != "" else os.environ.get("LMDATA_PASSWORD")
    if options.password == "" and not password:
        raise InvalidInput("--password without a value takes it from the variable LMDATA_PASSWORD, which is not set")
    check_reach(options.address, options.port, options.origin or (), password)
    lmdata.open(options.name)  # mistakes are told before what draws is imported, which takes seconds
    from lmdata.view.server import serve

    serve(
        options.name,
        port=options.port,
        address=options.address,
        origin=options.origin,
        password=password,
        open_browser=not options.no_browser,
        ready=_announce,
    )
    return {"text": ""}


def _announce(url: str) -> None:
    print(f"the dashboard is at {url} (Ctrl-C ends it)", flush=True)


def _width(text: str) -> str | float:
    if text in ("column", "page"):
        return text
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is none of column, page, or millimetres, e.g. 120") from error


def _setting(text: str) -> tuple[str, str]:
    slider, _, value = text.partition("=")
    if not slider or not value:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no SLIDER=VALUE, e.g. seed=3")
    return slider, value


def _figure(options: Options) -> dict[str, Any]:
    import lmdata
    from lmdata.numerics.checks import check_folder

    form = options.output.suffix.lower()
    if form not in FORMATS:
        raise InvalidInput(f"output is {str(options.output)!r}; it must end in {', '.join(FORMATS)}")
    check_folder(options.output.parent, "the folder of output")
    dataset = lmdata.open(options.name)
    from lmdata import view
    from lmdata.view.kinds import figure_of

    shown, setting = figure_of(
        dataset,
        options.kind,
        dict(options.at),
        moving=form in (".gif", ".mp4"),
        whole=form == ".html",
        width=options.width,
        title=options.title,
    )
    file = view.save(shown, options.output, dpi=options.dpi)
    at = ", ".join(f"{slider}={value}" for slider, value in setting.items())
    return {"file": str(file), "at": setting, "text": f"wrote {file}{f', at {at}' if at else ''}"}


def _play(options: Options) -> dict[str, Any]:
    import lmdata
    from lmdata.numerics.checks import check_folder

    check_folder(options.output.parent, "the folder of output")
    dataset = None if options.name is None else lmdata.open(options.name)
    from lmdata import view
    from lmdata.view.naming import plain
    from lmdata.view.playground import example

    dataset = example() if dataset is None else dataset
    name = dataset.attrs.get("catalogue_name")
    entry = {} if name is None else lmdata.catalog.info(name)
    title = str(entry.get("title") or f"Localmax dynamics: {dataset.attrs.get('title', options.name)}")
    claim = f"{entry['claim']} ({entry.get('paper')})" if entry.get("claim") else ""
    text = "\n\n".join(plain(part, longest=LONGEST) for part in (entry.get("description"), claim) if part)
    section = view.Section(name or "Drag a ring", view.playground(dataset), text)
    page = view.write_page(options.output, plain(title, longest=LONGEST), [section])
    size = page.stat().st_size
    told = f"wrote {page} ({size / 1000:,.0f} kB): open it in any browser"
    return {"page": str(page), "bytes": size, "text": told}


def _doctor(options: Options) -> dict[str, Any]:
    from lmdata.doctor import doctor

    return doctor()
