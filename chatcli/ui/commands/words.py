"""What follows a command's name, taken apart: words, quotes, KEY=VALUE pairs.

One way of quoting holds for all commands: what has spaces may stand in quotes of either kind,
and in texts for the model `\\n`, `\\t` and `\\\\` are a newline, a tab and a backslash, in quotes
or not. Names and paths have no escapes. Nothing is expanded.
"""

from __future__ import annotations

import re
import shlex

from chatcli.errors import UsageError

__all__ = ["escaped", "plain_text", "read_pairs", "split_words", "typed_text", "unescaped"]

_QUOTES = ("'", '"')
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\t": "\t"}
_ESCAPE = re.compile(r"\\[\\nt]")


def split_words(text: str) -> list[str]:
    """Words separated by spaces; in quotes a space is part of a word, a `\\` is itself.

    Raises UsageError where a quote isn't closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    try:
        return list(lexer)
    except ValueError:
        raise UsageError(f"a quote in {text!r} isn't closed") from None


def plain_text(argument: str) -> str:
    """A text as it was typed, less one pair of quotes around it; "none" is no text."""
    if argument == "none":
        return ""
    quoted = argument[:1] in _QUOTES and argument.count(argument[:1]) == 2
    return argument[1:-1] if quoted and argument[0] == argument[-1] else argument


def typed_text(argument: str) -> str:
    """A text for the model: `plain_text`, with its newlines and tabs for their escapes."""
    return unescaped(plain_text(argument))


def read_pairs(text: str) -> dict[str, str]:
    """The pairs of "KEY=VALUE KEY=VALUE"; a value with spaces stands in quotes.

    Raises UsageError where a word is no pair, or a key comes twice.
    """
    pairs: dict[str, str] = {}
    for word in split_words(text):
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UsageError(f"{word!r} should be KEY=VALUE; a value with spaces needs quotes")
        if key in pairs:
            raise UsageError(f"{key} is given twice: {pairs[key]!r} and {value!r}")
        pairs[key] = value
    return pairs


def escaped(text: str) -> str:
    """`text` as one word for `split_words` and `unescaped`."""
    for spelt, character in _ESCAPES.items():
        text = text.replace(character, spelt)
    return shlex.quote(text)


def unescaped(word: str) -> str:
    """`word` with its newlines, tabs and backslashes for the escapes that stand for them."""
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], word)
