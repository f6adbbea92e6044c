"""The tokens of a context as they stand on screens of several widths."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from chatcli.chat.parts import Part
from chatcli.ui.theme import Paint
from chatcli.ui.tokens_view import token_flow, token_heading, token_rows
from tests.fakes import BOS, END, USER, ByteTokenizer
from tests.ui.replies import PieceTokenizer
from tests.ui.screen import Screen, screen_environment

PIECES: list[str | bytes] = ["你好", b"\xe4\xb8", b"\x96", " a\n", "\x1b[2J", "very long piece" * 3]
WORDS = PieceTokenizer(PIECES)
SAID = (Part("message", 1, 0, (0, 3, 4)), Part("reply", 1, 3, (1, 2, 0, 5)))
CHAT = (Part("template", 1, 0, (BOS, USER)), Part("message", 1, 2, (104, 105)))


def paint(screen: Screen, colours: bool = True) -> Paint:
    return Paint(screen_environment(screen, color_system="256" if colours else None))


def flow(columns: int) -> list[str]:
    screen = Screen(columns, 60)
    screen.write("\n".join(token_flow(SAID, WORDS, paint(screen), columns)))
    return screen.lines()


def test_ids_stand_under_their_pieces() -> None:
    assert flow(60) == [
        "message 1  你好  ␣a↵  ␛[2J",
        "           0     3    4",
        "reply 1    ⟨E4 B8⟩  ⟨96⟩  你好",
        "           1        2     0",
        "           very␣long␣piecevery␣long␣piecevery␣long␣piece",
        "           5",
    ]


def test_a_narrow_screen_breaks_between_tokens() -> None:
    assert flow(30) == [
        "message…  你好  ␣a↵  ␛[2J",
        "          0     3    4",
        "reply 1   ⟨E4 B8⟩  ⟨96⟩  你好",
        "          1        2     0",
        "          very␣long␣piecevery…",
        "          5",
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 120])
def test_no_line_is_wider_than_the_screen(columns: int) -> None:
    many = (Part("reply", 12, 0, tuple([0, 1, 2, 3] * 60)),)
    for lines in (
        token_flow(many, WORDS, paint(Screen(), False), columns),
        token_rows(many, WORDS, paint(Screen(), False), columns),
    ):
        screen = Screen(200, 300)
        screen.write("\n".join(lines))
        assert max(map(cell_len, screen.lines())) <= columns


def test_control_tokens_have_a_mark_and_a_style_of_their_own() -> None:
    screen = Screen(60)
    screen.write("\n".join(token_flow(CHAT, ByteTokenizer(), paint(screen), 60)))
    assert screen.lines() == [
        "template   ◆<bos>  ◆<user>",
        "           256     259",
        "message 1  h    i",
        "           104  105",
    ]
    pens = {cell: pen for _, cell, pen in screen.styled()[0] + screen.styled()[2] if cell in "◆h"}
    assert pens["◆"] != pens["h"]


def test_the_table_has_a_row_for_each_token() -> None:
    screen = Screen(60)
    screen.write("\n".join(token_rows(SAID, WORDS, paint(screen), 60)))
    assert screen.lines()[:5] == [
        "place  id  token             bytes                part",
        "    0   0  你好              E4 BD A0 E5 A5 BD    message 1",
        "    1   3  ␣a↵               20 61 0A             message 1",
        "    2   4  ␛[2J              1B 5B 32 4A          message 1",
        "    3   1  ⟨E4 B8⟩           E4 B8                reply 1",
    ]


def test_nothing_acts_on_the_terminal_without_a_terminal() -> None:
    lines = token_flow(SAID, WORDS, Paint(screen_environment(Screen(), color_system=None)), 60)
    assert "\x1b[2J" not in "".join(lines)


@pytest.mark.parametrize(
    ("cached", "end"),
    [
        (4, " · 4 in the cache"),
        (3, " · 3 in the cache, the last one is read with the next message"),
        (0, " · 0 in the cache, the last 4 are read with the next message"),
        (None, ""),
    ],
)
def test_the_heading_says_what_the_cache_holds(cached: int | None, end: str) -> None:
    (line,) = token_heading(CHAT, ByteTokenizer(), cached, None)
    assert line == f"4 tokens · 2 of them control tokens (◆){end}"
    assert END not in CHAT[0].ids
