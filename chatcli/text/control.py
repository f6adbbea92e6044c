"""Which strings are control tokens, and how a text that quotes one keeps it from being one.

A guard, a character that occurs nowhere in the conversation, goes into every control token
that a content spells, before the template sees it. What the template writes itself is then
the only thing left that matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from tokenizers import AddedToken

__all__ = ["ControlTokens", "is_control_shaped", "unused_character"]

PIPED = re.compile(r"<[|｜].+[|｜]>", re.DOTALL)
TAGGED = re.compile(r"<[^\s<>]+>|\[[^\s\[\]]+\]")
# Noncharacters first (no text should hold one), then the last private-use plane.
GUARDS = tuple(chain(range(0xFDD0, 0xFDF0), range(0x10FFFD, 0x10F000, -1)))


def is_control_shaped(token: str, template: str | None) -> bool:
    """Whether an added token that isn't flagged special steers the model all the same.

    `<|fim_prefix|>` always does; `<think>` and `[INST]` do where the template writes them.
    Runs of spaces, letters and HTML tags are added tokens too, and stay plain text.
    """
    tagged = TAGGED.fullmatch(token) and template is not None and token in template
    return bool(PIPED.fullmatch(token) or tagged)


def unused_character(texts: Iterable[str]) -> str:
    """A character that occurs in none of `texts`."""
    used = set().union(*texts)
    return next(char for code in GUARDS if (char := chr(code)) not in used)


class ControlTokens:
    """The control tokens of one tokenizer, with the spaces that each swallows beside it."""

    def __init__(self, tokens: Iterable[AddedToken]) -> None:
        by_length = sorted(tokens, key=lambda token: -len(token.content))
        self.contents = tuple(token.content for token in by_length)
        spelled = "|".join(map(re.escape, self.contents)) or r"(?!)"
        matched = "|".join(map(_pattern, by_length)) or r"(?!)"
        self._starts = re.compile(f"(?={spelled})")
        self._matched = matched

    def guarded(self, text: str, guard: str) -> str:
        """`text` with the guard in all that is a control token, or joins with others to one."""
        starts = {match.start() for match in self._starts.finditer(text)}
        starts |= set(self._open_ends(text))
        return "".join(char + guard if at in starts else char for at, char in enumerate(text))

    def spans(self, text: str, guard: str) -> Iterator[tuple[str, bool]]:
        """Cut at control tokens: (text without guards, whether control tokens in it count).

        Neighbours of the same kind stay together, so a text without guards is one span.
        """
        pieces = re.split(f"((?:{self._matched})(?!{re.escape(guard)}))", text)
        for quoted, group in groupby(filter(None, pieces), key=lambda piece: guard in piece):
            yield "".join(group).replace(guard, ""), not quoted

    def at_start(self, text: str) -> str | None:
        """The control token that `text` begins with."""
        return next((token for token in self.contents if text.startswith(token)), None)

    def _open_ends(self, text: str) -> Iterator[int]:
        """Where a token begun in `text` could end after it, or one begun before could end in it."""
        start, stop = len(text) - len(text.lstrip()), len(text.rstrip())
        longest = max(map(len, self.contents), default=0)
        for size in range(1, min(longest, stop - start + 1)):
            tail, head = text[stop - size : stop], text[start : start + size]
            if any(token.startswith(tail) and token != tail for token in self.contents):
                yield stop - size
            if any(token.endswith(head) and token != head for token in self.contents):
                yield start


def _pattern(token: AddedToken) -> str:
    before, after = (r"\s*" if flag else "" for flag in (token.lstrip, token.rstrip))
    return before + re.escape(token.content) + after
