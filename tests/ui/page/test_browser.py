"""The page in a real browser: what is shown, by pointer and by keys, and that nothing else runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatcli.probe.report import Report
from chatcli.ui.page.report import report_page
from tests.ui.page.browser import Browser, browser_path
from tests.ui.page.telling import HOSTILE, report_of, told

pytestmark = pytest.mark.skipif(browser_path() is None, reason="there is no Chromium here")

WORDS = ("One", " two", " three", "\n\n", "中", " five", " six", " seven")
PROBS = (0.9, 0.02, 0.5, 0.6, 0.9, 0.01, 0.7, 0.03)
REPLY = [told(word, prob, rivals=["x", "y"]) for word, prob in zip(WORDS, PROBS, strict=True)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = browser_path()
    assert found is not None
    browser = Browser(found, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A page of two replies."""
    return page_of(report_of(REPLY, REPLY[:3]), tmp_path)


def page_of(report: Report, folder: Path) -> Path:
    path = folder / "页.html"
    path.write_text(report_page(report, top=3), encoding="utf-8")
    return path


def table(browser: Browser) -> str:
    text: str = browser.run("document.querySelector('#panel').innerText")
    return text


def current(browser: Browser) -> int:
    """The place of the focused token among all, -1 for none."""
    place: int = browser.run(
        "[...document.querySelectorAll('.told > span')].indexOf(document.activeElement)"
    )
    return place


def complaints(browser: Browser) -> list[object]:
    """Everything that the browser refused, warned of, threw, or fetched besides the page."""
    told_of = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    asked = [each["request"]["url"] for each in browser.told("Network.requestWillBeSent")]
    issues = browser.told(*told_of, "Audits.issueAdded", "Page.javascriptDialogOpening")
    return [*issues, *asked[1:]]


def test_a_click_shows_the_tokens_table(browser: Browser, written: Path) -> None:
    browser.open(written)
    assert "Point at a token" in table(browser)
    browser.point(".told > span", click=True, nth=2)
    shown = table(browser)
    assert "token 3 of 8, id 7: model 50.0 %, rank 1, 1.00 bits" in shown
    assert "drawn with 75.0 %, entropy 1.50 bits; u = 0.25 in its [0, 0.75)" in shown
    assert "x\t1.0 %\ttop_k" in shown and "top_k\t40\t1.25 bits" in shown
    assert current(browser) == 2 and not complaints(browser)


def test_pointing_shows_a_table_and_gives_the_picked_one_back(
    browser: Browser, written: Path
) -> None:
    browser.open(written)
    browser.point(".told > span", click=True, nth=0)
    browser.point(".told > span", nth=5)
    assert "token 6 of 8" in table(browser) and current(browser) == 0
    browser.point("h1")
    assert "token 1 of 8" in table(browser)


@pytest.mark.slow
def test_tokens_that_scroll_below_a_resting_mouse_are_not_pointed_at(
    browser: Browser, tmp_path: Path
) -> None:
    browser.open(page_of(report_of([told(f" w{at}") for at in range(2000)]), tmp_path))
    browser.point(".told > span", click=True, nth=1000)
    browser.press("End")
    assert "token 2000 of 2000" in table(browser)
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert "token 2000 of 2000" in table(browser)


def test_keys_go_from_token_to_token(browser: Browser, written: Path) -> None:
    browser.open(written)
    browser.press("Tab")
    assert current(browser) == 0 and "token 1 of 8" in table(browser)
    places = []
    for key in ("ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home", "n", "n", "p"):
        browser.press(key)
        places.append(current(browser))
    assert places == [1, 7, 8, 7, 0, 1, 5, 1]
    browser.press("Home", "ArrowLeft")
    assert current(browser) == 0  # nothing is before the first
    browser.press("Escape")
    assert current(browser) == -1 and "Point at a token" in table(browser)
    assert not complaints(browser)


def test_arrows_go_from_line_to_line(browser: Browser, written: Path) -> None:
    browser.open(written)
    browser.press("Tab", "ArrowRight")
    browser.press("ArrowDown")
    while current(browser) == 3:  # the newlines themselves
        browser.press("ArrowDown")
    below = current(browser)
    assert 4 <= below <= 7
    browser.press("ArrowUp", "ArrowUp")
    assert current(browser) <= 3


def test_the_focus_is_seen_and_said(browser: Browser, written: Path) -> None:
    browser.open(written)
    browser.press("Tab", "ArrowRight")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outline) == "solid"
    said = browser.run(
        "[document.activeElement.role, document.activeElement.getAttribute('aria-current'),"
        "document.getElementById(document.activeElement.getAttribute('aria-describedby'))"
        ".textContent]"
    )
    assert said == ["button", "true", "token 2 of 8, id 7: model 2.0 %, rank 1, 5.64 bits"]
    assert browser.run("document.querySelectorAll('.told [tabindex]').length") == 2
    browser.press("Tab")
    assert current(browser) == -1 or current(browser) == 8


def test_the_plot_marks_the_token_and_finds_one(browser: Browser, written: Path) -> None:
    browser.open(written)
    browser.point(".told > span", click=True, nth=2)
    assert browser.run("document.querySelector('.cursor').getAttribute('d')") == "M2.5 0V60"
    browser.point(".plot svg", click=True)
    assert current(browser) in (3, 4)  # the middle of eight


def test_copied_text_is_the_text(browser: Browser, written: Path) -> None:
    browser.open(written)
    copied = browser.run(
        "(() => { getSelection().selectAllChildren(document.querySelector('.told'));"
        "return getSelection().toString(); })()"
    )
    assert copied == "".join(WORDS)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_follows_light_and_dark(browser: Browser, written: Path, dark: bool) -> None:
    browser.open(written, dark=dark)
    red, *_ = browser.run(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (red < 60) == dark


def test_a_surprise_is_told_without_colour(browser: Browser, written: Path) -> None:
    browser.open(written)
    style = "getComputedStyle(document.querySelectorAll('.told > span')[{}])"
    sure, surprise = (
        browser.run(f"[{style.format(at)}.textDecorationLine, {style.format(at)}.fontWeight]")
        for at in (0, 1)
    )
    assert sure == ["none", "400"] and surprise == ["underline", "600"]


def test_the_page_can_be_read_without_its_script(browser: Browser, written: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(written)
        shown = browser.run(
            "[document.body.innerText.includes('seven'), "
            "getComputedStyle(document.querySelector('#panel')).display]"
        )
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert shown == [True, "none"]


@pytest.mark.parametrize("width", [320, 480, 1000, 1400])
def test_nothing_is_wider_than_the_window(browser: Browser, written: Path, width: int) -> None:
    browser.open(written, width=width)
    browser.point(".told > span", click=True, nth=2)
    wide = browser.run("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1] == width


def test_hostile_texts_run_nothing(browser: Browser, tmp_path: Path) -> None:
    tokens = [told(text, rivals=HOSTILE) for text in HOSTILE]
    made = report_of(tokens, title="".join(HOSTILE), user="".join(HOSTILE))
    ((user, reply),) = made.turns
    bad = replace(reply, name="".join(HOSTILE), made=(("".join(HOSTILE),) * 2,))
    browser.open(page_of(replace(made, facts=HOSTILE, turns=((user, bad),)), tmp_path))
    for at in range(len(HOSTILE)):
        browser.point(".told > span", click=True, nth=at)
        assert f"token {at + 1} of {len(HOSTILE)}" in table(browser)
    assert browser.run("typeof window.ran") == "undefined"
    assert browser.run("document.querySelectorAll('script, img, svg').length") == 3
    assert not complaints(browser)


@pytest.mark.slow
def test_ten_thousand_tokens_stay_usable(browser: Browser, tmp_path: Path) -> None:
    """Tables are made on demand: the page holds an element a token, and little besides."""
    many = [told(f" w{at}", 0.3, rivals=["x", "y"]) for at in range(10_000)]
    browser.open(page_of(report_of(many), tmp_path))
    assert browser.run("document.querySelectorAll('*').length") < 10_100
    browser.point(".told > span", click=True, nth=5000)
    browser.press("ArrowRight", "ArrowDown", "End")
    assert "token 10000 of 10000" in table(browser)
    assert browser.run("document.querySelectorAll('*').length") < 10_200
