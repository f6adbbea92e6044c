"""A text that is being typed, and where the cursor stands in it. Pure: each key gives another."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Self

__all__ = ["Line"]

_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Line:
    """`cursor` is the index of the character behind it."""

    text: str = ""
    cursor: int = 0

    @classmethod
    def of(cls, text: str) -> Self:
        """With the cursor at the end."""
        return cls(text, len(text))

    @property
    def before(self) -> str:
        return self.text[: self.cursor]

    @property
    def after(self) -> str:
        return self.text[self.cursor :]

    def inserted(self, text: str) -> Line:
        return Line(self.before + text + self.after, self.cursor + len(text))

    def erased(self) -> Line:
        """Without the character before the cursor, and all that joins it."""
        left = self.left()
        return Line(left.before + self.after, left.cursor)

    def deleted(self) -> Line:
        """Without the character behind the cursor."""
        return Line(self.before + self.right().after, self.cursor)

    def left(self) -> Line:
        """A step over whole characters: marks that combine go with what they stand on."""
        place = self.cursor - 1
        while place > 0 and _joins(self.text[place]):
            place -= 1
        return Line(self.text, max(0, place))

    def right(self) -> Line:
        place = self.cursor + 1
        while place < len(self.text) and _joins(self.text[place]):
            place += 1
        return Line(self.text, min(place, len(self.text)))

    def home(self) -> Line:
        return Line(self.text, 0)

    def end(self) -> Line:
        return Line.of(self.text)

    def word_erased(self) -> Line:
        """Without the word before the cursor, and the spaces behind it."""
        kept = self.before.rstrip()
        kept = kept[: len(kept) - len(kept.split(" ")[-1])] if kept else ""
        return Line(kept + self.after, len(kept))

    def start_erased(self) -> Line:
        return Line(self.after, 0)


def _joins(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) in ("Mn", "Me", "Cf")
