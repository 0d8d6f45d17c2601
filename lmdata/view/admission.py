"""Who may speak to the dashboard's server: requests by a name that was not given are refused before anything answers.

A page of another site may let its own name lead to 127.0.0.1 (DNS rebinding); the browser then takes that page and
this server for one site, and asks with that name in ``Host`` and ``Origin``. tornado and bokeh let such requests
through, so that both headers are compared here with the names under which the server is meant to be reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, OutputTransform, RequestHandler

from lmdata.errors import InvalidInput
from lmdata.serving import PORTS, origin_of

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Of every answer: not to be framed, read or guessed at by other sites."""


def admit_only(server: Any, origins: Iterable[str]) -> None:
    """Let a bokeh server answer only what asks for it by one of these names; every answer has the `HEADERS`.

    Parameters
    ----------
    server : bokeh.server.server.Server
        Not started yet.
    origins : iterable of str
        As of `lmdata.serving.origin_of`.
    """
    application: Application = server._tornado  # bokeh has no public name for it
    application.default_router.rules.insert(0, Rule(_Foreign(frozenset(origins)), _Refused))
    application.add_transform(_Headers)


class _Foreign(Matcher):
    """Matches what asks for the server by another name, or comes from a page of another origin."""

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return None for what may go on to the handlers."""
        hosts = request.headers.get_list("Host")
        origins = request.headers.get_list("Origin")
        # a browser that came by https through a tunnel names no port in Host: either default port is meant then
        named = len(hosts) == 1 and any(self._known(f"{scheme}://{hosts[0]}") for scheme in PORTS)
        return None if named and all(self._known(origin) for origin in origins) else {}

    def _known(self, text: str) -> bool:
        try:
            return origin_of(text) in self._origins
        except InvalidInput:
            return False


class _Refused(RequestHandler):
    """Answers every method alike."""

    def prepare(self) -> None:
        """Refuse."""
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(
            "This dashboard is not to be reached by that name; start it with --origin HOST:PORT, the place that stands "
            "in the browser's address bar.\n"
        )


class _Headers(OutputTransform):
    """Adds the headers to every answer."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add them."""
        for name, value in HEADERS.items():
            headers[name] = value
        return status_code, headers, chunk
