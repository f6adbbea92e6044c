"""Remarks that are said at once, and those that wait."""

from __future__ import annotations

import io

import pytest

from chatcli.ui.environment import Environment
from chatcli.ui.remarks import Remarks


def remarks(columns: int = 80) -> tuple[Remarks, io.StringIO]:
    err = io.StringIO()
    env = Environment(io.StringIO(), io.StringIO(), err, size=lambda: (columns, 24))
    return Remarks(env), err


def test_a_remark_is_said_at_once_and_inert() -> None:
    say, err = remarks()
    say("one\x1b[J")
    assert err.getvalue() == "one␛[J\n"


def test_what_is_held_is_said_in_its_order_when_the_reply_ends() -> None:
    say, err = remarks()
    with say.held():
        say("one")
        say("two")
        assert err.getvalue() == ""
    say("three")
    assert err.getvalue() == "one\ntwo\nthree\n"


def test_what_is_held_is_said_where_the_reply_fails_too() -> None:
    say, err = remarks()
    with pytest.raises(KeyboardInterrupt), say.held():
        say("one")
        raise KeyboardInterrupt
    assert err.getvalue() == "one\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a remark of some words", ["a remark of", "some words"]),
        ("一二三四五六七 八", ["一二三四五六七", "八"]),
        ("  spaces stay", ["  spaces", "stay"]),
        ("two  spaces", ["two  spaces"]),
        ("just as wide", ["just as wide"]),
    ],
)
def test_a_person_gets_whole_words_in_a_row(text: str, lines: list[str]) -> None:
    err = io.StringIO()
    env = Environment(
        io.StringIO(), io.StringIO(), err, stdout_is_terminal=True, size=lambda: (12, 24)
    )
    Remarks(env)(text)
    assert err.getvalue().splitlines() == lines


def test_an_error_is_one_line_in_a_log() -> None:
    say, err = remarks(columns=12)
    say.error("what went wrong\nand where")
    assert err.getvalue() == "chatcli: what went wrong↵and where\n"


def test_facts_are_folded_where_the_screen_is_narrow() -> None:
    say, err = remarks(columns=12)
    say.facts("一二三", "four", "five")
    assert err.getvalue() == "一二三\nfour · five\n"
