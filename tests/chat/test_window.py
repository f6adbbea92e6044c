"""What falls out of the context, when, what is said before, and what the model then reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.types import Overflow, Settings, Turn
from chatcli.errors import ContextError, UsageError
from chatcli.model.load import load
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from tests.fakes import ASSISTANT, BOS, END, EOS, SYSTEM, USER, ScriptedModel, tiny_checkpoint

GREEDY = SamplingConfig(temperature=0)


class Talk:
    """A conversation with a model of a short context; what is noticed is kept."""

    def __init__(
        self,
        *replies: str,
        context: int = 120,
        overflow: Overflow = "drop-oldest",
        max_tokens: int = 20,
        system: str | None = None,
    ) -> None:
        self.model = ScriptedModel(list(replies), context_length=context)
        self.told: list[str] = []
        preamble = () if system is None else (Message("system", system),)
        settings = Settings(GREEDY, max_tokens, preamble=preamble, overflow=overflow)
        self.talk = Conversation(self.model, settings=settings, notice=self.told.append)

    def say(self, text: str) -> str:
        self.model.fed.clear()
        chunks = list(self.talk.ask(text))
        self.usage, self.finish = chunks[-1].usage, chunks[-1].finish
        return "".join(chunk.text for chunk in chunks)

    @property
    def fed(self) -> list[int]:
        return [token for ids in self.model.fed for token in ids]


def head(talk: Conversation) -> Turn:
    assert talk.head is not None
    return talk.head


def turn(user: str, reply: str) -> list[int]:
    return [USER, *user.encode(), END, ASSISTANT, *reply.encode(), EOS]


def test_whole_turns_fall_out_and_a_quarter_is_freed() -> None:
    talk = Talk("r" * 10, system="S")
    said: list[str] = []
    while not (talk.talk.head and talk.talk.head.forgotten):
        said.append(f"m{len(said)}")
        before = len(talk.talk.ids)
        talk.say(said[-1])
        assert len(said) < 20
    prompt = talk.talk.ids[: head(talk.talk).prompt_length]
    assert before + 1 - len(prompt) >= 120 // 4 - 8
    assert list(prompt[:4]) == [BOS, SYSTEM, ord("S"), END]
    seen = said[head(talk.talk).forgotten :]
    expected = [token for one in seen[:-1] for token in turn(one, "r" * 10)]
    assert list(prompt[4:]) == [*expected, USER, *seen[-1].encode(), END, ASSISTANT]
    assert talk.usage.prompt_tokens - talk.usage.reused_tokens == len(talk.model.fed[0])
    assert talk.usage.reused_tokens == 4 + 2  # the preamble, and that a user speaks: "m"


def test_a_loss_is_told_before_it_happens() -> None:
    talk = Talk("r" * 10)
    for number in range(20):
        warned = list(talk.told)
        talk.say(f"m{number}")
        if head(talk.talk).forgotten:
            break
    assert "nearly full" in warned[-1] and "turns 1 to" in warned[-1]
    fell = next(one for one in talk.told if "out of the context:" in one)
    assert f"turns 1 to {head(talk.talk).forgotten} fall" in fell
    assert f"{head(talk.talk).prompt_length} tokens are read again" in fell


@pytest.mark.parametrize("context", range(60, 140, 7))
def test_the_warning_comes_exactly_before_the_message_that_makes_turns_fall(context: int) -> None:
    talk = Talk("r" * 10, context=context)
    for _ in range(20):
        before, window = talk.talk.head, talk.talk.window()
        talk.say("same")
        out = head(talk.talk).forgotten - (before.forgotten if before else 0)
        assert (out > 0) == window.near and out == window.next_out


def test_a_message_that_leaves_little_room_for_its_reply_is_said_to() -> None:
    talk = Talk("r" * 50)
    talk.say("x" * 100)
    room = 120 - head(talk.talk).prompt_length
    assert talk.told[0] == f"the message leaves {room} tokens of the context: the reply ends there"
    assert talk.finish == "context"


def test_what_fell_out_stays_out_until_more_does() -> None:
    talk = Talk("r" * 10)
    forgotten: list[int] = []
    for number in range(24):
        talk.say(f"m{number}")
        forgotten.append(head(talk.talk).forgotten)
        assert len(talk.talk.ids) <= 120
    assert forgotten == sorted(forgotten)
    changes = len(set(forgotten))
    assert 3 < changes < 12  # a quarter at a time, not a turn at a time
    assert len(talk.talk.path) == 24
    assert len(talk.talk.messages) == 48


def test_ids_the_model_wrote_survive_a_fall_and_a_new_system_prompt(tmp_path: Path) -> None:
    """A reply whose ids aren't those its text would be encoded to."""
    folder = tiny_checkpoint(tmp_path / "tiny", max_position_embeddings=256)
    model = load(str(folder), dtype="float32")
    settings = Settings(SamplingConfig(temperature=2.0, seed=5), max_tokens=9)
    talk = Conversation(model, settings=settings)
    for _ in range(4):
        list(talk.ask("山"))
    own = [talk.tree.ids(one.id)[one.prompt_length :] for one in talk.path]
    encoded = [model.tokenizer.encode(one.reply) for one in talk.path]
    assert any(ids[: len(tokens)] != tokens for ids, tokens in zip(own, encoded, strict=True))
    talk.settings = dataclasses.replace(settings, preamble=(Message("system", "new"),))
    list(talk.ask("山"))
    assert all(contains(talk.ids, ids) for ids in own)
    while not head(talk).forgotten:
        list(talk.ask("山"))
    kept = [talk.tree.ids(one.id)[one.prompt_length :] for one in talk.path[head(talk).forgotten :]]
    assert len(kept) > 1
    assert all(contains(talk.ids, ids) for ids in kept)


def contains(ids: Sequence[int], part: Sequence[int]) -> bool:
    size = len(part)
    return any(list(ids[at : at + size]) == list(part) for at in range(len(ids) - size + 1))


def test_a_new_system_prompt_is_said_to_be_read_and_replaces_the_old() -> None:
    talk = Talk("yes", system="old")
    talk.say("a")
    talk.talk.settings = dataclasses.replace(
        talk.talk.settings, preamble=(Message("system", "new"),)
    )
    talk.say("b")
    assert "the system prompt changed" in talk.told[-1]
    assert list(talk.talk.ids[:5]) == [BOS, SYSTEM, *b"new"]
    assert SYSTEM not in talk.talk.ids[5:]


def test_error_refuses_what_does_not_fit_and_keeps_all() -> None:
    talk = Talk("r" * 10, overflow="error", context=45)
    talk.say("one")
    talk.say("two")
    assert "a longer message will be refused" in talk.told[-1]
    before = talk.talk.ids
    with pytest.raises(ContextError, match="/set overflow drop-oldest"):
        talk.say("x" * 20)
    assert talk.talk.ids == before and len(talk.talk.tree) == 2


@pytest.mark.parametrize("overflow", ["error", "drop-oldest", "slide"])
def test_a_message_longer_than_the_context_is_refused(overflow: Overflow) -> None:
    talk = Talk("hi", context=60, overflow=overflow)
    talk.say("a")
    before = talk.talk.ids
    with pytest.raises(ContextError, match=r"shorten it|drop-oldest"):
        talk.say("x" * 99)
    assert talk.talk.ids == before
    assert talk.say("b") == "hi"


def test_slide_goes_on_inside_a_reply_by_reading_anew() -> None:
    reply = "abcdefghijklmnopqrstuvwxyz" * 3
    talk = Talk("ok", "ok", "ok", reply, context=90, overflow="slide", max_tokens=200)
    for word in ("one", "two", "three"):
        talk.say(word)
    used = len(talk.talk.ids)
    assert used + len(reply) > 90
    talk.model.script = reply
    assert talk.say("go") == reply
    assert talk.finish == "eos"
    assert head(talk.talk).forgotten == 3
    assert list(talk.talk.ids) == [BOS, *turn("go", reply)]
    # Nothing but the beginning was reused when it slid; what stayed was read in its new place.
    written = [ids for ids in talk.model.fed if len(ids) > 1]
    assert len(written) == 2
    assert talk.usage.new_tokens == len(reply) + 1
    assert talk.usage.prompt_tokens - talk.usage.reused_tokens == sum(map(len, written))


def test_a_character_and_a_stop_string_go_on_across_a_slide() -> None:
    reply = "山" * 20 + "STOP and more"
    talk = Talk("ok", context=90, overflow="slide", max_tokens=200)
    for word in ("one", "two", "three"):
        talk.say(word)
    talk.model.script = reply
    talk.talk.settings = dataclasses.replace(talk.talk.settings, stop=("STOP",))
    assert talk.say("go") == "山" * 20
    assert talk.finish == "stop"


def test_a_reply_alone_in_the_context_ends_with_it() -> None:
    talk = Talk("r" * 100, context=40, overflow="slide", max_tokens=200)
    assert talk.say("go") == "r" * 35
    assert talk.finish == "context"
    with pytest.raises(UsageError, match="nothing can fall out"):
        talk.talk.resume()


def test_a_full_context_is_continued_by_letting_turns_fall_out() -> None:
    talk = Talk("first", context=60, max_tokens=200)
    talk.say("one")
    talk.model.script = "x" * 60
    talk.say("two")
    assert talk.finish == "context"
    before = head(talk.talk)
    *_, last = talk.talk.resume()
    after = head(talk.talk)
    assert (after.id, after.forgotten, before.forgotten) == (before.id, 1, 0)
    assert after.new_tokens == before.new_tokens + last.usage.new_tokens
    assert list(talk.talk.ids[: after.prompt_length]) == [BOS, USER, *b"two", END, ASSISTANT]


def test_a_smaller_context_drops_what_no_longer_fits() -> None:
    talk = Talk("r" * 10, context=400)
    for number in range(8):
        talk.say(f"m{number}")
    small = ScriptedModel(["r" * 10], context_length=100)
    again = Conversation(
        small, settings=talk.talk.settings, session=talk.talk.session, turns=talk.talk.path
    )
    list(again.ask("more"))
    assert head(again).forgotten > 3
    assert len(again.ids) <= 100
