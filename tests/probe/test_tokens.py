"""A text as tokenizers cut it: pieces, the characters they complete, ways side by side."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chatcli.probe.tokens import Tokenization, stretches, tokenization
from tests.fakes import BOS, ByteDetokenizer, ByteTokenizer

PAIRS = (b"ab", "中".encode()[:2], "中".encode()[2:] + "文".encode()[:1])  # ids from 300 on


class PairDetokenizer(ByteDetokenizer):
    def add(self, token: int) -> str:
        data = PAIRS[token - 300] if token >= 300 else b""
        return "".join(super(PairDetokenizer, self).add(byte) for byte in data or [token])


class PairTokenizer(ByteTokenizer):
    """Beside bytes, tokens of two."""

    def token_bytes(self, token: int) -> bytes:
        return PAIRS[token - 300] if token >= 300 else super().token_bytes(token)

    def detokenizer(self, context: Sequence[int] = ()) -> ByteDetokenizer:
        return PairDetokenizer(context)


def cut(text: str, ids: Sequence[int]) -> Tokenization:
    parts = ["start" if token == BOS else "text" for token in ids]
    return tokenization("pairs", PairTokenizer(), text, ids, parts, frozenset({"text"}))


def test_a_character_stands_with_the_token_that_completes_it() -> None:
    way = cut("中", [BOS, *"中".encode()])
    assert [piece.label for piece in way.pieces] == ["<bos>", "⟨E4⟩", "⟨B8⟩", "⟨AD⟩ → 中"]
    assert [piece.text for piece in way.pieces] == ["", "", "", "中"]
    assert [piece.open for piece in way.pieces] == [False, True, True, False]
    assert way.text == "中" and way.pieces[0].control


def test_a_token_that_only_begins_a_character_completes_none() -> None:
    labels = [piece.label for piece in cut("中文", [301, 302, *"文".encode()[1:]]).pieces]
    assert labels == ["⟨E4 B8⟩", "⟨AD E6⟩ → 中", "⟨96⟩", "⟨87⟩ → 文"]


def test_the_ratio_counts_what_is_of_the_text() -> None:
    way = cut("ab中", [BOS, 300, *"中".encode()])
    assert (way.own, way.characters, way.size, way.control) == (4, 3, 5, 1)
    assert way.tokens_per_character == pytest.approx(4 / 3)
    assert cut("", [BOS]).tokens_per_character is None


def test_ways_part_only_where_all_end_a_token() -> None:
    one = cut("ab中文", [BOS, *"ab中文".encode()])
    other = cut("ab中文", [300, 301, 302, *"文".encode()[1:]])
    shared = stretches([one, other])
    assert shared is not None
    found = [
        (row.text, *(tuple(p.token for p in pieces) for pieces in row.pieces)) for row in shared
    ]
    assert found == [
        ("", (BOS,), ()),
        ("ab", (97, 98), (300,)),
        ("中文", tuple("中文".encode()), (301, 302, *"文".encode()[1:])),
    ]


def test_every_piece_is_in_one_stretch_in_order() -> None:
    text = "a中b文c"
    ways = [cut(text, [BOS, *text.encode()]), cut(text, [*text.encode(), BOS])]
    shared = stretches(ways)
    assert shared is not None and "".join(row.text for row in shared) == text
    for index, way in enumerate(ways):
        assert [piece for row in shared for piece in row.pieces[index]] == list(way.pieces)


def test_ways_that_spell_different_texts_have_none_in_common() -> None:
    assert stretches([cut("a", [97]), cut("b", [98])]) is None


def test_an_empty_text_is_one_stretch_of_what_stands_before() -> None:
    (row,) = stretches([cut("", [BOS]), cut("", [])]) or ()
    assert [len(pieces) for pieces in row.pieces] == [1, 0]
    assert stretches([cut("", []), cut("", [])]) == ()
