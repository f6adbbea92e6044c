"""Triple quotes: when a block is open, and what is the message in it."""

from __future__ import annotations

import pytest

from chatcli.errors import UsageError
from chatcli.ui.line.blocks import Quoted, is_open, joined, unquoted


@pytest.mark.parametrize(
    "text", ['"""', '"""a', '"""a\nb', '""""', '"""""', '"""a"""\nb', '"""\n""']
)
def test_a_block_is_open_until_a_line_ends_it(text: str) -> None:
    assert is_open(text)
    assert unquoted(text) == text
    assert type(unquoted(text)) is str


@pytest.mark.parametrize(
    "text", ["", "a", '""', 'a """', ' """', '""""""', '"""a"""', '"""a\n""" ']
)
def test_anything_else_is_not(text: str) -> None:
    assert not is_open(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('""""""', ""),
        ('"""a"""', "a"),
        ('"""\na\n"""', "a"),
        ('"""\n\n a \n\n"""', "\n a \n"),
        ('"""/exit"""', "/exit"),
        ('"""a "quoted""""', 'a "quoted"'),
    ],
)
def test_quotes_and_the_line_breaks_beside_them_go(text: str, message: str) -> None:
    assert unquoted(text) == message
    assert type(unquoted(text)) is Quoted


def test_lone_surrogates_become_replacement_characters() -> None:
    assert unquoted("\udcffa") == "\ufffda"


def test_the_lines_of_a_block_are_one_message_of_a_script() -> None:
    lines = ["a", '"""', "/exit", "", '二"""  ', '"""c"""', "/b"]
    messages = list(joined(lines))
    assert messages == ["a", "/exit\n\n二", "c", "/b"]
    assert [type(each) is Quoted for each in messages] == [False, True, True, False]


def test_a_script_that_ends_inside_a_block_says_so() -> None:
    messages = joined(["a", '"""b', "c"])
    assert next(messages) == "a"
    with pytest.raises(UsageError, match='begins \'"""b\''):
        next(messages)
