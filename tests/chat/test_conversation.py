"""Conversations over the scripted model: what each turn feeds, and what is kept of it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.session import new_session
from chatcli.chat.types import Settings, Turn
from chatcli.errors import ContextError, LogitsError, UsageError
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


def test_what_was_typed_is_in_the_tree_before_the_first_token() -> None:
    talk = Conversation(ScriptedModel("hi"), GREEDY)
    chunks = talk.ask("你好")
    assert talk.unanswered is not None and talk.unanswered.user == "你好"
    assert talk.head is None
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert talk.unanswered is None and talk.head is not None
    assert talk.head.finish == "interrupted"


def test_an_unanswered_message_can_be_asked_again() -> None:
    model = ScriptedModel("hi")
    talk = Conversation(model, GREEDY)
    assert say(talk, "a", cancelled=lambda: True) == ""
    assert talk.head is None and talk.unanswered is not None
    assert "".join(chunk.text for chunk in talk.retry()) == "hi"
    assert [turn.user for turn in talk.path] == ["a"]


def test_retry_stands_beside_the_first_reply_and_feeds_one_token() -> None:
    model = ScriptedModel(["hi", "one"])
    talk = Conversation(model, GREEDY)
    say(talk, "a")
    say(talk, "b")
    first = talk.head
    model.fed.clear()
    *_, last = talk.retry()
    assert model.fed[0] == [ASSISTANT]
    assert last.usage.reused_tokens == last.usage.prompt_tokens - 1
    assert talk.head is not None and first is not None
    assert talk.head.id != first.id and talk.head.parent == first.parent
    assert talk.branches()[0].name == "main"
    assert talk.branches()[1].head == first.id


def test_retry_has_luck_of_its_own_unless_a_seed_is_set() -> None:
    talk = Conversation(ScriptedModel(lambda tokens: [0.0] * 97), SamplingConfig())
    say(talk, "a", max_tokens=20)
    first = talk.messages[-1]
    for chunk in talk.retry():
        assert chunk.usage.new_tokens <= 512
        if chunk.usage.new_tokens == 20:
            break
    assert talk.messages[-1].content[:20] != first.content


def test_retry_settings_hold_for_that_reply_only() -> None:
    talk = Conversation(ScriptedModel(["hi", "hi"]), GREEDY)
    say(talk, "a")
    hot = Settings(SamplingConfig(temperature=0.5, seed=9), max_tokens=1)
    assert "".join(chunk.text for chunk in talk.retry(settings=hot)) == "h"
    assert talk.head is not None and talk.head.runs[0].sampling == hot.sampling
    assert talk.config == GREEDY


def test_undo_goes_back_and_forgets_nothing() -> None:
    model = ScriptedModel(["hi", "bye", "so"])
    talk = Conversation(model, GREEDY)
    say(talk, "a")
    ids = talk.ids
    say(talk, "b")
    assert talk.undo().user == "b"
    assert talk.ids == ids
    model.fed.clear()
    say(talk, "c")
    assert model.fed[0] == [ord("c"), END, ASSISTANT]  # the rest was read with "b"
    assert len(talk.tree) == 3
    with pytest.raises(UsageError, match="no turn yet"):
        Conversation(model, GREEDY).undo()


def test_edit_asks_an_earlier_turn_anew() -> None:
    model = ScriptedModel(["one", "two", "three"])
    talk = Conversation(model, GREEDY)
    for word in "abc":
        say(talk, word)
    model.fed.clear()
    list(talk.edit(2, "ß"))
    assert [turn.user for turn in talk.path] == ["a", "ß"]
    assert model.fed[0] == [*"ß".encode(), END, ASSISTANT]
    assert talk.branches()[-1].turns == 3
    with pytest.raises(UsageError, match="no turn 3; the turns are 1 to 2"):
        talk.edit(3, "x")


def test_continue_goes_on_token_for_token() -> None:
    whole = Conversation(ScriptedModel("世界上最高的山", noise=4.0), SamplingConfig(seed=3))
    say(whole, "a")
    cut = Conversation(ScriptedModel("世界上最高的山", noise=4.0), SamplingConfig(seed=3))
    said = say(cut, "a", max_tokens=4)
    assert cut.head is not None and cut.head.finish == "length"
    cut.settings = dataclasses.replace(cut.settings, max_tokens=3)
    while cut.head.finish == "length":
        said += "".join(chunk.text for chunk in cut.resume())
    assert cut.ids == whole.ids
    assert cut.messages == whole.messages
    assert len(cut.path) == 1 and len(cut.head.runs) > 2
    with pytest.raises(UsageError, match=r"came to its end \(eos\)"):
        cut.resume()


def test_branches_part_and_are_taken_in_hand() -> None:
    model = ScriptedModel(["one", "two", "three"])
    talk = Conversation(model, GREEDY)
    say(talk, "a")
    talk.branch("别的")
    say(talk, "b")
    talk.switch("main")
    assert [turn.user for turn in talk.path] == ["a"]
    say(talk, "c")
    talk.switch("别的")
    model.fed.clear()
    say(talk, "d")
    assert [turn.user for turn in talk.path] == ["a", "b", "d"]
    fed = model.fed[0]
    assert fed[0] == ord("b")  # what both branches begin with was still there
    with pytest.raises(UsageError, match="there is a branch 'main' already"):
        talk.branch("main")
    with pytest.raises(UsageError, match="did you mean main"):
        talk.switch("mian")


def test_an_end_that_no_branch_leads_to_can_be_gone_back_to() -> None:
    talk = Conversation(ScriptedModel("hi"), GREEDY)
    say(talk, "a")
    ids = talk.ids
    list(talk.retry(settings=Settings(SamplingConfig(seed=1), max_tokens=1)))
    *_, unnamed = talk.branches()
    assert unnamed.name.startswith("@")
    talk.switch(unnamed.name)
    assert talk.ids == ids


def test_another_model_goes_on_from_the_text() -> None:
    talk = Conversation(ScriptedModel("hi"), GREEDY)
    say(talk, "a")
    other = ScriptedModel(["", "fine"])
    other.checkpoint = dataclasses.replace(other.checkpoint, digest="1" * 64, name="other")
    talk.use(other, "other")
    assert say(talk, "b") == "fine"
    assert other.fed[0] == [BOS, USER, 97, END, ASSISTANT, *b"hi", END, USER, 98, END, ASSISTANT]
    assert talk.session.model == "other"
    assert [turn.runs[0].origin.name for turn in talk.path] == ["scripted", "other"]


def test_ten_thousand_turns_go_on() -> None:
    model = ScriptedModel("hi", context_length=256)
    turns: list[Turn] = []
    for number in range(10_000):
        parent = turns[-1].id if turns else None
        turns.append(Turn(number + 1, parent, f"message {number}", 0.0, reply="so"))
    session = dataclasses.replace(
        new_session("builtin", Settings(GREEDY)), branches={"main": turns[-1].id}
    )
    talk = Conversation(model, GREEDY, session=session, turns=turns)
    assert say(talk, "more") == "hi"
    assert talk.head is not None and 9_900 < talk.head.forgotten <= 10_000
    assert len(talk.path) == 10_001


def test_what_a_prompt_puts_around_a_message_is_part_of_it() -> None:
    settings = Settings(GREEDY, before="Q: ", after="\nA:")
    talk = Conversation(ScriptedModel("hi"), settings=settings)
    say(talk, "a")
    assert talk.messages[0] == Message("user", "Q: a\nA:")
    list(talk.edit(1, "b"))
    list(talk.retry())
    assert talk.messages[0] == Message("user", "Q: b\nA:")
