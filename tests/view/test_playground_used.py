"""The page that computes, used: every control by mouse and by keyboard, links, Python to take away, hostile names."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata

from .conftest import BROKEN, NAMES
from .test_playground import DIGEST, PART, VERDICT, opened, written

pytestmark = [pytest.mark.long, pytest.mark.browser]

TELL = f"return [{DIGEST}, {PART.format('told')}.textContent, {PART.format('pointed')}.textContent]"
RING = """
const ring = document.querySelectorAll("[data-part=plane] .ring")[arguments[0]];
ring.scrollIntoView({block: "center"});
const box = ring.querySelector(".mark").getBoundingClientRect();
return [box.left + box.width / 2, box.top + box.height / 2];
"""
TAB, LEFT, RIGHT, UP, DELETE, PAGE_DOWN, CONTROL = "\ue004\ue012\ue014\ue013\ue017\ue00f\ue009"


@pytest.fixture(scope="module")
def schedule():
    model = lmdata.Localmax(lmdata.schedules.Geometric(0.5, 0.9), 0.7)
    return lmdata.simulate(model, lmdata.tokens.uniform(8, 2), steps=30, seeds=(0, 4))


@pytest.fixture(scope="module")
def solid():
    matrix = [[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.5]]
    return lmdata.simulate(lmdata.Localmax(0.1, 1.0, matrix), lmdata.tokens.uniform(9, 3), steps=25)


def part(browser, name):
    return browser.driver.find_element("css selector", f"[data-part={name}]")


def told(browser):
    """Return digest, summary and what is said of the token pointed at, once the digest is there."""
    browser.wait(f"{DIGEST}.length === 64")
    return browser.run(TELL)


def changed(browser, act):
    """Act, and wait until another digest is shown."""
    before = told(browser)[0]
    act()
    browser.wait(f"{DIGEST}.length === 64 && {DIGEST} !== '{before}'")
    return told(browser)


def mouse(browser, kind, x, y, **more):
    button = {} if kind == "mouseMoved" and not more else {"button": "left", "clickCount": 1, "buttons": 1} | more
    browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **button})


def drag(browser, ring, by):
    x, y = browser.run(RING, ring)
    mouse(browser, "mousePressed", x, y)
    for share in (0.5, 1.0):
        mouse(browser, "mouseMoved", x + share * by[0], y + share * by[1], buttons=1)
        browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    mouse(browser, "mouseReleased", x + by[0], y + by[1])


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).send_keys(*keys).perform()


def executed(browser):
    """Run the Python that the page offers; it compares the digest itself."""
    part(browser, "python").click()
    code = part(browser, "copied").get_attribute("value")
    assert "assert ds.digest.item()" in code
    exec(compile(code, "copied", "exec"), {})
    return code


def test_every_control_moves_what_is_shown(browser, square, tmp_path):
    browser.size(1280, 800)
    page = written(square, tmp_path)
    opened(browser, page)
    own = square.digest.sel(alignment_sensitivity=0.1, seed=0).item()
    assert told(browser)[0] == own
    changed(browser, lambda: drag(browser, 3, (-40, 25)))
    assert "token 3" in told(browser)[2].lower()
    changed(browser, part(browser, "undo").click)
    assert told(browser)[0] == own
    changed(browser, part(browser, "add").click)
    assert "13 tokens" in told(browser)[1]
    changed(browser, part(browser, "remove").click)
    assert told(browser)[0] == own
    for name in ("sensitivity-slider", "influence-slider"):
        changed(browser, lambda name=name: part(browser, name).send_keys(RIGHT * 5))
    for name, value in (("sensitivity", "0.25"), ("influence", "2.5"), ("steps", "9")):
        box = part(browser, name)
        changed(browser, lambda box=box, value=value: box.send_keys(CONTROL + "a" + CONTROL, value + TAB))
    assert "of 9" in told(browser)[1]
    changed(browser, lambda: part(browser, "seed").send_keys("seed 1"))
    chart = part(browser, "vertices")
    changed(browser, chart.click)
    chips = browser.driver.find_elements("css selector", "[data-set=sensitivity]")
    assert [chip.text for chip in chips] == ["0", "0.1", "1"]
    changed(browser, chips[2].click)
    assert browser.errors() == []
    assert browser.requests()[-1] == page.as_uri()


def test_time_is_played_stepped_and_chosen(browser, square, tmp_path):
    browser.size(1280, 800)
    opened(browser, written(square, tmp_path, time=0))
    assert told(browser)[1].startswith("step 0 of 6")
    part(browser, "forth").click()
    assert told(browser)[1].startswith("step 1 of 6")
    part(browser, "back").click()
    part(browser, "play").click()
    browser.wait(f"{PART.format('step')}.textContent === 'step 6' && {PART.format('play')}.textContent === '▶'")
    part(browser, "first").click()
    assert told(browser)[1].startswith("step 0 of 6")
    part(browser, "last").click()
    part(browser, "time").send_keys(LEFT)
    assert told(browser)[1].startswith("step 5 of 6")
    part(browser, "hulls").click()
    assert told(browser)[1].startswith("step 3 of 6")


def test_the_neighbourhood_of_the_token_pointed_at_is_that_of_python(browser, square, tmp_path):
    from lmdata.dynamics.kernels.canonical import neighbourhoods

    browser.size(1280, 800)
    opened(browser, written(square, tmp_path, time=0))
    start = square.position.sel(alignment_sensitivity=0.1, seed=0, time=0).values
    for token in (0, 5, 11):
        mouse(browser, "mouseMoved", *browser.run(RING, token))
        near = np.flatnonzero(neighbourhoods(start, 0.1)[token]).tolist()
        said = told(browser)[2]
        assert said.startswith(f"Token {token} at")
        assert f": {', '.join(map(str, near))}" in said
        assert (" a leader" in said) == (token in near)
        links = browser.run("return document.querySelectorAll('.links path').length")
        assert links == len(set(near) - {token})


def test_the_keyboard_alone_on_a_telephone(browser, square, tmp_path):
    browser.size(390, 844)
    opened(browser, written(square, tmp_path))
    own = told(browser)[0]
    edges = "return [...document.querySelectorAll('.board *')].map((e) => e.getBoundingClientRect().right)"
    assert max(browser.run(edges)) <= 390
    press(browser, TAB)
    assert browser.run("return document.activeElement.dataset.token") == "0"
    assert browser.run("return document.activeElement.getAttribute('aria-label')").startswith("token 0, start at (")
    press(browser, PAGE_DOWN)
    changed(browser, lambda: press(browser, RIGHT, RIGHT, UP))
    changed(browser, lambda: press(browser, LEFT))
    changed(browser, lambda: press(browser, "a"))
    assert "13 tokens" in told(browser)[1]
    changed(browser, lambda: press(browser, DELETE))
    assert "12 tokens" in told(browser)[1]
    seen = []
    for _ in range(40):
        press(browser, TAB)
        seen.append(
            browser.run("return document.activeElement.dataset.part || document.activeElement.dataset.set || ''")
        )
    for name in (
        "play",
        "time",
        "sensitivity",
        "sensitivity-slider",
        "influence",
        "steps",
        "seed",
        "undo",
        "link",
        "check",
    ):
        assert name in seen
    part(browser, "undo").send_keys("\n")
    browser.wait(f"{DIGEST} === '{own}'")
    assert browser.errors() == []


def test_a_finger_drags_a_ring_and_does_not_scroll(browser, square, tmp_path):
    browser.size(390, 844)
    opened(browser, written(square, tmp_path))
    x, y = browser.run(RING, 3)
    before = browser.run("return scrollY")

    def touch(kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def swipe():
        touch("touchStart", (x, y))
        for k in range(1, 5):
            touch("touchMove", (x - 6 * k, y + 9 * k))
        touch("touchEnd")

    changed(browser, swipe)
    assert browser.run("return scrollY") == before
    np.testing.assert_allclose(browser.run(RING, 3), [x - 24, y + 36], atol=1.5)


@pytest.mark.parametrize("name", ["square", "schedule", "solid"])
def test_links_and_python_hold_what_is_shown(browser, request, tmp_path, name):
    ds = request.getfixturevalue(name)
    browser.size(1280, 800)
    page = written(ds.drop_attrs(deep=False).assign_attrs(ds.attrs | {"catalogue_name": ""}), tmp_path)
    opened(browser, page)
    browser.wait(f"{VERDICT} === 'same'")
    executed(browser)
    changed(browser, lambda: drag(browser, 2, (30, -35)))
    changed(browser, part(browser, "add").click)
    changed(browser, lambda: part(browser, "sensitivity-slider").send_keys(LEFT * 3))
    part(browser, "back").click()
    executed(browser)
    part(browser, "link").click()
    link, shown = part(browser, "copied").get_attribute("value"), told(browser)
    browser.open("about:blank", "true")
    browser.open(link, "document.documentElement.dataset.ready === 'yes'")
    assert told(browser)[:2] == shown[:2]
    for damaged in (link.replace("added=", "added=%"), link.replace("of=", "of=x"), link.replace("delta=", "delta=-")):
        browser.open("about:blank", "true")
        browser.open(damaged, "document.documentElement.dataset.ready === 'yes'")
        assert told(browser)[0] != shown[0]
        assert "link" in part(browser, "said").text
    assert browser.errors() == []


def test_python_of_a_catalogued_start_begins_with_it(browser, tmp_path):
    browser.size(1280, 800)
    opened(browser, written(lmdata.open("hardmax-square"), tmp_path))
    assert 'lmdata.open("hardmax-square").sel(seed=0)' in executed(browser)
    changed(browser, lambda: drag(browser, 1, (20, 20)))
    changed(browser, part(browser, "add").click)
    changed(browser, lambda: (drag(browser, 4, (1, 0)), press(browser, DELETE)))
    code = executed(browser)
    assert "numpy.vstack" in code
    assert "tokens = start[[0,1,2,3,5,6,7,8,9]]" in code


def test_hostile_names_and_links_run_nothing(browser, sentence, tmp_path):
    ds = sentence.assign_coords(token=list(NAMES))
    ds.attrs["catalogue_name"] = NAMES[0]
    page = written(ds, tmp_path, NAMES[0])
    opened(browser, page)
    assert browser.run("return document.title") == NAMES[0]
    assert part(browser, "text").text.count("script") >= 1
    for token in range(8):
        mouse(browser, "mouseMoved", *browser.run(RING, token))
    part(browser, "python").click()
    for hostile in (
        "#board=0&seed=<img src=x onerror=window.broken=1>",
        "#board=0&of=" + BROKEN,
        "#" + NAMES[1],
        "#board=0",
    ):
        browser.run("location.hash = arguments[0]", hostile)
    assert not browser.run("return window.broken")
    assert browser.errors() == []


def test_dark_and_light_follow_the_system(browser, square, tmp_path):
    opened(browser, written(square, tmp_path))
    seen = []
    for scheme in ("dark", "light"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        seen.append(browser.picture().mean())
    assert seen[0] < 70
    assert seen[1] > 200
