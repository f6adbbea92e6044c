'''Messages of several lines between triple quotes, as ollama has them.

A text that starts with """ is open until a line ends in """; what is left of it is the
message. Reading lines from a person is the business of `prompt` and `plain`.
'''

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chatcli.errors import UsageError

__all__ = ["Quoted", "is_open", "joined", "unquoted"]

_QUOTES = '"""'
_SURROGATE = re.compile("[\ud800-\udfff]")


class Quoted(str):
    """A message that stood between triple quotes, even where it starts with a slash."""

    __slots__ = ()


def is_open(text: str) -> bool:
    """Whether `text` begins a block that hasn't ended yet."""
    return text.startswith(_QUOTES) and not text[len(_QUOTES) :].rstrip().endswith(_QUOTES)


def joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a script, those of a block as one text, without its quotes.

    Raises UsageError where the last block never ends.
    """
    block: list[str] = []
    for line in lines:
        goes_on = not line.rstrip().endswith(_QUOTES) if block else is_open(line)
        block.append(line)
        if not goes_on:
            yield unquoted("\n".join(block))
            block.clear()
    if block:
        start = _SURROGATE.sub("\ufffd", block[0])
        raise UsageError(
            f"the input ends inside the block that begins {start!r}; close it with {_QUOTES}"
        )


def unquoted(text: str) -> str:
    """The message in `text`: without its quotes and the line breaks beside them.

    Bytes that weren't UTF-8, which a terminal's input brings as lone surrogates, are U+FFFD.
    """
    text = _SURROGATE.sub("\ufffd", text)
    if not text.startswith(_QUOTES) or is_open(text):
        return text
    inside = text[len(_QUOTES) :].rstrip()[: -len(_QUOTES)]
    return Quoted(inside.removeprefix("\n").removesuffix("\n"))
