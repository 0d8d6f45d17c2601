"""Who may see the dashboard: this machine, unless told otherwise with a password."""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import signal
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


@pytest.mark.long
def test_a_password_is_asked_for_and_foreign_websockets_are_refused(tmp_path):
    code = (
        "from lmdata.view.server import serve\n"
        "serve('hardmax-square', open_browser=False, password='secret', ready=lambda url: print(url, flush=True))"
    )
    environment = {**os.environ, "LMDATA_CACHE": str(tmp_path)}
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        url = server.stdout.readline().strip()
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        visitor = urllib.request.build_opener(cookies)

        def page(address, form=None):
            data = urllib.parse.urlencode(form).encode() if form else None
            with visitor.open(address, data, timeout=30) as answer:
                return answer.read().decode()

        asked = page(url)
        assert "Password of this dashboard" in asked
        assert "://" not in asked, "the page that asks links to another place"
        assert "That is not" in page(url + "login", {"username": "lmdata", "password": "guess"})
        assert "hardmax-square" in page(url + "login", {"username": "lmdata", "password": "secret"})
        foreign = {"Origin": "http://elsewhere.example", "Upgrade": "websocket", "Connection": "Upgrade"}
        foreign |= {"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version": "13"}
        asking = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)
        asking.request("GET", "/ws", headers=foreign)
        assert asking.getresponse().status == 403
        asking.close()
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        server.stdout.close()
