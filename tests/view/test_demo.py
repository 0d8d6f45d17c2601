"""The demo, whole: what it prints, the files it leaves, and its page driven in a browser; a catalogued dashboard."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import lmdata
from lmdata.demo import demo

pytestmark = pytest.mark.long

SLIDE = """
const input = arguments[0];
input.value = (Number(input.value) + 1) % (Number(input.max) + 1);
input.dispatchEvent(new Event("input"));
"""

SLIDERS = """
const found = [];
(function walk(root) {
  root.querySelectorAll('*').forEach((element) => {
    if (element.matches('input[type=range]')) found.push(element);
    if (element.shadowRoot) walk(element.shadowRoot);
  });
})(document);
return found;
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run the demo; return what it says and what it returns."""
    pytest.importorskip("wordllama", reason="the extra `text` is not installed")
    lines: list[str] = []
    found = demo(tmp_path_factory.mktemp("demo"), say=lines.append)
    return "\n".join(lines), found


def test_it_tells_which_words_gather_at_three_sensitivities(made):
    told, _ = made
    counts = [int(number) for number in re.findall(r"sensitivity \S+: (\d+) clusters?,", told)]
    assert len(counts) == 3
    assert counts[0] > 40 > counts[1] > counts[2] == 1
    assert "1 cluster," in told
    assert "not settled" not in told
    assert "random directions of the same lengths" in told


def test_it_leaves_what_it_names(made):
    _, found = made
    for place in (found["page"], found["picture"], *found["pipelines"].values()):
        assert Path(place).stat().st_size > 10_000


def test_a_sentence_of_ones_own_takes_the_place_of_the_review(tmp_path, monkeypatch):
    pytest.importorskip("wordllama", reason="the extra `text` is not installed")
    monkeypatch.setattr("lmdata.pipeline.analyse", lambda name, **given: {"none": str(tmp_path / "none.html")})
    text = "The sea was calm, and the old boat came home slowly; nobody had waited for the boat."
    lines: list[str] = []
    found = demo(tmp_path / "out put", text=text, say=lines.append)
    told = "\n".join(lines)
    kept = lmdata.open(found["sentence"])
    assert list(kept.token.values[:3]) == ["The", "sea", "was"]
    assert dict(kept.sizes) | {"token": 0} == dict(lmdata.open("film-review").sizes) | {"token": 0}
    assert f"lmdata dashboard '{found['sentence']}' #" in told
    assert "film-review" not in told
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "boat" in page
    assert Path(found["picture"]).name == f"{Path(found['sentence']).name}.png"
    assert demo(tmp_path / "out put", text=text, say=lines.append)["sentence"] == found["sentence"]


@pytest.mark.browser
def test_every_slider_of_its_page_changes_the_figures_and_nothing_is_requested(made, browser):
    page = Path(made[1]["page"]).as_uri()
    browser.requests()
    browser.open(page, "document.documentElement.dataset.ready === 'yes'")
    sliders = browser.driver.find_elements("css selector", ".sliders input[type=range]")
    assert [slider.get_attribute("data-dim") for slider in sliders] == ["seed", "alignment_sensitivity", "seed"]
    drawn = browser.figures()
    for slider in sliders:
        browser.run(SLIDE, slider)
        drawn = browser.changed(drawn)
    assert browser.requests() == [page]
    assert browser.errors() == []


@pytest.mark.browser
def test_its_page_opens_where_words_have_gathered_and_its_sections_are_linked(made, browser):
    browser.size(1280, 800)
    browser.open(Path(made[1]["page"]).as_uri(), "document.documentElement.dataset.ready === 'yes'")
    sentence, square = browser.driver.find_elements("css selector", "[data-board]")
    told = "return [...document.querySelectorAll('[data-part=text] span')].map((e) => [e.className, e.textContent])"
    colours = browser.run(told)
    largest = Counter(colour for colour, _ in colours if colour != "ink").most_common(1)[0][0]
    words = [word for colour, word in colours if colour == largest]
    assert sentence.find_element("css selector", "[data-part=text]").text.startswith("The film opens slowly and for")
    assert len(words) > 20
    assert {"and", "the", "that"} <= set(words)
    chosen = "return [...document.querySelectorAll('[data-part=sensitivity], output[for]')].map((e) => e.value)"
    assert browser.run(chosen) == ["0.05", "0.05", "0", "0.05", "0"]
    sentence.find_element("css selector", "[data-set=sensitivity][value='0.3']").click()
    assert browser.run(chosen) == ["0.3", "0.3", "0", "0.3", "0"]
    square.find_element("css selector", "[data-part=seed]").send_keys("seed 2")
    assert browser.run(chosen) == ["0.3", "0.3", "2", "0.3", "2"]
    slider = browser.driver.find_elements("css selector", ".sliders input[type=range]")[1]
    slider.send_keys("\ue014")
    assert browser.run(chosen) == ["0.8", "0.8", "2", "0.8", "2"]
    browser.wait("document.querySelectorAll('.same').length === 1")  # the review has no sensitivity .8
    links = browser.driver.find_elements("css selector", "nav a")
    assert [link.text for link in links][:2] == ["Words that end at one point", "Tokens in the square"]


@pytest.mark.browser
def test_the_dashboard_of_a_catalogued_dataset_is_drawn_and_linked(browser, tmp_path):
    command = [sys.executable, "-m", "lmdata", "dashboard", "localmax-vanishing", "--no-browser"]
    with (tmp_path / "said").open("w") as said:
        server = subprocess.Popen(command, stdout=said)
    try:
        url = address(tmp_path / "said", server)
        browser.requests()
        browser.open(url, "window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle", seconds=60)
        browser.wait(f"(() => {{ {SLIDERS} }})().length === 2", seconds=20)
        drawn = browser.figures()
        for number in range(2):
            browser.run(SLIDERS)[number].send_keys("\ue014")  # arrow to the right
            drawn = browser.changed(drawn)
        outside = [u for u in browser.requests() if not u.startswith((url, url.replace("http:", "ws:")))]
        assert outside == []
    finally:
        server.terminate()
        server.wait(20)


def address(said, server):
    """Wait, at most a minute, until the server says where it is."""
    deadline = time.monotonic() + 60
    while not (found := re.search(r"http://\S+", said.read_text())):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server said nothing"
        time.sleep(0.1)
    return found.group()
