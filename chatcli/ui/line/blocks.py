'''Messages of several lines between triple quotes, as ollama has them.

A text that starts with """ is open until a line ends in """; what is left of it is the
message. Reading the lines is the business of `prompt` and `plain`.
'''

from __future__ import annotations

import re

__all__ = ["Quoted", "is_open", "unquoted"]

_QUOTES = '"""'
_SURROGATE = re.compile("[\ud800-\udfff]")


class Quoted(str):
    """A message that stood between triple quotes, even where it starts with a slash."""

    __slots__ = ()


def is_open(text: str) -> bool:
    """Whether `text` begins a block that hasn't ended yet."""
    return text.startswith(_QUOTES) and not text[len(_QUOTES) :].rstrip().endswith(_QUOTES)


def unquoted(text: str) -> str:
    """The message in `text`: without its quotes and the line breaks beside them.

    Bytes that weren't UTF-8, which a terminal's input brings as lone surrogates, are U+FFFD.
    """
    text = _SURROGATE.sub("\ufffd", text)
    if not text.startswith(_QUOTES) or is_open(text):
        return text
    inside = text[len(_QUOTES) :].rstrip()[: -len(_QUOTES)]
    return Quoted(inside.removeprefix("\n").removesuffix("\n"))
