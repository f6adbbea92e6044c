"""Arguments taken apart."""

from __future__ import annotations

import pytest

from chatcli.errors import UsageError
from chatcli.ui.commands.words import escaped, plain_text, read_pairs, split_words, unescaped


def test_a_quoted_word_keeps_its_spaces() -> None:
    assert split_words("one \"two three\"  '四 五' six") == ["one", "two three", "四 五", "six"]


def test_a_backslash_and_a_hash_are_themselves() -> None:
    assert split_words(r"C:\temp #1") == ["C:\\temp", "#1"]


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(UsageError, match="isn't closed"):
        split_words("it's")


def test_pairs_are_split_at_the_first_sign() -> None:
    assert read_pairs('logit_bias=42=-5 stop="a b"') == {"logit_bias": "42=-5", "stop": "a b"}


@pytest.mark.parametrize("text", ["temperature", "=5", "top_k=1 top_k=2"])
def test_what_is_no_pair_or_comes_twice_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        read_pairs(text)


@pytest.mark.parametrize("text", ["\n", "a\tb\\n", "it's", '"', "用户：", "\\", "a b", ""])
def test_an_escaped_word_is_read_back(text: str) -> None:
    (word,) = split_words(escaped(text))
    assert unescaped(word) == text


@pytest.mark.parametrize(
    ("argument", "text"),
    [("none", ""), ('""', ""), ('"Sure: "', "Sure: "), ('say "no"', 'say "no"'), ('"', '"')],
)
def test_a_text_may_stand_in_quotes(argument: str, text: str) -> None:
    assert plain_text(argument) == text
