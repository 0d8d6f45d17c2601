"""By which address and names a server may be reached: checked before anything that draws is imported."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from lmdata.errors import InvalidInput

PORTS = {"http": 80, "https": 443}
"""Of the schemes that browsers come by."""


def check_reach(address: str, port: int, origins: Sequence[str], password: str | None) -> list[str]:
    """Return ``host:port`` of every origin, once a server may be reached by this address.

    Parameters
    ----------
    address : str
        IPv4 address to listen on.
    port : int
        0 stands for a free one.
    origins : sequence of str
        Under which names browsers reach it, each as `origin_of` takes it.
    password : str, optional
        Asked of every visitor.

    Raises
    ------
    InvalidInput
        If the address is no IPv4 address, or not a loopback one and there is no password or origin; if the port is
        none, or an origin no place of a server.

    Examples
    --------
    >>> check_reach("127.0.0.1", 0, ["localhost:8888"], None)
    ['localhost:8888']
    """
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise InvalidInput(f"address={address!r} is no IPv4 address; the default is 127.0.0.1") from None
    if not is_loopback(address) and not password:
        raise InvalidInput(
            f"address={address!r} would show the data to other machines without asking who they are; "
            "give a password=..., or keep address='127.0.0.1' and reach it through an SSH tunnel"
        )
    if not origins and ipaddress.IPv4Address(address).is_unspecified:
        raise InvalidInput(
            f"address={address!r} stands for every address of this machine; say with origin='host:port' "
            "under which one browsers will come"
        )
    if not 0 <= port <= 65535:
        raise InvalidInput(f"port is {port}; it must be between 0 (a free one) and 65535")
    return [origin_of(origin) for origin in origins]


def is_loopback(address: str) -> bool:
    """Return whether an IPv4 address leads to this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    return ipaddress.IPv4Address(address).is_loopback


def origin_of(text: str) -> str:
    """Return ``host:port`` of an origin given as such, or as a URL (``https://hub.example.org``); in lower case.

    Raises
    ------
    InvalidInput
        If it is neither, or names every host.

    Examples
    --------
    >>> origin_of("localhost:8888"), origin_of("https://Hub.example.org")
    ('localhost:8888', 'hub.example.org:443')
    """
    scheme, _, rest = text.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = PORTS[scheme or "http"] if parts.port is None else parts.port
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    if (
        scheme not in ("", *PORTS)
        or not parts.hostname
        or "*" in rest
        or parts.path
        or parts.query
        or parts.username is not None
    ):
        raise InvalidInput(
            f"origin={text!r} is not the place of a server; give host:port or a URL without a path, such as "
            "'localhost:8888' or 'https://hub.example.org'"
        )
    return f"{parts.hostname}:{port}"
