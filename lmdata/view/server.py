"""Serving the dashboard: to this machine alone, unless told otherwise and given a password."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from lmdata import library
from lmdata.errors import InvalidInput
from lmdata.view import naming
from lmdata.view.admission import admit_only, origin_of


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
    _check(address, given, password)
    names = list(map(origin_of, given))
    if not 0 <= port <= 65535:
        raise InvalidInput(f"port is {port}; it must be between 0 (a free one) and 65535")
    from panel.io.server import get_server
    from tornado.ioloop import IOLoop

    from lmdata.view.dashboard import dashboard, shared

    shown = shared(library.open(name))
    port = port or _free_port(address)
    origins = [*names, f"{address}:{port}"]
    if _is_loopback(address):
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


def _check(address: str, origin: Sequence[str], password: str | None) -> None:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise InvalidInput(f"address={address!r} is no IPv4 address; the default is 127.0.0.1") from None
    if _is_loopback(address):
        return
    if not password:
        raise InvalidInput(
            f"address={address!r} would show the data to other machines without asking who they are; "
            "give a password=..., or keep address='127.0.0.1' and reach it through an SSH tunnel"
        )
    if not origin and ipaddress.IPv4Address(address).is_unspecified:
        raise InvalidInput(
            f"address={address!r} stands for every address of this machine; say with origin='host:port' "
            "under which one browsers will come"
        )


def _is_loopback(address: str) -> bool:
    return ipaddress.IPv4Address(address).is_loopback


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
