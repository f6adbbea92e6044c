"""The sequences that put a text on the terminal's clipboard."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest

from chatcli.errors import UsageError
from chatcli.ui.clipboard import LONGEST, clipboard_sequence, multiplexer

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9c 世界 \ud800"


def payload(sequence: str) -> str:
    found = re.search("\x1b]52;c;([A-Za-z0-9+/=]+)\x07", sequence)
    assert found is not None
    return b64decode(found[1]).decode()


def test_a_text_travels_as_base64() -> None:
    assert clipboard_sequence("你好") == "\x1b]52;c;5L2g5aW9\x07"


def test_nothing_of_a_text_reaches_the_terminal_raw() -> None:
    sequence = clipboard_sequence(HOSTILE)
    assert payload(sequence) == HOSTILE.replace("\ud800", "?")
    assert re.fullmatch("\x1b]52;c;[A-Za-z0-9+/=]+\x07", sequence)


def test_tmux_gets_it_bare_and_wrapped() -> None:
    bare = clipboard_sequence("hi")
    wrapped = clipboard_sequence("hi", "tmux").removeprefix(bare)
    assert wrapped == "\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\"


@pytest.mark.parametrize("length", [1, 170, 171, 5_000])
def test_screen_gets_it_in_strings_that_are_short_enough(length: int) -> None:
    text = "山" * length
    strings = re.findall("\x1bP(.*?)\x1b\\\\", clipboard_sequence(text, "screen"), re.DOTALL)
    assert max(map(len, strings)) <= 252
    assert payload("".join(strings)) == text


def test_a_text_as_long_as_terminals_take_is_copied_and_a_longer_one_refused() -> None:
    assert len(clipboard_sequence("x" * LONGEST)) <= 100_000
    with pytest.raises(UsageError, match="74,995 bytes"):
        clipboard_sequence("x" * (LONGEST + 1))
    with pytest.raises(UsageError, match="bytes"):
        clipboard_sequence("山" * 25_000)  # three bytes each


def test_there_must_be_something_to_copy() -> None:
    with pytest.raises(UsageError, match="nothing to copy"):
        clipboard_sequence("")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, "tmux"),
        ({"TERM": "tmux-256color"}, "tmux"),
        ({"TERM": "screen"}, "screen"),
        ({"TERM": "xterm", "STY": "12.pts-0"}, "screen"),
        ({}, None),
    ],
)
def test_what_stands_before_the_terminal_is_found(
    environ: dict[str, str], found: str | None
) -> None:
    assert multiplexer(environ) == found
