"""The terminal of the tests does with a sequence what real terminals do."""

from __future__ import annotations

import pytest

from tests.ui.screen import Screen


def shown(written: str, columns: int = 10, rows: int = 4) -> list[str]:
    screen = Screen(columns, rows)
    screen.write(written)
    return screen.lines()


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("abc\x1b[2Dx", ["axc"]),
        ("abc\bx", ["abx"]),
        ("a\x1b[Cx", ["a x"]),
        ("a\x1b[2Bx", ["a", "", " x"]),
        ("a\nb\x1b[Hx", ["x", "b"]),
        ("a\x1b[3;2Hx", ["a", "", " x"]),
        ("abc\r\x1b[Cx\x1b[K", ["ax"]),
    ],
)
def test_the_cursor_goes_where_it_is_sent(written: str, lines: list[str]) -> None:
    assert shown(written) == lines


@pytest.mark.parametrize("way", ["\x1b[99A", "\x1b[99D", "\x1b[H"])
def test_no_way_leads_off_the_screen(way: str) -> None:
    screen = Screen(10, 4)
    screen.write("\n\n\x1b[99B\x1b[99C")
    assert screen.cursor() == (3, 9)
    screen.write(way)
    assert screen.cursor() in {(0, 9), (3, 0), (0, 0)}


def test_home_is_the_top_of_the_screen_and_not_of_the_scrollback() -> None:
    assert shown("1\n2\n3\n4\n5\x1b[Hx", rows=3) == ["1", "2", "x", "4", "5"]


def test_the_alternate_screen_gives_back_what_it_lay_over() -> None:
    screen = Screen(10, 4)
    screen.write("\x1b[1mbefore\x1b[0m")
    screen.write("\x1b[?1049h\x1b[?2004h\x1b[?1l\x1b[?12l")
    assert screen.lines() == []
    screen.write("\x1b[7mover")
    assert screen.styled() == [[(at, one, ";7") for at, one in enumerate("over")]]
    screen.write("\x1b[0m\x1b[?1049l!")
    assert screen.lines() == ["before!"]
    assert [pen for _, _, pen in screen.styled()[0]] == [*[";1"] * 6, ""]


def test_a_style_that_begins_with_a_reset_ends_those_before() -> None:
    screen = Screen()
    screen.write("\x1b[1ma\x1b[4mb\x1b[0;2mc\x1b[md")
    assert [pen for _, _, pen in screen.styled()[0]] == [";1", ";1;4", ";2", ""]


@pytest.mark.parametrize("sequence", ["\x1b[2J", "\x1b[1K", "\x1b[?1000h", "\x1b[5n", "\x07"])
def test_what_nothing_here_sends_is_refused(sequence: str) -> None:
    with pytest.raises(AssertionError):
        shown(sequence)
