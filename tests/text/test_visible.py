"""What reaches the terminal can only be shown."""

from __future__ import annotations

from typing import Any

import pytest

from chatcli.text.visible import token_label, visible
from tests.shared import shared_json

# Emoji, combining marks, joiners and right-to-left text: writing, not control.
WRITING = (
    "世界 🌍 👨‍👩‍👧 ❤️ 1️⃣ e\u0301 می\u200cخواهم 葛\U000e0100 [bold]x[/] \\033[31m a\tb\nc \ufffd\xa0"
)


def payload(case: dict[str, Any]) -> str:
    if "payload" in case:
        return str(case["payload"])
    return bytes.fromhex(case["payload_bytes_hex"]).decode("utf-8", "surrogatepass")


def assert_case(case: dict[str, Any], shown: str) -> None:
    shown.encode()
    expected, at = case["expected"], 0
    for part in expected["visible_text_in_order"]:
        at = shown.find(part, at) + len(part)
        assert at >= len(part), case["id"]
    for raw in expected["must_not_reach_terminal_raw"]:
        assert raw not in shown, case["id"]
    if case["tier"] == "preserve":
        assert shown == payload(case), case["id"]


def test_the_shared_terminal_cases_pass_whole_and_chunk_by_chunk() -> None:
    for case in shared_json("conformance", "terminal_safety.json"):
        for chunks in ([payload(case)], case.get("stream_chunks")):
            if chunks:
                assert_case(case, "".join(map(visible, chunks)))


def test_writing_is_left_as_it_is() -> None:
    assert visible(WRITING) == WRITING


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\rb\x08\x7f", "a␍b␈␡"),
        ("x\u202ey", "x⟨U+202E⟩y"),
        ("\ud800", "\ufffd"),
        ("pay\u200bpal\ufeff", "pay⟨U+200B⟩pal⟨U+FEFF⟩"),
        ("a\U000e0041", "a⟨U+E0041⟩"),
        ("a\ufe01\ufe02", "a\ufe01⟨U+FE02⟩"),
        ("a\u2028b", "a⟨U+2028⟩b"),
    ],
)
def test_what_acts_on_a_terminal_is_spelt(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_every_control_character_is_shown_and_none_is_sent() -> None:
    controls = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]
    for char in controls:
        assert char not in visible(f"a{char}b")
        assert len(visible(f"a{char}b")) > 2


def test_newlines_can_be_shown_as_well() -> None:
    assert visible("a\nb\tc", keep_newlines=False) == "a↵b\tc"


class OneToken:
    """A tokenizer of one token."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def token_bytes(self, token: int) -> bytes:
        return self.data


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b"true", "true"),
        (b" true", "␣true"),
        ("峰".encode(), "峰"),
        (b"\xe4\xb8", "⟨E4 B8⟩"),
        (b" \xe5\xb3", "␣⟨E5 B3⟩"),
        ("好".encode() + b"\xe4", "好⟨E4⟩"),
        (b"\n\t", "↵⇥"),
        (b"\x1b[0m", "␛[0m"),
        (b"<|im_end|>", "<|im_end|>"),
        ("\u0301a".encode(), "◌\u0301a"),
        ("\u200d".encode(), "⟨U+200D⟩"),
        ("\ufe0f".encode(), "⟨U+FE0F⟩"),
        (b"", "⟨7⟩"),
    ],
)
def test_a_label_shows_a_token_whole_in_one_line(data: bytes, label: str) -> None:
    assert token_label(OneToken(data), 7) == label


def test_labels_of_the_shared_panels_stay_distinct() -> None:
    cases = shared_json("conformance", "streaming_detok.json")
    panels = [case for case in cases if "raw_tokens" in case]
    assert panels
    for case in panels:
        spelt = [token.replace("▁", " ").replace("Ġ", " ") for token in case["raw_tokens"]]
        labels = [token_label(OneToken(text.encode()), 0) for text in spelt]
        assert len(set(labels)) == len(set(spelt))
