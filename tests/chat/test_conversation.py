"""Conversations over the scripted model: what each turn feeds, and what is kept of it."""

from __future__ import annotations

import itertools

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.types import Settings
from chatcli.errors import ContextError, LogitsError
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from tests.fakes import ASSISTANT, BOS, END, EOS, USER, ScriptedModel

GREEDY = SamplingConfig(temperature=0)
REFUSING = Settings(sampling=GREEDY, overflow="error")


def say(talk: Conversation, text: str, **options: object) -> str:
    return "".join(chunk.text for chunk in talk.ask(text, **options))  # type: ignore[arg-type]


def test_a_conversation_keeps_its_turns() -> None:
    talk = Conversation(ScriptedModel(["你好！", "再见。"]), GREEDY, system="简短")
    assert say(talk, "你好") == "你好！"
    assert say(talk, "走了") == "再见。"
    assert talk.messages == (
        Message("system", "简短"),
        Message("user", "你好"),
        Message("assistant", "你好！"),
        Message("user", "走了"),
        Message("assistant", "再见。"),
    )


def test_a_turn_feeds_only_what_is_new() -> None:
    model = ScriptedModel(["hi", "bye"])
    talk = Conversation(model, GREEDY)
    say(talk, "a")
    model.fed.clear()
    *_, last = talk.ask("b")
    # The end of the first reply was drawn but never fed; then the second turn itself.
    assert model.fed[0] == [EOS, USER, ord("b"), END, ASSISTANT]
    assert last.usage.reused_tokens == last.usage.prompt_tokens - 5


def test_ids_the_model_wrote_are_never_encoded_anew() -> None:
    talk = Conversation(ScriptedModel(["hi", "bye"]), GREEDY)
    say(talk, "a")
    first = talk.ids
    assert first == (BOS, USER, ord("a"), END, ASSISTANT, *b"hi", EOS)
    say(talk, "b")
    assert talk.ids[: len(first)] == first


def test_an_interrupted_reply_stays_and_is_closed_before_the_next_turn() -> None:
    model = ScriptedModel(["hello", "yes"])
    talk = Conversation(model, GREEDY)
    asked = itertools.count()
    assert say(talk, "a", cancelled=lambda: next(asked) >= 3) == "he"
    assert talk.messages[-1] == Message("assistant", "he")
    model.fed.clear()
    say(talk, "b")
    assert model.fed[0] == [END, USER, ord("b"), END, ASSISTANT]


def test_a_caller_that_leaves_the_loop_keeps_what_it_saw() -> None:
    talk = Conversation(ScriptedModel("hello"), GREEDY)
    for chunk in talk.ask("a"):
        if chunk.text == "e":
            break
    chunks = talk.ask("b")
    assert talk.messages[-1] == Message("assistant", "he")
    del chunks


def test_a_prefill_begins_the_reply_and_is_kept_with_it() -> None:
    talk = Conversation(ScriptedModel("Sure, yes"), GREEDY)
    assert say(talk, "a", prefill="Sure") == ", yes"
    assert talk.messages[-1] == Message("assistant", "Sure, yes")


def test_reset_forgets_the_turns_and_keeps_the_system_prompt() -> None:
    model = ScriptedModel("hi")
    talk = Conversation(model, GREEDY, system="s")
    say(talk, "a")
    talk.reset()
    assert talk.messages == (Message("system", "s"),)
    model.fed.clear()
    *_, last = talk.ask("a")
    assert last.usage.reused_tokens == 0


def test_a_turn_that_does_not_fit_changes_nothing() -> None:
    talk = Conversation(ScriptedModel("hi", context_length=40), settings=REFUSING)
    say(talk, "a")
    before = talk.ids, talk.messages
    with pytest.raises(ContextError, match=r"conversation is 51 tokens.* context 40: /set"):
        talk.ask("x" * 40)
    assert (talk.ids, talk.messages) == before
    assert say(talk, "b") == "hi"


def test_a_full_conversation_takes_messages_again_after_a_reset() -> None:
    talk = Conversation(ScriptedModel("hello there", context_length=16), settings=REFUSING)
    assert say(talk, "a") == "hello there"
    with pytest.raises(ContextError, match=r"conversation is 21 tokens.*/new starts afresh"):
        talk.ask("b")
    talk.reset()
    assert say(talk, "b") == "hello there"


def test_a_first_message_that_does_not_fit_is_to_be_shortened_not_reset() -> None:
    talk = Conversation(ScriptedModel("hi", context_length=40), GREEDY)
    with pytest.raises(ContextError, match="shorten it by 4 tokens"):
        talk.ask("x" * 40)


def test_a_turn_that_fails_before_its_first_token_changes_nothing() -> None:
    model = ScriptedModel("hi")
    talk = Conversation(model, GREEDY)
    say(talk, "a")
    before = talk.ids, talk.messages
    model.script = lambda tokens: [float("nan")]
    with pytest.raises(LogitsError):
        say(talk, "b")
    assert (talk.ids, talk.messages) == before
    model.script = "ok"
    assert say(talk, "c") == "ok"


def test_settings_can_change_between_turns() -> None:
    talk = Conversation(ScriptedModel(["hi", "bye"]), GREEDY)
    say(talk, "a")
    talk.config = SamplingConfig(seed=3)
    assert talk.chain.seed == 3
    assert say(talk, "b") == "bye"
