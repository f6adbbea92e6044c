"""/new, /open, /rename, /export and /model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatcli.chat.conversation import Conversation
from chatcli.chat.store import Store
from chatcli.model.load import load
from chatcli.model.types import LanguageModel
from tests.fakes import ScriptedModel, tiny_checkpoint
from tests.ui.talking import Talk, contents, prompt, tiny_talk


def test_new_starts_afresh_and_the_old_one_stays() -> None:
    talk = Talk("one")
    talk.say("/set top_k 3", "/system be kind", "first")
    old = talk.kept
    talk.say("/new", "second")
    assert talk.kept.id != old.id and talk.kept.settings == old.settings
    assert contents(talk) == [("system", "be kind"), ("user", "second"), ("assistant", "one")]
    assert talk.cache[: len(prompt(talk, "second"))] == prompt(talk, "second")
    assert [turn.user for turn in talk.store.turns(old.id)] == ["first"]
    assert f"/open {old.id}" in talk.err
    assert len(talk.store.sessions()) == 2


def test_new_of_nothing_leaves_no_empty_conversation() -> None:
    talk = Talk("one")
    talk.say("/new", "/reset", "hi")
    assert len(talk.store.sessions()) == 1


def test_open_takes_up_another_conversation_as_if_it_had_never_stopped(tiny: Path) -> None:
    unbroken = tiny_talk(tiny)
    unbroken.say("你好", "again")
    talk = tiny_talk(tiny)
    talk.say("你好")
    old = talk.kept.id
    talk.say("/new", "something else", f"/open {old}", "again")
    assert talk.kept.id == old
    assert talk.ids == unbroken.ids and talk.is_whole()
    assert talk.cache == unbroken.cache


def test_open_finds_names_and_beginnings_of_ids() -> None:
    talk = Talk("one")
    talk.say("first", "/rename 山")
    old = talk.kept.id
    for reference in ("山", old[:6]):
        talk.say("/new", f"/open {reference}")
        assert talk.conversation.session.id == old
        assert contents(talk)[0] == ("user", "first")


def test_open_brings_the_settings_of_that_conversation() -> None:
    talk = Talk("one")
    talk.say("/set top_k 7", "first", "/new", "/set top_k 0", "second")
    (other,) = [each.id for each in talk.store.sessions() if each.id != talk.kept.id]
    talk.say(f"/open {other}")
    assert talk.conversation.config.top_k == 7


@pytest.mark.parametrize("line", ["/open", "/open zz", "/rename", "/export", "/export x.doc"])
def test_what_cannot_be_done_changes_nothing(line: str) -> None:
    talk = Talk("one")
    talk.say("first")
    before = talk.kept
    assert not talk.say(line)
    assert talk.kept == before and talk.err.splitlines()[-1].startswith("chatcli: ")


def test_open_loads_the_checkpoint_of_the_conversation(tmp_path: Path, tiny: Path) -> None:
    other = str(tiny_checkpoint(tmp_path / "other", seed=1))

    def loader(reference: str) -> LanguageModel:
        return load(reference, device="cpu")

    talk = tiny_talk(tiny, load=loader)
    talk.say(f"/model {other}", "你好", "/set seed 8")
    first = talk.kept
    assert first.model == other
    talk.say("/new", f"/model {tiny}", "你好", f"/open {first.id}", "again")
    assert talk.conversation.model.checkpoint.name == "other"
    assert talk.kept.id == first.id and talk.is_whole()
    assert {turn.runs[-1].origin.name for turn in talk.rows} == {"other"}


def test_open_goes_on_from_text_where_the_checkpoint_is_gone() -> None:
    talk = Talk("one")
    talk.say("first")
    elsewhere = Conversation(ScriptedModel("two"), reference="/gone", keeper=talk.repl.keeper)
    list(elsewhere.ask("second"))
    talk.say(f"/open {elsewhere.session.id}", "third")
    assert "there is no model '/gone'" in talk.err and "from the text" in talk.err
    assert [turn.user for turn in talk.conversation.path] == ["second", "third"]


def test_rename_is_kept_and_can_be_taken_back() -> None:
    talk = Talk("one")
    talk.say("first", "/rename 我的 对话")
    assert talk.kept.name == "我的 对话"
    talk.say("/rename none")
    assert talk.kept.name is None


def test_a_name_that_another_conversation_has_is_refused() -> None:
    talk = Talk("one")
    talk.say("first", "/rename Mine", "/new", "second")
    assert not talk.say("/rename mine")
    assert talk.kept.name is None and "is named" in talk.err


def test_rename_before_the_first_message_is_kept_with_it() -> None:
    talk = Talk("one")
    talk.say("/rename early", "first")
    assert talk.kept.name == "early"


def test_export_writes_the_branch_and_overwrites_only_when_forced(tmp_path: Path) -> None:
    talk = Talk("一", "two")
    path = tmp_path / "my chat.jsonl"
    talk.say("first", "second", "/undo", f'/export "{path}"')
    (line,) = path.read_text().splitlines()
    assert [one["content"] for one in json.loads(line)["messages"]] == ["first", "一"]
    assert not talk.say("third", f'/export "{path}"')
    assert len(json.loads(path.read_text())["messages"]) == 2
    talk.say(f'/export --force "{path}"')
    assert len(json.loads(path.read_text())["messages"]) == 4


@pytest.mark.parametrize("ending", ["md", "html"])
def test_export_knows_the_format_by_the_ending(tmp_path: Path, ending: str) -> None:
    talk = Talk("一")
    assert talk.say("你好", f"/export {tmp_path}/x.{ending}")
    assert "你好" in (tmp_path / f"x.{ending}").read_text()


def test_nothing_is_exported_before_the_first_turn(tmp_path: Path) -> None:
    talk = Talk()
    assert not talk.say(f"/export {tmp_path}/x.md")
    assert not (tmp_path / "x.md").exists()


def test_another_model_goes_on_from_the_text(tiny: Path) -> None:
    def loader(reference: str) -> LanguageModel:
        assert reference == str(tiny)
        return load(reference, device="cpu")

    talk = Talk("one", load=loader)
    talk.say("first", "/set max_tokens 3", f"/model {tiny}", "second")
    tokenizer = talk.conversation.model.tokenizer
    assert talk.cache[: len(prompt(talk, "first", "one", "second"))] == prompt(
        talk, "first", "one", "second"
    )
    assert "first" in tokenizer.decode(talk.ids)
    assert talk.kept.model == str(tiny)
    assert [turn.runs[-1].origin.name for turn in talk.rows] == ["scripted", "tiny"]


def test_a_model_that_cannot_be_loaded_leaves_the_old_one() -> None:
    talk = Talk("one", "two")
    assert not talk.say("first", "/model /nowhere", "second")
    assert talk.said == [("first", "one"), ("second", "two")]
    assert talk.kept.model == "builtin" and talk.fed == len(talk.cache)


def test_a_chat_that_is_not_kept_writes_nothing_and_opens_nothing() -> None:
    talk = Talk("one")
    talk.repl.store = talk.repl.keeper = talk.conversation.keeper = None
    assert not talk.say("first", "/rename x", "/open x")
    assert Store.open().sessions() == ()
    assert talk.repl.leaving() == ""
