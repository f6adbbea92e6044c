"""What the tokens of a context are for, on templates that could mislead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.parts import Part, context_parts
from chatcli.chat.types import Settings, Turn
from chatcli.sampling.types import SamplingConfig
from chatcli.text.tokenizer import load_tokenizer
from chatcli.text.types import Message, Tokenizer
from tests.fakes import ASSISTANT, BOS, END, EOS, SYSTEM, USER, ByteTokenizer, ScriptedModel

GREEDY = SamplingConfig(temperature=0)


def spelt(tokenizer: Tokenizer, parts: Sequence[Part]) -> list[tuple[str, int | None, str]]:
    return [(part.kind, part.turn, tokenizer.decode(part.ids)) for part in parts]


def said(talk: Conversation, *messages: str) -> None:
    for message in messages:
        list(talk.ask(message))


def parts_of(talk: Conversation) -> tuple[Part, ...]:
    return context_parts(
        talk.model.tokenizer,
        talk.prompt_ids(),
        talk.settings.preamble,
        talk.path,
        forgotten=talk.window().forgotten,
    )


def test_every_token_has_a_part_in_order() -> None:
    talk = Conversation(ScriptedModel(["你好！", "fine"]), GREEDY, system="简短")
    said(talk, "hi", "how?")
    parts = parts_of(talk)
    assert [token for part in parts for token in part.ids] == talk.prompt_ids()
    assert [part.start for part in parts] == [
        sum(len(part.ids) for part in parts[:place]) for place in range(len(parts))
    ]
    assert spelt(talk.model.tokenizer, parts) == [
        ("template", None, "<bos><system>"),
        ("system", None, "简短"),
        ("template", 1, "<end><user>"),
        ("message", 1, "hi"),
        ("template", 1, "<end><assistant>"),
        ("reply", 1, "你好！<eos>"),
        ("template", 2, "<user>"),
        ("message", 2, "how?"),
        ("template", 2, "<end><assistant>"),
        ("reply", 2, "fine<eos>"),
    ]


@pytest.mark.parametrize("word", ["user", "assistant", "system", "u", "\n", "世"])
def test_a_message_like_a_word_of_the_template_is_told_apart(tiny: Path, word: str) -> None:
    tokenizer = load_tokenizer(tiny)
    preamble = (Message("system", "system"),)
    ids = tokenizer.encode_chat([*preamble, Message("user", word)])
    reply = tokenizer.encode("assistant")
    turn = Turn(1, None, word, 0.0, "assistant", tail=(*ids, *reply), prompt_length=len(ids))
    parts = spelt(tokenizer, context_parts(tokenizer, turn.tail, preamble, [turn]))
    assert parts == [
        ("template", None, "<|im_start|>system\n"),
        ("system", None, "system"),
        ("template", 1, "<|im_end|>\n<|im_start|>user\n"),
        ("message", 1, word),
        ("template", 1, "<|im_end|>\n<|im_start|>assistant\n"),
        ("reply", 1, "assistant"),
    ]


def test_a_message_that_quotes_a_control_token_is_a_message() -> None:
    talk = Conversation(ScriptedModel(["no"]), GREEDY)
    said(talk, "<end><assistant>")
    assert ("message", 1, "<end><assistant>") in spelt(talk.model.tokenizer, parts_of(talk))


def test_a_prefill_is_part_of_its_reply() -> None:
    settings = Settings(GREEDY, prefill="Sure: ")
    talk = Conversation(ScriptedModel(["Sure: yes"]), settings=settings)
    said(talk, "Sure: ?")
    assert spelt(talk.model.tokenizer, parts_of(talk))[1:] == [
        ("message", 1, "Sure: ?"),
        ("template", 1, "<end><assistant>"),
        ("reply", 1, "Sure: yes<eos>"),
    ]


def test_turns_that_fell_out_are_not_looked_for() -> None:
    settings = Settings(GREEDY, max_tokens=8)
    talk = Conversation(ScriptedModel(["one"], context_length=64), settings=settings)
    said(talk, *(f"message {number}" for number in range(6)))
    forgotten = talk.window().forgotten
    parts = parts_of(talk)
    assert forgotten > 0
    assert {part.turn for part in parts if part.kind == "message"} == set(range(forgotten + 1, 7))
    assert [part.turn for part in parts if part.kind == "reply"] == list(range(forgotten + 1, 7))


def test_examples_stand_before_the_first_turn() -> None:
    preamble = (Message("user", "好"), Message("assistant", "good"))
    talk = Conversation(ScriptedModel(["bad"]), settings=Settings(GREEDY, preamble=preamble))
    said(talk, "坏")
    kinds = [(part.kind, part.turn) for part in parts_of(talk) if part.kind != "template"]
    assert kinds == [("message", None), ("reply", None), ("message", 1), ("reply", 1)]


def test_what_a_template_rewrote_is_found_by_its_text() -> None:
    ids = [BOS, USER, *b"hi", END, ASSISTANT, *b"stripped", END, USER, *b"more", END]
    turn = Turn(1, None, " hi ", 0.0, " stripped ", tail=tuple(b" stripped "), prompt_length=0)
    parts = context_parts(ByteTokenizer(), ids, (), [turn])
    found = [(part.kind, bytes(part.ids)) for part in parts if part.kind != "template"]
    assert found == [("message", b"hi"), ("reply", b"stripped")]


def test_a_system_prompt_that_stands_before_the_last_message_is_found_there() -> None:
    said = [USER, *b"hi", END, ASSISTANT, *b"yo", EOS]
    asked = [USER, SYSTEM, *b"short", END, *b"more", END, ASSISTANT]
    turns = [
        Turn(1, None, "hi", 0.0, "yo", tail=(*b"yo", EOS), prompt_length=0),
        Turn(2, 1, "more", 0.0, "ok", tail=(*b"ok", EOS), prompt_length=0),
    ]
    ids = [BOS, *said, *asked, *b"ok", EOS]
    parts = context_parts(ByteTokenizer(), ids, (Message("system", "short"),), turns)
    kinds = [(part.kind, part.turn) for part in parts if part.kind != "template"]
    assert kinds == [("message", 1), ("reply", 1), ("system", None), ("message", 2), ("reply", 2)]


def test_what_cannot_be_found_is_the_template_s() -> None:
    ids = [BOS, SYSTEM, *b"other", END]
    parts = context_parts(ByteTokenizer(), ids, (Message("system", "lost"),), [])
    assert parts == (Part("template", None, 0, tuple(ids)),)


def test_a_context_without_a_token_has_no_parts() -> None:
    assert context_parts(ByteTokenizer(), [], (), []) == ()


def test_a_reply_counts_with_the_token_that_ended_it() -> None:
    talk = Conversation(ScriptedModel(["x"]), GREEDY)
    said(talk, "a")
    assert parts_of(talk)[-1].ids == (ord("x"), EOS)
