"""Thinking parts: found however the text is cut, never where a tag is only quoted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from tokenizers import AddedToken

from chatcli.errors import TemplateError
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.types import Message
from chatcli.ui.thinking import (
    Part,
    Thinking,
    ThinkingSplitter,
    Thoughts,
    opening_of,
    spelled_tokens,
    split_reply,
)
from tests.fakes import ASSISTANT, CONTROL, ByteTokenizer, tiny_tokenizer
from tests.ui.replies import chunks

REPLY = "<think>\n山？山。\n</think>\n\n珠穆朗玛峰。"


def parts(pieces: Iterable[str], opened: str = "") -> list[Part]:
    """What comes of a reply in pieces, neighbours of a kind joined."""
    splitter = ThinkingSplitter(opened)
    found = [part for piece in pieces for part in splitter.feed(piece)] + [*splitter.finish()]
    joined: list[Part] = []
    for part in found:
        if joined and joined[-1].thinking == part.thinking:
            joined[-1] = Part(joined[-1].text + part.text, part.thinking)
        else:
            joined.append(part)
    return joined


def thought(text: str) -> list[str]:
    return [part.text for part in split_reply(text) if part.thinking]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_a_part_is_found_however_the_text_is_cut(size: int) -> None:
    pieces = [REPLY[start : start + size] for start in range(0, len(REPLY), size)]
    assert parts(pieces) == [
        Part("<think>\n山？山。\n</think>", True),
        Part("\n\n珠穆朗玛峰。", False),
    ]


@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_each_tag_is_closed_by_its_own(tag: str) -> None:
    text = f"<{tag}>a</thinkin></x></{tag}>b"
    assert [part.text for part in split_reply(text)] == [f"<{tag}>a</thinkin></x></{tag}>", "b"]


def test_text_that_is_no_tag_comes_at_once() -> None:
    splitter = ThinkingSplitter()
    assert [*splitter.feed("世界")] == [Part("世界", False)]
    assert [*splitter.feed("<thi")] == [Part("<thi", False)]


def test_what_could_be_a_tag_is_held_back_and_given_at_the_end() -> None:
    splitter = ThinkingSplitter()
    assert [*splitter.feed("\n<thin")] == []
    assert [*splitter.finish()] == [Part("\n<thin", False)]


@pytest.mark.parametrize(
    "text",
    [
        "Write <think>aloud</think>, please.",
        "```\n<think>\nx\n</think>\n```\n",
        "`<think>` opens it and `</think>` closes it.",
        "<thinker>…",
        "<b>bold</b>",
        "",
    ],
)
def test_tags_that_are_only_quoted_are_text(text: str) -> None:
    assert thought(text) == []
    assert parts(text) == ([Part(text, False)] if text else [])


def test_a_quoted_tag_within_the_thinking_does_not_end_it() -> None:
    assert thought("<think>what is `</think>`?</think>a tag")[0].endswith("`?</think>")


def test_the_first_closing_tag_ends_the_part_though_another_was_opened() -> None:
    assert thought("<think>a<think>b</think>c</think>") == ["<think>a<think>b</think>"]


def test_an_unclosed_part_is_thinking_to_the_end() -> None:
    assert parts(["<think>", "\n山", "</thi"]) == [Part("<think>\n山</thi", True)]


def test_a_second_part_is_text() -> None:
    assert thought("<think>a</think>b<think>c</think>") == ["<think>a</think>"]


@pytest.mark.parametrize(
    ("opened", "pieces", "found"),
    [
        ("<think>", ["a</think>", "b"], [Part("a</think>", True), Part("b", False)]),
        ("<think>a</th", ["ink>b"], [Part("ink>", True), Part("b", False)]),
        ("<think>a</think>", ["<think>b"], [Part("<think>b", False)]),
        ("Sure: ", ["<think>b"], [Part("<think>b", False)]),
        ("<th", ["ink>b"], [Part("ink>b", True)]),
        ("\n", ["<think>b"], [Part("<think>b", True)]),
    ],
)
def test_what_stands_before_it_decides_and_is_not_given_back(
    opened: str, pieces: list[str], found: list[Part]
) -> None:
    assert parts(pieces, opened) == found


def test_control_tokens_open_and_close_though_the_text_leaves_them_out() -> None:
    splitter = ThinkingSplitter()
    assert [*splitter.mark("[THINK]")] == []
    assert splitter.thinking
    assert [*splitter.feed("山")] == [Part("山", True)]
    assert [*splitter.mark("[/THINK]")] == []
    assert [*splitter.feed("峰")] == [Part("峰", False)]
    assert [*splitter.mark("[THINK]"), *splitter.feed("x")] == [Part("x", False)]


@pytest.mark.parametrize(
    ("how", "shown"),
    [("show", "山峰"), ("fold", "thinking… 3 tokens, 0.0 s\n峰")],
)
def test_a_reply_is_followed_by_its_tokens(
    how: Thinking, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "chatcli.ui.thinking.spelled_tokens", lambda _: {0: "[THINK]", 2: "[/THINK]"}
    )
    thoughts = Thoughts(ByteTokenizer(), how)
    found = [part for chunk in chunks(["", "山", "", "峰"]) for part in thoughts.add(chunk)]
    assert "".join(part.text for part in found) == shown
    assert [part.thinking for part in found][-1] is False and found[0].thinking


@pytest.mark.parametrize(("special", "streamed"), [(False, "<think>"), (True, "")])
def test_added_tokens_are_found_whether_or_not_the_stream_spells_them(
    special: bool, streamed: str, tmp_path: Path
) -> None:
    backend = tiny_tokenizer()
    backend.add_tokens([AddedToken(tag, special=special) for tag in ("<think>", "</think>")])
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    opening = tokenizer.encode("<think>", special=True)
    assert len(opening) == 1
    assert tokenizer.detokenizer().add(opening[0]) == streamed
    tags = spelled_tokens(tokenizer)
    assert sorted(tags.values()) == (["</think>", "<think>"] if special else [])
    assert tags.get(opening[0], "<think>") == "<think>"


def test_a_stored_reply_whose_part_the_template_opened_has_its_end_alone() -> None:
    text = "山？\n</think>\n\n峰。"
    assert split_reply(text) == [Part("山？\n</think>", True), Part("\n\n峰。", False)]
    assert thought("The tag </think> ends it.") == []


class Thinker(ByteTokenizer):
    """Its template opens the part, or its tags are control tokens."""

    def encode_chat(
        self,
        messages: object,
        *,
        add_generation_prompt: bool = True,
        prefill: str = "",
        **others: object,
    ) -> list[int]:
        assert messages == [Message("user", "?")]
        return [ASSISTANT, *b"<think>\n"]


def test_the_template_tells_what_it_opens() -> None:
    assert opening_of(ByteTokenizer()) == ""
    assert opening_of(Thinker()) == "<think>"


def test_a_template_that_fails_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ByteTokenizer, messages: object) -> list[int]:
        raise TemplateError("no system prompt")

    monkeypatch.setattr(ByteTokenizer, "encode_chat", fail)
    assert opening_of(ByteTokenizer()) == ""


def test_tags_that_are_control_tokens_are_known_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spelled_tokens(ByteTokenizer()) == {}
    monkeypatch.setitem(CONTROL, "[THINK]", 260)
    monkeypatch.setitem(CONTROL, "[/THINK]", 261)

    class Marked(ByteTokenizer):
        def encode(self, text: str, *, bos: bool = False, special: bool = False) -> list[int]:
            return [CONTROL[text]] if special and text in CONTROL else [*text.encode()]

    assert spelled_tokens(Marked()) == {260: "[THINK]", 261: "[/THINK]"}
