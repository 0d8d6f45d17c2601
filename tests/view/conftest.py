"""Datasets to draw, and a headless browser that can reach nothing beyond loopback."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import selectors
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import lmdata

WORDS = ("the@1", "film", "opens", "and@4", "the@5", "kitchen", "and@7", "daughter")
MARKUP = "<script>window.broken=1</script>"
BROKEN = "window.broken=1"
NAMES = (
    f"<script>{BROKEN}</script>",
    f"<img src=x onerror={BROKEN}>",
    f'"><svg onload={BROKEN}>',
    f"' onmouseover={BROKEN} x='",
    f"]]><script>{BROKEN}</script>",
    f"</script><script>{BROKEN}</script>",
    f"javascript:{BROKEN}",
    f"[x](javascript:{BROKEN}) {{{{ 7*7 }}}} $$\\href{{javascript:{BROKEN}}}{{x}}$$",
)
"""Names that would do something, if a view took them for anything but text."""

CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--window-size=1440,1000",
)


@pytest.fixture(scope="session")
def square():
    """Twelve tokens in the plane, three sensitivities and two seeds."""
    sweep = {"alignment_sensitivity": [0.0, 0.1, 1.0]}
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(12, 2), steps=6, seeds=(0, 1), sweep=sweep)
    ds.attrs["catalogue_name"] = "little-square"
    return ds


@pytest.fixture(scope="session")
def sentence():
    """Eight words of five components, three sensitivities."""
    sweep = {"alignment_sensitivity": [0.0, 1.0, 4.0]}
    ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.normal(8, 5), steps=6, sweep=sweep)
    ds = ds.assign_coords(token=list(WORDS))
    ds.attrs["catalogue_name"] = "sentence"
    return ds


@pytest.fixture(scope="session")
def marked(sentence):
    """The sentence with markup, formulas and control characters for names."""
    names = [MARKUP, "$$x^2$$", "$x$ & co", "\\(a\\)", "line\nbreak", "x" * 300, "kitchen", "<b>bold</b>"]
    ds = sentence.assign_coords(token=names)
    ds.attrs["catalogue_name"] = MARKUP
    ds.attrs["title"] = f"A title {MARKUP}"
    return ds


# figures live in shadow roots; each has a canvas
CANVASES = """
const found = [];
(function walk(root) {
  root.querySelectorAll("*").forEach((element) => {
    if (element.matches("canvas") && element.width > 100) found.push(element.toDataURL());
    if (element.shadowRoot) walk(element.shadowRoot);
  });
})(document);
return found;
"""


# where a place of a figure is on the screen, once it is scrolled there
PLACE = """
const [title, x, y] = arguments;
const shown = [...Bokeh.documents[0].all_models].filter((m) => m.type === "Figure" && m.inner_width > 0);
const figure = shown.find((m) => m.title.text.startsWith(title));
if (!figure) return null;
const view = Bokeh.index.find_one(figure);
view.el.scrollIntoView({block: "center"});
const box = view.el.getBoundingClientRect();
return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
"""


class Browser:
    """A driven Chromium, with what the tests ask of it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, ready, *, seconds=30):
        """Open a page and wait until the JavaScript condition holds."""
        self.driver.get(url)
        self.wait(ready, seconds=seconds)

    def wait(self, condition, *, seconds=10):
        end = time.monotonic() + seconds
        while not self.driver.execute_script(f"return Boolean({condition})"):
            assert time.monotonic() < end, f"the page did not come to: {condition}"
            time.sleep(0.05)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def changed(self, before, *, least=1, seconds=10):
        """Wait until the pixels of so many figures differ from ``before``; return those that there are then."""
        end = time.monotonic() + seconds
        while True:
            figures = self.figures()
            if sum(now != then for now, then in zip(figures, before, strict=True)) >= least:
                return figures
            assert time.monotonic() < end, "the figures did not change"
            time.sleep(0.05)

    def figures(self):
        """Return what is drawn on each canvas of the page."""
        return self.run(CANVASES)

    def picture(self):
        """Return the whole page as an array of pixels."""
        from PIL import Image

        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
        with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
            return np.asarray(image.convert("RGB")).astype(int)

    def requests(self):
        """Return every address asked for since the last call, but for what the page has in itself."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                url = message["params"].get("url") or message["params"]["request"]["url"]
                if not url.startswith(("data:", "blob:", "chrome:")):
                    found.append(url)
        return found

    def tap(self, title, x, y):
        """Click into the figure of a title that is shown, at a place in its own coordinates, as a mouse does."""
        end, place, before = time.monotonic() + 20, None, None
        while place is None or place != before:  # until the page has come to rest
            assert time.monotonic() < end, f"no figure shown is called {title!r}, or it never rests"
            before, place = place, self.run(PLACE, title, x, y)
            time.sleep(0.2)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
            event = {"type": kind, "x": place[0], "y": place[1], **button}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def size(self, width, height):
        """Show the page as on a screen of this size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def errors(self):
        """Return what the console reported as an error since the last call."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


SERVER = """
import sys
from lmdata.view.server import serve
serve(sys.argv[1], open_browser=False, ready=lambda url: print(url, flush=True))
"""


@contextlib.contextmanager
def serving(store, cache):
    """Serve the dashboard of a stored dataset from a process of its own; give the process and its address."""
    environment = {**os.environ, "LMDATA_CACHE": str(cache), "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-c", SERVER, store]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        with selectors.DefaultSelector() as waiting:
            waiting.register(server.stdout, selectors.EVENT_READ)
            assert waiting.select(60), "the server did not say that it listens"
        url = server.stdout.readline().strip()
        assert url, "the server ended before it listened"
        yield server, url
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser session for a module."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("chromium and chromedriver are not installed (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    from selenium.webdriver.chrome.service import Service

    session = webdriver.Chrome(options=options, service=Service(driver))
    session.set_script_timeout(20)
    session.set_page_load_timeout(40)
    try:
        yield Browser(session)
    finally:
        session.quit()
