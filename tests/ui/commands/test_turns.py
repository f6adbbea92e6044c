"""/retry, /continue, /undo and /edit: the ids in the cache, and the rows in the store."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.ui.talking import Talk, contents, prompt, tiny_talk


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An editor that writes what is in `answer`, and keeps what it was given in `given`."""
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/given\ncat {tmp_path}/answer > "$1"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("VISUAL", str(script))
    return tmp_path


def test_retry_is_a_sibling_and_feeds_nothing_of_the_prompt_again() -> None:
    talk = Talk("one")
    talk.say("first", "/retry")
    first, second = talk.rows
    assert first.parent is second.parent is None and first.user == second.user
    assert talk.kept.head == second.id
    assert second.runs[-1].usage.reused_tokens == len(prompt(talk, "first")) - 1
    assert talk.is_whole()


def test_retry_draws_a_new_seed_unless_one_was_set(tiny: Path) -> None:
    drawn, fixed = tiny_talk(tiny, seed=None), tiny_talk(tiny, seed=3)
    for talk in (drawn, fixed):
        talk.say("你好", "/retry")
    seeds = [[turn.runs[-1].sampling.seed for turn in talk.rows] for talk in (drawn, fixed)]
    assert seeds[0][0] != seeds[0][1] and seeds[1] == [3, 3]
    assert drawn.is_whole() and fixed.is_whole()


def test_settings_of_a_retry_are_for_that_reply_alone(tiny: Path) -> None:
    talk, other = tiny_talk(tiny), tiny_talk(tiny, seed=5)
    talk.say("你好", "/retry seed=5", "again")
    other.say("你好")
    assert talk.rows[1].tail == other.rows[0].tail
    assert [turn.runs[-1].sampling.seed for turn in talk.rows] == [3, 5, 3]
    assert talk.kept.settings.sampling.seed == 3
    assert "seed 5" in talk.err


@pytest.mark.parametrize("line", ["/retry hot", "/retry temperature=hot", "/retry", "/continue"])
def test_what_cannot_be_done_leaves_everything_as_it_is(line: str) -> None:
    talk = Talk()
    assert not talk.say(line)
    assert not talk.scripted.fed and not len(talk.conversation.tree)


def test_continue_goes_on_token_for_token(tiny: Path) -> None:
    whole, parts = tiny_talk(tiny), tiny_talk(tiny)
    for talk in (whole, parts):
        talk.say("/set logit_bias 0=-inf,2=-inf")  # it mustn't end by itself
    whole.say("/set max_tokens 12", "你好")
    parts.say("你好", "/continue")
    assert parts.ids == whole.ids
    (row,) = parts.rows
    assert row.reply == whole.rows[0].reply
    assert [run.tokens for run in row.runs] == [6, 6]
    assert parts.is_whole()


def test_continue_writes_only_what_is_new() -> None:
    talk = Talk("one two three")
    talk.play("/set max_tokens 4\nfirst\n/continue\n/set max_tokens 40\n/continue\n")
    assert talk.out == "one \ntwo \nthree\n"
    assert talk.said == [("first", "one two three")]
    assert talk.fed == len(talk.cache)


def test_a_reply_that_ended_by_itself_does_not_go_on() -> None:
    talk = Talk("one")
    assert not talk.say("first", "/continue")
    assert "came to its end" in talk.err and len(talk.rows[0].runs) == 1


def test_undo_goes_back_and_keeps_the_turn() -> None:
    talk = Talk("one", "two", "three")
    talk.say("first", "second", "/undo")
    assert contents(talk) == [("user", "first"), ("assistant", "one")]
    assert len(talk.rows) == 2 and talk.kept.head == talk.rows[0].id
    fed = talk.fed
    talk.say("third")
    assert talk.rows[-1].parent == talk.rows[0].id
    new = len(talk.ids) - len(talk.rows[0].tail)
    assert talk.fed - fed <= new and talk.is_whole()


def test_undo_of_nothing_is_an_error() -> None:
    talk = Talk()
    assert not talk.say("/undo")
    assert not talk.say("hi", "/undo", "/undo")
    assert talk.kept.head is None


def test_edit_asks_a_turn_anew_and_keeps_what_followed(editor: Path) -> None:
    talk = Talk("one", "two")
    (editor / "answer").write_text("另一个问题\n")
    talk.say("first", "second", "/edit 1")
    assert (editor / "given").read_text() == "first"
    assert talk.said == [("first", "one"), ("second", "two"), ("另一个问题", "one")]
    assert contents(talk) == [("user", "另一个问题"), ("assistant", "one")]
    assert talk.rows[2].parent is None and talk.is_whole()
    assert talk.rows[2].runs[-1].usage.reused_tokens == 2  # the start, and the user's mark


def test_edit_is_of_the_last_turn_by_default(editor: Path) -> None:
    talk = Talk("one", "two")
    (editor / "answer").write_text("anew")
    talk.say("first", "second", "/edit")
    assert (editor / "given").read_text() == "second"
    assert talk.rows[2].parent == talk.rows[0].id and talk.rows[2].user == "anew"


@pytest.mark.parametrize("answer", ["first\n", "", "  \n"])
def test_unchanged_or_no_text_asks_nothing(editor: Path, answer: str) -> None:
    talk = Talk("one")
    (editor / "answer").write_text(answer)
    assert talk.say("first", "/edit")
    assert len(talk.rows) == 1 and "unchanged" in talk.err


@pytest.mark.parametrize("line", ["/edit 2", "/edit 0", "/edit x"])
def test_edit_of_no_turn_is_an_error(editor: Path, line: str) -> None:
    talk = Talk("one")
    assert not talk.say("first", line)
    assert not (editor / "given").exists() and len(talk.rows) == 1


def test_edit_shows_what_was_typed_without_the_prompt_around_it(editor: Path) -> None:
    talk = Talk("one")
    prompt_file = editor / "around.toml"
    prompt_file.write_text('description = "x"\nmessage = "<<{{ input }}>>"\n')
    (editor / "answer").write_text("anew")
    talk.say(f"/prompt {prompt_file}", "first", "/edit")
    assert (editor / "given").read_text() == "first"
    assert [turn.user for turn in talk.rows] == ["<<first>>", "<<anew>>"]
