"""Finds words in texts, in any script: what matches, where it stands, and what surrounds it.

Texts are compared in NFKC with case folded, so ＡＢＣ, ABC and abc are one. A word may be a part
of another word: one Chinese character is enough. Where the texts come from is up to `store`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass

from chatcli.errors import UsageError

__all__ = ["Excerpt", "excerpt", "folded", "words_of"]

_BEFORE, _AFTER = 24, 72
_BREAK = re.compile(r"[\r\n\t\v\f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of a text in one line, and where in it the match is: text[begin:end]."""

    text: str
    begin: int
    end: int


def words_of(query: str) -> tuple[str, ...]:
    """What has to occur, folded: the words between spaces. Raises UsageError for none."""
    words = tuple(map(folded, query.split()))
    if not words:
        raise UsageError(f"the query {query!r} has no word in it; give one to search for")
    return words


def folded(text: str) -> str:
    """The text as it is compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def excerpt(text: str, word: str) -> Excerpt:
    """What surrounds the first occurrence of a folded word in a text that has it."""
    begin, end = _span(text, word)
    start, stop = max(0, begin - _BEFORE), end + _AFTER
    before, after = "…" if start else "", "…" if stop < len(text) else ""
    shown = before + _BREAK.sub(" ", text[start:stop]) + after
    shift = len(before) - start
    return Excerpt(shown, begin + shift, end + shift)


def _span(text: str, word: str) -> tuple[int, int]:
    """Where the first occurrence stands in the text itself, before it was folded.

    Folding moves characters (ﬁ becomes two, a letter and its accent one), so what was found
    at the same place is checked, and otherwise the place is narrowed down by halves.
    """
    begin = folded(text).find(word)
    end = begin + len(word)
    if folded(text[begin:end]) == word:
        return begin, end
    end = bisect_left(range(len(text) + 1), True, key=lambda end: word in folded(text[:end]))
    beyond = bisect_left(range(end + 1), True, key=lambda b: word not in folded(text[b:end]))
    return beyond - 1, end
