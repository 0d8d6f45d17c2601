"""Who may see the dashboard: this machine, unless told otherwise with a password."""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import re
import signal
import socket as socket_module
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest

from lmdata.errors import InvalidInput, UnknownName
from lmdata.view.server import serve


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.7", "10.0.0.1"])
def test_other_machines_need_a_password(address):
    with pytest.raises(InvalidInput, match=r"password=.*127\.0\.0\.1.*SSH"):
        serve("localmax-square", address=address, open_browser=False)


def test_every_address_needs_the_name_that_browsers_use():
    with pytest.raises(InvalidInput, match="origin="):
        serve("localmax-square", address="0.0.0.0", password="secret", open_browser=False)


@pytest.mark.parametrize("address", ["", "localhost", "::1", "everywhere"])
def test_an_address_is_an_ipv4_address(address):
    with pytest.raises(InvalidInput, match="IPv4"):
        serve("localmax-square", address=address, open_browser=False)


def test_an_unknown_dataset_is_said_before_anything_listens():
    with pytest.raises(UnknownName, match="localmax-square"):
        serve("localmax-sqare", open_browser=False)


@pytest.mark.parametrize(
    "origin", ["", "*", "*.example.org", "a/b", "ftp://a", "http://", "a:b", "me@host", "host?x=1"]
)
def test_an_origin_is_the_place_of_a_server(origin):
    with pytest.raises(InvalidInput, match="not the place of a server"):
        serve("localmax-square", origin=["localhost:8888", origin], open_browser=False)


@pytest.fixture
def served(tmp_path):
    """Start a dashboard with options; gives its address."""
    started = []

    def start(**options):
        code = (
            "from lmdata.view.server import serve\n"
            f"serve('hardmax-square', open_browser=False, ready=lambda url: print(url, flush=True), **{options!r})"
        )
        environment = {**os.environ, "LMDATA_CACHE": str(tmp_path)}
        server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        started.append(server)
        return server.stdout.readline().strip()

    yield start
    for server in started:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        server.stdout.close()


def free_port():
    with socket_module.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(place, path="/", **headers):
    """Send a request with exactly these headers; return status, headers and body."""
    asking = http.client.HTTPConnection(place, timeout=120)
    asking.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        asking.putheader(name.replace("_", "-"), value)
    asking.endheaders()
    answer = asking.getresponse()
    found = answer.status, answer.headers, "" if answer.status == 101 else answer.read().decode(errors="replace")
    asking.close()
    return found


def socket(place, page, **headers):
    """Ask for the websocket with the token of a page; return the status."""
    token = re.search(r'"token":"([^"]+)"', page)[1]
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    upgrade |= {"Sec_WebSocket_Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Sec_WebSocket_Protocol": f"bokeh, {token}"}
    return ask(place, "/ws", **upgrade, **headers)[0]


def test_only_the_names_of_the_server_reach_page_and_socket(served):
    here = f"127.0.0.1:{free_port()}"
    port = int(here.rpartition(":")[2])
    served(port=port, origin=["https://hub.example.org", "lab.example:8888"])
    status, headers, page = ask(here, Host=here)
    assert status == 200
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert socket(here, page, Host=here, Origin=f"http://{here}") == 101  # so that names alone decide below
    for host in (f"localhost:{port}", "hub.example.org", "lab.example:8888", "HUB.example.org:443"):
        assert ask(here, "/favicon.ico", Host=host)[0] == 200
    assert socket(here, page, Host="hub.example.org", Origin="https://hub.example.org") == 101
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", "127.0.0.1:1", ""):
        for origin in ({}, {"Origin": f"http://{host}"}, {"Origin": f"http://{here}"}):
            status, headers, said = ask(here, Host=host, **origin)
            assert (status, "--origin" in said) == (403, True)
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert socket(here, page, Host=host, Sec_Fetch_Site="same-origin", **origin) == 403
    for origin in ("http://evil.example", f"http://evil.example:{port}", "null", f"http://{here}/", f"ftp://{here}"):
        assert socket(here, page, Host=here, Origin=origin) == 403
        assert ask(here, Host=here, Origin=origin)[0] == 403
    assert ask(here, "/static/js/bokeh.min.js", Host="evil.example")[0] == 403
    assert ask(here)[0] in (400, 403), "no Host at all"


@pytest.mark.long
def test_a_password_is_asked_for_and_foreign_websockets_are_refused(served):
    url = served(password="secret")
    here = urllib.parse.urlsplit(url).netloc
    jar = http.cookiejar.CookieJar()
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def page(address, form=None):
        data = urllib.parse.urlencode(form).encode() if form else None
        with visitor.open(address, data, timeout=120) as answer:
            return answer.read().decode(errors="replace")

    asked = page(url)
    assert "Password of this dashboard" in asked
    assert "://" not in asked, "the page that asks links to another place"
    assert "That is not" in page(url + "login", {"username": "lmdata", "password": "guess"})
    shown = page(url + "login", {"username": "lmdata", "password": "secret"})
    assert "hardmax-square" in shown
    known = {"Host": here, "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)}
    assert socket(here, shown, Origin=f"http://{here}", **known) == 101
    assert socket(here, shown, Origin="http://elsewhere.example", **known) == 403
    assert socket(here, shown, Origin=f"http://{here}", Host=here) != 101, (
        "without the cookie of who knows the password"
    )
