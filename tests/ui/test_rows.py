"""How many rows a text takes: known only where terminals can't disagree."""

from __future__ import annotations

import random

import pytest

from chatcli.ui.rows import sure_rows
from tests.ui.screen import Screen


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", 0),
        ("\n", 1),
        ("a", 1),
        ("a\n", 1),
        ("a\n\n", 2),
        ("abcdefghij", 1),
        ("abcdefghijk", 2),
        ("abcdefghij\nk", 2),
        ("世界上最高", 1),
        ("世界上最高的", 2),
        ("a世界上最高", 2),
        ("a\tb\tc", 1),
        ("éж，。！", 1),
    ],
)
def test_rows_at_ten_columns(text: str, rows: int) -> None:
    assert sure_rows(text, 10) == rows


@pytest.mark.parametrize("text", ["123456789“", "123456789👍", "123456789❤", "12345678👩\u200d👧"])
def test_where_the_widths_of_terminals_matter_nothing_is_sure(text: str) -> None:
    assert sure_rows(text, 10) is None


@pytest.mark.parametrize("text", ["“山”——", "👍👍 e\u0301 ❤", "◌\u0301…"])
def test_where_they_do_not_matter_it_is(text: str) -> None:
    assert sure_rows(text, 20) == 1


def test_one_column_has_no_room_for_a_wide_character() -> None:
    assert sure_rows("a", 1) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_terminal_takes_as_many_rows(seed: int) -> None:
    chosen = random.Random(seed)
    text = "".join(chosen.choices(["世", "a", "bc ", "\n", "，", "é", "12345"], k=80))
    screen = Screen(chosen.choice([7, 20, 33]), 100)
    screen.write(text.removesuffix("\n") + "\n")
    assert sure_rows(text, screen.columns) == screen.cursor()[0]
