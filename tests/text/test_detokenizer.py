"""Streams of token bytes become whole characters, each as soon as it is certain."""

from __future__ import annotations

from typing import Any

import pytest

from chatcli.text.detokenizer import StreamDetokenizer
from tests.shared import shared_json


def deltas(pieces: list[bytes], **options: Any) -> list[str]:
    """What each piece releases, and then what the end releases where it is anything."""
    stream = StreamDetokenizer(pieces.__getitem__, **options)
    released = [stream.add(index) for index in range(len(pieces))]
    rest = stream.finish()
    return [*released, rest] if rest else released


def test_the_shared_streaming_cases_pass() -> None:
    ran = 0
    for case in shared_json("conformance", "streaming_detok.json"):
        if "pieces_hex" not in case and "chunks_hex" not in case:
            continue
        pieces = [bytes.fromhex(text) for text in case.get("pieces_hex") or case["chunks_hex"]]
        strip = 1 if case.get("leading_space_added_by_tokenizer") else 0
        released, expected = deltas(pieces, strip_leading=strip), case["expected"]
        if "final_text" in expected:
            assert "".join(released) == expected["final_text"], case["id"]
        if "deltas_incremental_utf8" in expected:
            first, *rest = expected["deltas_incremental_utf8"]
            assert released == [first[strip:], *rest], case["id"]
        if expected.get("ends_incomplete"):
            assert released == ["hi", "\ufffd"], case["id"]
        ran += 1
    assert ran > 150


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"\xe4\xb8", b"\x96"], ["", "世"]),
        ([b"\xf0\x9f", b"\x8c", b"\x8d!"], ["", "", "🌍!"]),
        ([b"a\xe4\xb8", b"b"], ["a", "\ufffdb"]),
        ([b"\xe4\xb8", b"\xe4\xb8\xad"], ["", "\ufffd中"]),
        ([b"\xc0\xaf"], ["\ufffd\ufffd"]),
        ([b"\xed\xa0\x80"], ["\ufffd\ufffd\ufffd"]),
        ([b"\xf4\x90\x80\x80"], ["\ufffd" * 4]),
        ([b"\xf0\x9f\x98"], ["", "\ufffd"]),
        (["\ufffd".encode()], ["\ufffd"]),
    ],
)
def test_a_replacement_stands_only_for_bytes_that_can_no_longer_complete(
    pieces: list[bytes], expected: list[str]
) -> None:
    assert deltas(pieces) == expected


@pytest.mark.parametrize("text", ["世界🌍é", "👨‍👩‍👧", "e\u0301a\u0308", "\ufffd?", "नमस्ते"])
def test_any_cutting_of_the_bytes_gives_the_same_text(text: str) -> None:
    data = text.encode()
    for size in range(1, 6):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert "".join(deltas(pieces)) == text


def test_only_the_space_that_starts_the_text_is_dropped() -> None:
    assert deltas([b" Hi", b" there"], strip_leading=1) == ["Hi", " there"]
    assert deltas([b"  Hi"], strip_leading=1) == [" Hi"]
    assert deltas([b" ", b" Hi"], strip_leading=1) == ["", " Hi"]
    assert deltas([b"Hi", b" there"], strip_leading=1) == ["Hi", " there"]


def test_a_character_that_the_context_left_open_is_completed() -> None:
    assert deltas([b"\x96", b"!"], before=b"\xe4\xb8") == ["世", "!"]
