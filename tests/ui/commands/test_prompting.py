"""/system, /prompt and /prefill: what is said to the model besides the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.chat.types import system_prompt
from chatcli.folders import config_folder
from tests.ui.talking import GREEDY, Talk, contents, prompt

FILE = """
description = "x"
system = "Be {{ mood }}."
message = "<{{ input }}>"
prefill = "Well: "
stop = ["!"]
max_tokens = 9
[variables]
mood = { default = "kind", choices = ["kind", "冷静"] }
[[examples]]
user = "a"
assistant = "b"
[sampling]
temperature = 0
top_k = 5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    return path


def test_a_system_prompt_is_part_of_the_next_prompt_and_kept() -> None:
    talk = Talk("one")
    talk.say("/system 你是助手", "hi")
    whole = prompt(talk, "hi")
    assert talk.cache[: len(whole)] == whole and "你是助手".encode() in bytes(
        token for token in whole if token < 256
    )
    assert system_prompt(talk.kept.settings.preamble) == "你是助手"
    assert talk.rows[0].preamble == talk.kept.settings.preamble


def test_another_system_prompt_in_a_conversation_is_read_from_the_difference_on() -> None:
    talk = Talk("one", "two")
    talk.say("/system aa", "first", "/system ab", "second")
    whole = prompt(talk, "first", "one", "second")
    assert talk.rows[1].runs[-1].usage.reused_tokens == 3  # up to the first a
    assert talk.cache[:4] == whole[:4]
    assert "the system prompt changed" in talk.err


@pytest.mark.parametrize("line", ["/system none", '/system ""'])
def test_a_system_prompt_can_be_removed(line: str) -> None:
    talk = Talk("one")
    talk.say("/system aa", line, "hi")
    assert talk.cache[: len(prompt(talk, "hi"))] == prompt(talk, "hi")
    assert talk.kept.settings.preamble == ()


def test_the_system_prompt_is_shown() -> None:
    talk = Talk()
    talk.say("/system", "/system two\nlines", "/system")
    assert talk.err.splitlines()[0] == "no system prompt"
    assert talk.err.splitlines()[-2:] == ["two", "lines"]


def test_a_prefill_starts_every_reply_until_it_is_removed() -> None:
    talk = Talk("Sure: yes")
    talk.say('/prefill "Sure: "', "hi", "/prefill", "/prefill none", "again")
    assert talk.said[0] == ("hi", "Sure: yes")
    assert talk.rows[0].prefill == "Sure: " and talk.rows[1].prefill == ""
    first = [*prompt(talk, "hi"), *b"Sure: "]
    assert talk.cache[: len(first)] == first
    assert talk.rows[0].prompt_length == len(first)


def test_a_prompt_file_holds_in_all_its_parts(file: Path) -> None:
    talk = Talk("Well: ok! no")
    assert talk.say(f"/prompt {file} mood=冷静", "hi")
    (row,) = talk.rows
    assert contents(talk)[:3] == [("system", "Be 冷静."), ("user", "<a>"), ("assistant", "b")]
    assert (row.user, row.reply, row.finish) == ("<hi>", "Well: ok", "stop")
    assert row.runs[-1].sampling.top_k == 5
    assert talk.kept.settings.prompt == "mine" and talk.kept.settings.max_tokens == 9
    first = [*prompt(talk, "<hi>"), *b"Well: "]
    assert talk.cache[: len(first)] == first


def test_a_prompt_can_be_taken_away_with_all_that_it_brought(file: Path) -> None:
    talk = Talk("one")
    talk.say("/set top_k 3", f"/prompt {file}", "/prompt none", "hi")
    assert talk.cache[: len(prompt(talk, "hi"))] == prompt(talk, "hi")
    assert (talk.rows[0].user, talk.kept.settings.prompt) == ("hi", None)
    assert talk.kept.settings.sampling.top_k == 3
    assert (talk.kept.settings.stop, talk.kept.settings.max_tokens) == ((), 40)


def test_what_was_changed_under_a_prompt_stays_and_another_prompt_starts_without_it(
    file: Path,
) -> None:
    talk = Talk("one")
    talk.say(f"/prompt {file}", "/set max_tokens 11", "/prompt assistant", "/prompt none")
    settings = talk.conversation.settings
    assert settings.max_tokens == 11 and settings.sampling.top_k == GREEDY.sampling.top_k
    assert settings.stop == () and "stay" not in talk.err


def test_a_prompt_that_is_no_longer_known_leaves_its_ways_of_sampling(file: Path) -> None:
    talk = Talk("one")
    talk.say(f"/prompt {file}")
    talk.repl.prompted = None  # as after --continue
    talk.say("/prompt none")
    assert talk.conversation.config.top_k == 5 and "its ways of sampling stay" in talk.err


def test_quotes_and_escapes_are_read_in_every_text_for_the_model(file: Path) -> None:
    talk = Talk("one")
    talk.say('/prefill "a\\nb "', "/system 'x\\ty'")
    assert talk.conversation.settings.prefill == "a\nb "
    assert system_prompt(talk.conversation.settings.preamble) == "x\ty"
    talk.say('/prompt character who="a\\\\b c"')
    assert "You are a\\b c." in str(system_prompt(talk.conversation.settings.preamble))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/prompt asistant", "did you mean 'assistant'?"),
        ("/prompt assistant tone=x", "has no variable 'tone'"),
        ("/prompt assistant language=fr", "must be one of en, zh"),
        ("/prompt character", "): /prompt character who=…"),
        ("/prompt assistant zh", "'zh' should be KEY=VALUE"),
    ],
)
def test_a_prompt_that_cannot_be_used_changes_nothing(line: str, message: str) -> None:
    talk = Talk()
    before = talk.conversation.settings
    assert not talk.say(line)
    assert message in talk.err and talk.conversation.settings == before


def test_sampling_settings_that_are_none_are_the_prompts_fault(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('description = "x"\nsystem = "x"\n[sampling]\ntop_k = -1\n')
    talk = Talk()
    assert not talk.say(f"/prompt {path}")
    assert "the prompt bad: top_k is -1" in talk.err


def test_prompts_are_listed_even_where_a_file_is_broken() -> None:
    folder = config_folder() / "prompts"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text("description =")
    talk = Talk()
    talk.say("/prompt assistant", "/prompt")
    marked = [line.split()[1] for line in talk.err.splitlines() if line.startswith("•")]
    assert marked == ["assistant"]
    assert "broken           (/prompt broken says what is wrong with it)" in talk.err
    assert not talk.say("/prompt broken")
    assert "can't be read as a prompt file" in talk.err
