"""Which character each token begins: a vocabulary, told by the first character it spells.

A character is one Unicode code point, as it is for streamed text: a combining mark is one of
its own, and so is each part of a joined emoji. What a person sees as one may go on without
end, so where it ends is never known before the next one has begun.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from chatcli.text.types import Tokenizer

__all__ = [
    "END",
    "INVALID",
    "OPEN",
    "SPECIAL",
    "Beginnings",
    "CharacterTable",
    "Pending",
    "character_table",
    "first_character",
]

# What a token begins if that is no character: one that is still open, bytes that can't become
# one, an end of the text, or nothing at all (control tokens, and ids that spell nothing).
OPEN = -1
INVALID = -2
END = -3
SPECIAL = -4

_LONGEST = 4  # bytes of a character
# A character that bytes to come can complete (the Unicode Standard, table 3-7). Python's own
# decoders take a surrogate for one.
_BEGUN = re.compile(
    rb"[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]|\xed[\x80-\x9f]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]?|[\xf1-\xf3][\x80-\xbf]{1,2}|\xf4[\x80-\x8f][\x80-\xbf]?"
)


@dataclass(frozen=True, slots=True)
class Pending:
    """What a text ends with that its next character goes on from.

    `data` are the bytes of a character that is still open; `spaces`, how many leading spaces
    a text that has not begun is going to lose (SentencePiece puts one there).
    """

    data: bytes = b""
    spaces: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Beginnings:
    """What each of the tokens `ids` (n,) begins: `first` (n,) has the number of a character in
    `characters`, or one of the codes above. Every token that isn't there is INVALID."""

    ids: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    characters: Mapping[str, int]


class CharacterTable:
    """The tokens of a vocabulary by what they begin, in whatever state a text is."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._size = vocab_size
        known = min(vocab_size, tokenizer.vocab_size)
        self._pieces = [tokenizer.token_bytes(token) for token in range(known)]
        self._pieces += [b""] * (vocab_size - known)
        self._silent = [END if token in tokenizer.eos_ids else None for token in range(vocab_size)]
        for token, piece in enumerate(self._pieces):
            if self._silent[token] is None and (not piece or tokenizer.is_special(token)):
                self._silent[token] = SPECIAL
        self._continuing = [
            token
            for token, piece in enumerate(self._pieces)
            if self._silent[token] is None and piece[0] & 0xC0 == 0x80
        ]
        self._known: dict[Pending, Beginnings] = {}

    def pending(self, ids: Sequence[int]) -> Pending:
        """What the text of `ids` ends with. A control token ends an open character."""
        tail = b""
        for token in reversed(ids):
            if len(tail) >= _LONGEST or self._is_silent(token):
                break
            tail = self._pieces[token] + tail
        for length in range(1, _LONGEST):
            if _BEGUN.fullmatch(tail[-length:]):
                return Pending(tail[-length:])
        return Pending(b"", self._lost_spaces(ids))

    def after(self, before: Pending, token: int) -> Pending:
        """What a text that ended with `before` ends with after an OPEN token."""
        piece, spaces = _stripped(self._pieces[token], before.spaces)
        return Pending(before.data + piece, spaces)

    def beginnings(self, before: Pending) -> Beginnings:
        """What each token begins after a text that ends with `before`."""
        found = self._known.get(before)
        if found is None:
            found = self._known[before] = self._beginnings(before)
        return found

    def _beginnings(self, before: Pending) -> Beginnings:
        numbers: dict[str, int] = {}
        tokens = self._continuing if before.data else range(self._size)
        first = [
            begun if isinstance(begun, int) else numbers.setdefault(begun, len(numbers))
            for begun in (self._begun(before, token) for token in tokens)
        ]
        return Beginnings(np.array(tokens, np.int64), np.array(first, np.int64), numbers)

    def _begun(self, before: Pending, token: int) -> str | int:
        if (silent := self._silent[token]) is not None:
            return silent
        piece, _ = _stripped(self._pieces[token], before.spaces)
        return first_character(before.data + piece)

    def _is_silent(self, token: int) -> bool:
        return not 0 <= token < self._size or self._silent[token] is not None

    def _lost_spaces(self, ids: Sequence[int]) -> int:
        """How many spaces a token would lose if it came after `ids`."""
        token = self._spaced()
        if token is None:
            return 0
        detokenizer = self._tokenizer.detokenizer(tuple(ids))
        # Broken bytes at the end of `ids` may come out with it.
        return max(0, len(self._pieces[token].decode()) - len(detokenizer.add(token)))

    def _spaced(self) -> int | None:
        """The shortest token that is whole characters, the first of them a space."""
        spaced = (
            (len(piece), token)
            for token, piece in enumerate(self._pieces)
            if piece.startswith(b" ") and self._silent[token] is None and _is_text(piece)
        )
        return min(spaced, default=(0, None))[1]


@lru_cache(maxsize=2)
def character_table(tokenizer: Tokenizer, vocab_size: int) -> CharacterTable:
    """The table of a tokenizer whose model has `vocab_size` ids; the last two are kept."""
    return CharacterTable(tokenizer, vocab_size)


def first_character(data: bytes) -> str | int:
    """The first character of UTF-8 `data`; OPEN where more bytes are needed, INVALID where no
    more bytes can make it one."""
    if not data:
        return OPEN
    lead = data[0]
    length = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    try:
        return data[:length].decode()
    except UnicodeDecodeError:
        return OPEN if _BEGUN.fullmatch(data) else INVALID


def _stripped(piece: bytes, spaces: int) -> tuple[bytes, int]:
    """`piece` without up to `spaces` leading spaces, and how many more may go."""
    kept = piece
    while spaces and kept.startswith(b" "):
        kept, spaces = kept[1:], spaces - 1
    return kept, 0 if kept else spaces


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
