"""The live text: the scrollback holds exactly the text, whatever is drawn below it."""

from __future__ import annotations

import random

import pytest

from chatcli.ui.live import LiveText, advance
from chatcli.ui.theme import Paint
from tests.ui.screen import Screen, screen_environment

WORDS = [
    "世界",
    "上",
    "最高的山",
    "a",
    "bc",
    " ",
    "def",
    "\n",
    "é",
    "e\u0301",
    "，",
    "👍",
    "12345",
    "\t",
]
PANEL = ["╭──╮", "│峰│", "╰──╯"]


def live_text(screen: Screen) -> LiveText:
    env = screen_environment(screen)
    return LiveText(env, Paint(env))


@pytest.mark.parametrize("columns", [20, 21, 59, 60, 80, 120])
@pytest.mark.parametrize("seed", range(3))
def test_the_scrollback_is_exact_at_any_width(columns: int, seed: int) -> None:
    words = random.Random(seed).choices(WORDS[:-1], k=150)
    screen = Screen(columns, rows=10)
    live = live_text(screen)
    for word in words:
        live.add(word, "prob.sure")
        live.draw(PANEL)
    live.close()
    expected = "".join(line.rstrip() + "\n" for line in "".join(words).split("\n"))
    assert "".join(line.rstrip() + "\n" for line in screen.text().split("\n")[:-1]).rstrip() == (
        expected.rstrip()
    )


def test_the_whole_screen_while_and_after_a_reply_scrolls() -> None:
    screen = Screen(8, rows=5)
    live = live_text(screen)
    for word in ("世界上", "最高的山", "是"):
        live.add(word)
        live.draw(PANEL)
    assert screen.lines() == ["世界上最", "高的山是", *PANEL]
    assert screen.cursor() == (1, 6)
    live.close()
    assert screen.lines() == ["世界上最", "高的山是"]
    assert screen.cursor() == (2, 0)


def test_a_character_that_fills_the_row_is_on_the_screen_at_once() -> None:
    screen = Screen(4, rows=6)
    live = live_text(screen)
    live.add("世界")
    live.draw(PANEL)
    assert screen.lines() == ["世界", *PANEL]
    live.add("\n上")
    live.draw(PANEL)
    assert screen.lines() == ["世界", "上", *PANEL]


def test_a_mark_joins_the_character_that_fills_the_row() -> None:
    screen = Screen(4, rows=6)
    live = live_text(screen)
    for part in ("abce", "\u0301", "f"):
        live.add(part)
        live.draw(PANEL)
    live.close()
    assert screen.text() == "abce\u0301f\n"


@pytest.mark.parametrize("sizes", [(40, 30), (30, 40), (24, 60)])
def test_a_resize_in_mid_reply_leaves_the_text_whole(sizes: tuple[int, int]) -> None:
    words = random.Random(1).choices(WORDS[:-1], k=80)
    screen = Screen(sizes[0], rows=24)
    live = live_text(screen)
    for index, word in enumerate(words):
        if index == 40:
            screen.resize(sizes[1], 24)
        live.add(word)
        live.draw([f"╭{'─' * 18}╮", f"╰{'─' * 18}╯"])
    live.close()
    lines = [line.rstrip() for line in "".join(words).split("\n")]
    assert [line.rstrip() for line in screen.text().split("\n")][:-1] == lines[: len(lines)]


def test_nothing_is_sent_but_cursor_and_style_sequences_and_they_are_balanced() -> None:
    screen = Screen()
    live = live_text(screen)
    live.add("text")
    live.draw(PANEL)
    assert screen.autowrap and screen.cursor_visible
    assert len(screen.sent) == 1, "a redraw is one write, or it flickers"


def test_an_empty_reply_leaves_the_screen_untouched() -> None:
    screen = Screen()
    live_text(screen).close()
    assert screen.lines() == []
    assert screen.cursor() == (0, 0)


@pytest.mark.parametrize(
    ("column", "text", "after"),
    [(0, "abc", 3), (3, "世", 2), (2, "世", 4), (4, "a", 1), (3, "a\nb", 1), (4, "\u0301", 4)],
)
def test_advance_wraps_at_four_columns(column: int, text: str, after: int) -> None:
    assert advance(column, text, 4) == after


def test_a_tab_stops_before_the_last_column() -> None:
    assert [advance(column, "\t", 20) for column in (0, 7, 8, 17)] == [8, 8, 16, 19]


def test_the_text_gives_way_to_other_rows() -> None:
    screen = Screen(8, rows=6)
    screen.write("old\n")
    live = live_text(screen)
    live.add("世界上最高的山")
    live.draw(PANEL)
    live.close()
    assert live.replace(["new", "rows"])
    assert screen.lines() == ["old", "new", "rows"] and screen.cursor() == (3, 0)


def test_rows_among_which_others_wrote_are_left_alone() -> None:
    screen = Screen(20, rows=9)
    live = live_text(screen)
    live.add("ours")
    live.leave()
    screen.write("theirs\n")
    live.add("ours again")
    live.close()
    assert not live.replace(["new"])
    assert screen.lines() == ["ours", "theirs", "ours again"]


@pytest.mark.parametrize(("aside", "shown"), [("12 tokens", "山 12 toke…"), ("5", "山 5")])
def test_an_aside_stands_behind_the_text_until_the_next_redraw(aside: str, shown: str) -> None:
    screen = Screen(12, rows=9)
    live = live_text(screen)
    live.add("山 ")
    for panel in (PANEL, []):
        live.draw(panel, aside)
        assert screen.lines() == [shown, *panel]
    live.add("峰")
    live.draw([])
    assert screen.lines() == ["山 峰"]
