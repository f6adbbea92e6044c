"""A scored text in a few figures: perplexity, bits a token, a character and a byte.

A token counts where the model could foretell it and where it is the text's own: not the first
of a text without a start token, and not what a chat template wrote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatcli.probe.score import TextScore, TokenScore
from chatcli.text.types import Tokenizer

__all__ = ["START", "TEMPLATE", "Perplexity", "Reading", "perplexity", "whole_perplexity"]

START = "start"
TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as ids.

    `parts` says of each token whose it is: "start" (a token put before every text), "text",
    or in a conversation "template", "system", "message", "reply". `contents` are the texts
    that the tokens which are nobody else's spell.
    """

    ids: tuple[int, ...]
    parts: tuple[str, ...]
    contents: tuple[str, ...]

    @property
    def templated(self) -> bool:
        """Whether a chat template wrote some of it."""
        return TEMPLATE in self.parts


@dataclass(frozen=True, slots=True)
class Perplexity:
    """The bits of `counted` tokens, and the Unicode characters and UTF-8 bytes they stand for."""

    counted: int = 0
    bits: float = 0.0
    characters: int = 0
    bytes: int = 0

    def __add__(self, other: Perplexity) -> Perplexity:
        return Perplexity(
            self.counted + other.counted,
            self.bits + other.bits,
            self.characters + other.characters,
            self.bytes + other.bytes,
        )

    @property
    def perplexity(self) -> float | None:
        """2 to the bits a token (e to transformers' loss); None where nothing counts."""
        each = self.bits_per_token
        if each is None:
            return None
        return 2.0**each if each < 1024 else math.inf

    @property
    def bits_per_token(self) -> float | None:
        return _ratio(self.bits, self.counted)

    @property
    def bits_per_character(self) -> float | None:
        return _ratio(self.bits, self.characters)

    @property
    def bits_per_byte(self) -> float | None:
        return _ratio(self.bits, self.bytes)


def perplexity(reading: Reading, found: TextScore, tokenizer: Tokenizer) -> Perplexity:
    """Of the text's own tokens that have a probability."""
    own = [
        token
        for token, part in zip(found.tokens, reading.parts, strict=False)
        if part not in (START, TEMPLATE)
    ]
    counted, bits = _bits(own)
    text = "".join(reading.contents)
    lost = [token.token for token in own if token.logprob is None]
    missing = _spelt(tokenizer, lost, text)
    return Perplexity(
        counted,
        bits,
        max(0, len(text) - _characters(missing)),
        max(0, len(text.encode("utf-8", "replace")) - len(missing)),
    )


def whole_perplexity(found: TextScore) -> Perplexity:
    """Of all tokens that have a probability, whoever wrote them; characters aren't counted."""
    return Perplexity(*_bits(found.tokens))


def _bits(tokens: Iterable[TokenScore]) -> tuple[int, float]:
    known = [token.surprisal_bits for token in tokens if token.surprisal_bits is not None]
    return len(known), math.fsum(known)


def _spelt(tokenizer: Tokenizer, ids: Sequence[int], text: str) -> bytes:
    """The bytes of the first tokens of `text`; a space that only a decoder writes isn't there."""
    data = b"".join(map(tokenizer.token_bytes, ids))
    return data[1:] if data.startswith(b" ") and not text.startswith(" ") else data


def _characters(data: bytes) -> int:
    """The characters that begin in `data`."""
    return sum(byte & 0xC0 != 0x80 for byte in data)


def _ratio(value: float, by: int) -> float | None:
    return value / by if by else None
