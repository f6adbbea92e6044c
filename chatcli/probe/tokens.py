"""A text as tokenizers cut it: every token with its bytes, and the characters it completes.

Several tokenizers are set against each other where they spell the same text: between two
places at which all of them end a token, each has its own way. Which ids a text has is up to
the caller; showing them is left to `ui`.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from chatcli.text.types import Tokenizer
from chatcli.text.visible import token_label

__all__ = ["Piece", "Stretch", "Tokenization", "stretches", "tokenization"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One token: `data` are its exact bytes, for a control token its spelling.

    `text` are the characters that are complete with it, "" inside of a character and for a
    control token; `open` says whether it leaves a character open. `own` is whether it is of
    the text itself and not of what stands around it, `part` what it is for, in a word.
    """

    token: int
    data: bytes
    label: str
    text: str
    control: bool
    open: bool
    own: bool
    part: str


@dataclass(frozen=True, slots=True)
class Tokenization:
    """What the tokenizer `name` makes of a text of so many `characters`, of `size` bytes."""

    name: str
    vocab_size: int
    characters: int
    size: int
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """What the tokens spell, control tokens left out."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def own(self) -> int:
        """How many tokens the text itself has."""
        return sum(piece.own for piece in self.pieces)

    @property
    def control(self) -> int:
        """How many control tokens there are."""
        return sum(piece.control for piece in self.pieces)

    @property
    def tokens_per_character(self) -> float | None:
        """Of the text itself; None for an empty one."""
        return self.own / self.characters if self.characters else None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A text between two places where every tokenizer ends a token; a row of pieces of each."""

    text: str
    pieces: tuple[tuple[Piece, ...], ...]


def tokenization(
    name: str,
    tokenizer: Tokenizer,
    text: str,
    ids: Sequence[int],
    parts: Sequence[str],
    own: frozenset[str],
) -> Tokenization:
    """`ids`, which hold `text`; `parts` says of each what it is for, `own` which are its own."""
    detokenizer, pieces = tokenizer.detokenizer(), []
    decoder = getincrementaldecoder("utf-8")("replace")
    for token, part in zip(ids, parts, strict=True):
        data, control = tokenizer.token_bytes(token), tokenizer.is_special(token)
        decoder.decode(b"" if control else data)
        left_open, done = bool(decoder.getstate()[0]), detokenizer.add(token)
        label = token_label(tokenizer, token, done)
        pieces.append(Piece(token, data, label, done, control, left_open, part in own, part))
    size = len(text.encode("utf-8", "replace"))
    return Tokenization(name, tokenizer.vocab_size, len(text), size, tuple(pieces))


def stretches(ways: Sequence[Tokenization]) -> tuple[Stretch, ...] | None:
    """The ways side by side; None where they don't spell the same text."""
    texts = {way.text for way in ways}
    if len(texts) != 1:
        return None
    text = texts.pop()
    cuts = sorted(set.intersection(*(_ends(way) for way in ways)))
    columns = [list(_cut(way, cuts)) for way in ways]
    spans = [(0, cuts[0]), *pairwise(cuts)]
    rows = zip(spans, zip(*columns, strict=True), strict=True)
    return tuple(Stretch(text[begin:end], pieces) for (begin, end), pieces in rows if any(pieces))


def _ends(way: Tokenization) -> set[int]:
    """The places in the text, in characters, that lie between two whole tokens."""
    places = accumulate(len(piece.text) for piece in way.pieces)
    whole = {at for at, piece in zip(places, way.pieces, strict=True) if not piece.open}
    return {0, len(way.text), *whole}


def _cut(way: Tokenization, cuts: Sequence[int]) -> Iterator[tuple[Piece, ...]]:
    """The pieces up to each cut; a control token goes with those before it."""
    at = place = 0
    for cut in cuts:
        begin = at
        while at < len(way.pieces) and place + len(way.pieces[at].text) <= cut:
            if place == cut and way.pieces[at].open:  # a part of the character that follows
                break
            place += len(way.pieces[at].text)
            at += 1
        yield way.pieces[begin : len(way.pieces) if cut == cuts[-1] else at]
