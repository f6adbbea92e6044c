"""From a token of the vocabulary to the bytes it stands for, by the tokenizer's own decoder.

Exact for byte-level BPE (GPT-2, Llama 3, Qwen) and SentencePiece with byte fallback (Llama 2,
Mistral); for other decoders the bytes are those of the piece as it is usually printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer

__all__ = ["PieceReader"]

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: itself where printable, else U+0100 and up."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(256 + index): byte for index, byte in enumerate(others)}


ALPHABET = _byte_alphabet()


class PieceReader:
    """Bytes of vocabulary pieces, and how many leading spaces a whole text loses."""

    def __init__(self, backend: Tokenizer) -> None:
        steps = list(_steps(_decoder_settings(backend)))
        kinds = {step["type"] for step in steps}
        self._byte_level = "ByteLevel" in kinds
        self._byte_fallback = "ByteFallback" in kinds
        self._rewrites = [_rewrite(step) for step in steps]
        self.strip_leading = sum(_leading(step) for step in steps)

    def read_added(self, content: str) -> bytes:
        """The bytes of a token that was added as text, beside the model's own pieces."""
        # Byte-level pieces are written in the alphabet of bytes, added tokens in plain text.
        return content.encode("utf-8", "replace") if self._byte_level else self.read(content)

    def read(self, piece: str) -> bytes:
        """The bytes that `piece` adds to a text."""
        if self._byte_level and all(char in ALPHABET for char in piece):
            return bytes(ALPHABET[char] for char in piece)
        if self._byte_fallback and (match := BYTE_PIECE.fullmatch(piece)):
            return bytes([int(match[1], 16)])
        for rewrite in self._rewrites:
            piece = rewrite(piece)
        return piece.encode("utf-8", "replace")


def _decoder_settings(backend: Tokenizer) -> dict[str, Any]:
    decoder = backend.decoder
    return json.loads(decoder.__getstate__()) if decoder is not None else {"type": "None"}


def _steps(decoder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if decoder["type"] == "Sequence":
        for step in decoder["decoders"]:
            yield from _steps(step)
    else:
        yield decoder


def _rewrite(step: Mapping[str, Any]) -> Callable[[str], str]:
    """What one decoder step does to the text of a piece that doesn't start the text."""
    kind = step["type"]
    if kind == "Replace" and "String" in step["pattern"]:
        old, new = step["pattern"]["String"], step["content"]
        return lambda piece: piece.replace(old, new)
    if kind == "Metaspace":
        mark = step["replacement"]
        return lambda piece: piece.replace(mark, " ")
    if kind == "WordPiece":
        prefix = step["prefix"]
        return lambda piece: piece[len(prefix) :] if piece.startswith(prefix) else f" {piece}"
    if kind == "BPEDecoder":
        suffix = step["suffix"]
        return lambda piece: piece.replace(suffix, " ")
    if kind == "None":  # without a decoder `tokenizers` joins pieces with spaces
        return lambda piece: f" {piece}"
    return lambda piece: piece


def _leading(step: Mapping[str, Any]) -> int:
    """How many spaces this step takes from the start of a whole text."""
    kind = step["type"]
    if kind == "Strip" and step["content"] == " ":
        return int(step["start"])
    if kind == "Metaspace":
        return 0 if step.get("prepend_scheme") == "never" else 1
    return 1 if kind in ("WordPiece", "None") else 0
