"""Which character a token begins, against all of Unicode and real decoders."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from chatcli.text.characters import (
    INVALID,
    OPEN,
    SPECIAL,
    CharacterTable,
    Pending,
    first_character,
)
from chatcli.text.tokenizer import CheckpointTokenizer, load_tokenizer
from tests.fakes import EOS, SYSTEM, ByteTokenizer
from tests.text.toys import byte_level, save, sentencepiece_like

# Every proper beginning of a character: its last byte changes within 64 code points only.
BEGUN = {
    chr(code).encode("utf-8")[:length]
    for code in range(0, 0x110000, 64)
    if not 0xD800 <= code < 0xE000
    for length in range(len(chr(code).encode("utf-8")))
}


def expected(data: bytes) -> str | int:
    if data in BEGUN:
        return OPEN
    for length in range(1, 5):
        try:
            return data[:length].decode()
        except UnicodeDecodeError:
            continue
    return INVALID


def checkpoint(folder: Path, backend: Tokenizer, *, eos: str = "</s>") -> CheckpointTokenizer:
    return load_tokenizer(save(folder, backend, tokenizer_config={"eos_token": eos}))


def test_every_pair_of_bytes_begins_what_unicode_says() -> None:
    for pair in product(range(256), repeat=2):
        assert first_character(bytes(pair)) == expected(bytes(pair)), pair


@pytest.mark.parametrize("data", [b"", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xf4\x8f\xbf", b"\xe0\xa0"])
def test_what_bytes_to_come_can_complete_is_open(data: bytes) -> None:
    assert first_character(data) == OPEN


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\xff",
        b"\xc0\x80",
        b"\xe0\x80",
        b"\xed\xa0",
        b"\xf4\x90",
        b"\xe4a",
        b"\xe4\xb8\xe4",
    ],
    ids=bytes.hex,
)
def test_what_no_bytes_can_complete_is_invalid(data: bytes) -> None:
    assert first_character(data) == INVALID


@pytest.mark.parametrize(
    ("text", "character"),
    [("世界", "世"), ("😀!", "😀"), ("\ufffd", "\ufffd"), ("e\u0301", "e"), ("\u0301x", "\u0301")],
)
def test_a_text_begins_with_its_first_code_point(text: str, character: str) -> None:
    assert first_character(text.encode() + b"\xff") == character


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ("山".encode(), b""),
        (b"\xe5\xb1", b"\xe5\xb1"),
        (b"\xe5\xb1\xe5", b"\xe5"),
        ("山".encode() + b"\xf0\x9f\x98", b"\xf0\x9f\x98"),
        (b"\xe4\xb8a", b""),
        (b"\x80\x80\x80\x80", b""),
        (b"\xed\xa0", b""),
    ],
)
def test_a_text_may_end_inside_a_character(data: bytes, left: bytes) -> None:
    table = CharacterTable(ByteTokenizer(), 262)
    assert table.pending(list(data)) == Pending(left)


def test_a_control_token_ends_an_open_character() -> None:
    table = CharacterTable(ByteTokenizer(), 262)
    assert table.pending([0xE4, 0xB8, SYSTEM]) == Pending()
    assert table.pending([0xE4, EOS, 0xB8]) == Pending()


def test_ids_that_the_tokenizer_lacks_spell_nothing() -> None:
    known = CharacterTable(ByteTokenizer(), 270).beginnings(Pending())
    assert known.first[262:].tolist() == [SPECIAL] * 8
    assert CharacterTable(ByteTokenizer(), 270).pending([0xE4, 265]) == Pending()


def test_the_space_that_sentencepiece_puts_first_is_no_character(tmp_path: Path) -> None:
    tokenizer = checkpoint(tmp_path, sentencepiece_like("first"))
    table = CharacterTable(tokenizer, tokenizer.vocab_size)
    space = tokenizer.backend.token_to_id("▁")
    assert space is not None
    start = table.pending([1])
    assert start == Pending(b"", 1)
    assert table.beginnings(start).first[space] == OPEN
    after = table.after(start, space)
    assert after == Pending(b"", 0)
    known = table.beginnings(after)
    assert known.first[space] == known.characters[" "]


def test_inside_a_text_a_space_is_one(tmp_path: Path) -> None:
    tokenizer = checkpoint(tmp_path, sentencepiece_like("first"))
    table = CharacterTable(tokenizer, tokenizer.vocab_size)
    assert table.pending([1, *tokenizer.encode("a")]) == Pending()


def test_byte_level_texts_lose_no_space(tmp_path: Path) -> None:
    tokenizer = checkpoint(tmp_path, byte_level("<s>", "</s>"))
    table = CharacterTable(tokenizer, tokenizer.vocab_size)
    known = table.beginnings(table.pending([]))
    the = tokenizer.encode(" the")
    assert len(the) == 1 and known.first[the[0]] == known.characters[" "]


def test_only_tokens_that_go_on_can_complete_a_character() -> None:
    known = CharacterTable(ByteTokenizer(), 262).beginnings(Pending(b"\xe4\xb8"))
    assert known.ids.tolist() == list(range(0x80, 0xC0))
    assert set(known.characters) == {
        bytes([0xE4, 0xB8, last]).decode() for last in range(0x80, 0xC0)
    }
