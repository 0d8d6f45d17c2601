"""Serving the dashboard: to this machine alone, unless told otherwise and given a password."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from lmdata import library
from lmdata.serving import check_reach, is_loopback
from lmdata.view import naming
from lmdata.view.admission import admit_only


def serve(
    name: str,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
    origin: str | Sequence[str] | None = None,
    password: str | None = None,
    open_browser: bool = True,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the dashboard of a dataset until interrupted.

    Parameters
    ----------
    name : str
        A catalogued name or the path of a store.
    port : int
        0 takes a free one.
    address : str
        IPv4 address to listen on. Other machines reach this one only if it is not a loopback address; then a
        ``password`` is needed.
    origin : str or sequence of str, optional
        Under which names browsers reach the server: ``host:port``, or a URL such as ``https://hub.example.org``, behind
        a tunnel or a hub. Its own address is always one of them; whatever comes by another name is refused.
    password : str, optional
        Asked of every visitor.
    open_browser : bool
        Open the page in the user's browser.
    ready : callable, optional
        Called with the page's URL when the server listens.

    Raises
    ------
    InvalidInput
        If the address is no IPv4 address, or not a loopback one and there is no password or origin; if an origin
        is no place of a server.
    """
    given = [] if origin is None else [origin] if isinstance(origin, str) else list(origin)
    names = check_reach(address, port, given, password)
    dataset = library.open(name)
    from panel.io.server import get_server
    from tornado.ioloop import IOLoop

    from lmdata.view.dashboard import dashboard, shared

    shown = shared(dataset)
    port = port or _free_port(address)
    origins = [*names, f"{address}:{port}"]
    if is_loopback(address):
        origins.append(f"localhost:{port}")
    guard = _guard(password) if password else {}
    loop = IOLoop(make_current=False)
    server = get_server(
        lambda: dashboard(shown),
        loop=loop,
        port=port,
        address=address,
        websocket_origin=[*origins, *(name.removesuffix(":443") for name in names)],  # bokeh takes no port for 80
        title=naming.dataset_name(shown.dataset),
        **guard,
    )
    admit_only(server, origins)
    url = given[0] if given and "://" in given[0] else f"http://{origins[0]}/"
    try:
        server.start()
        if ready is not None:
            loop.add_callback(ready, url)
        if open_browser:
            loop.add_callback(webbrowser.open, url)
        loop.start()
    finally:
        server.stop()
        loop.close()


def _guard(password: str) -> dict[str, Any]:
    """Return the options that let only those in who know the password; the page that asks for it needs no network."""
    page = files(__package__).joinpath("login.html")
    return {
        "basic_auth": {"lmdata": password},
        "cookie_secret": secrets.token_urlsafe(32),
        "basic_login_template": str(page),
    }


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
