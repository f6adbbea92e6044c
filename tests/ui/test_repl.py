"""Whole conversations, as a script and as keys typed on a terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.engine.types import Finish
from chatcli.ui.repl import run_repl
from tests.fakes import EOS
from tests.ui.talking import Talk, contents, prompt


def test_a_script_prints_replies_only_a_line_a_turn() -> None:
    talk = Talk("你好！", "fine")
    assert talk.play("你好\nhow are you?\n")
    assert talk.out == "你好！\nfine\n"


def test_the_context_is_kept_and_only_new_tokens_are_fed() -> None:
    talk = Talk("one", "two")
    talk.play("first\nsecond\n")
    first = prompt(talk, "first")
    assert talk.said == [("first", "one"), ("second", "two")]
    assert talk.is_whole() and talk.ids[: len(first) + 3] == [*first, *b"one"]
    assert talk.fed == len(talk.cache)  # no id was fed twice
    assert "reused" in talk.err


def test_empty_lines_are_no_turns() -> None:
    talk = Talk("one")
    talk.play("\n  \nfirst\n\n")
    assert talk.out == "one\n"
    assert len(talk.rows) == 1


def test_exit_leaves_at_once() -> None:
    talk = Talk("one")
    assert talk.play("/exit\nfirst\n")
    assert talk.out == "" and not talk.scripted.fed


@pytest.mark.parametrize(
    ("line", "hint"),
    [("/rety", "did you mean /retry?"), ("/Exit", "/exit?"), ("/qqqq", "/help lists them")],
)
def test_an_unknown_command_suggests_the_nearest(line: str, hint: str) -> None:
    talk = Talk("one")
    assert not talk.play(f"{line}\n")
    assert hint in talk.err
    assert talk.out == ""


def test_a_wide_slash_is_a_slash() -> None:
    talk = Talk("one")
    assert talk.play("／system 你是助手\n你好\n")
    assert contents(talk)[0] == ("system", "你是助手")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/usr/bin is what?", "/usr/bin is what?"),
        ("//set is what?", "/set is what?"),
        ("//", "//"),
        ("// a remark", "// a remark"),
        ("///set", "//set"),
        (" spaces stay ", " spaces stay "),
    ],
)
def test_what_is_no_command_is_a_message(line: str, message: str) -> None:
    talk = Talk("one")
    assert talk.say(line)
    assert talk.said == [(message, "one")]


def test_control_characters_in_an_unknown_command_are_inert() -> None:
    talk = Talk("one")
    talk.play("/x \x1b]0;t\x07\n/set temperature \x1b]0;t\x07\n")
    assert "\x1b" not in talk.err


def test_a_failed_turn_is_told_and_the_conversation_goes_on() -> None:
    talk = Talk("one", context_length=40)
    assert not talk.play(f"{'long ' * 20}\nfirst\n")
    assert talk.err.startswith("chatcli: the message is ")
    assert talk.out == "one\n"
    assert talk.said == [("first", "one")]


def test_a_failed_command_makes_a_script_fail() -> None:
    talk = Talk("one")
    assert not talk.play("first\n/set temperature hot\n")


def test_a_refused_message_is_given_back_into_the_line() -> None:
    talk = Talk("one", context_length=40)
    talk.say("long " * 20)
    assert talk.repl.first == "long " * 20
    talk.repl.first = ""
    talk.say("//set " + "long " * 20)
    assert talk.repl.first == '"""/set ' + "long " * 20 + '"""'


def test_stdin_that_is_not_utf8_is_an_error_that_says_where() -> None:
    talk = Talk("one")
    with pytest.raises(ValueError, match="byte 0xFF at offset 7"):
        talk.play(b"first\n\n\xff\n")
    assert talk.out == "one\n"
    assert talk.said == [("first", "one")]


def interrupted_after_three(tokens: Sequence[int]) -> list[float]:
    """A model that only says "a", and whose user presses Ctrl-C while it says the fourth."""
    if list(tokens[-3:]) == [97] * 3:
        signal.raise_signal(signal.SIGINT)
    return [0.0] * 97 + [99.0]


def test_an_interrupted_reply_stays_in_the_context_and_can_go_on() -> None:
    talk = Talk(terminal=True)
    talk.scripted.script = interrupted_after_three
    assert talk.say("first", "second")
    assert talk.said == [("first", "aaa"), ("second", "aaa")]
    finishes: list[Finish | None] = [turn.finish for turn in talk.rows]
    assert finishes == ["interrupted", "interrupted"]
    assert "— interrupted; /continue goes on —" in talk.out


def test_a_message_interrupted_before_a_token_is_kept_and_can_be_asked_again() -> None:
    talk = Talk(terminal=True)

    def at_once(tokens: Sequence[int]) -> list[float]:
        signal.raise_signal(signal.SIGINT)
        return [0.0] * 97 + [99.0]

    talk.scripted.script = at_once
    talk.say("first")
    assert talk.said == [("first", "")] and talk.kept.head is None
    assert "/retry asks it again" in talk.err
    talk.scripted.script = "ok"
    talk.say("/retry")
    assert talk.said[-1] == ("first", "ok")
    assert contents(talk) == [("user", "first"), ("assistant", "ok")]
    assert talk.is_whole()


def test_an_interrupted_script_ends() -> None:
    talk = Talk()
    talk.scripted.script = interrupted_after_three
    with pytest.raises(KeyboardInterrupt):
        talk.play("first\nsecond\n")
    assert talk.out == "aaa\n"
    assert talk.said == [("first", "aaa")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_a_reply_keeps_it_and_ends_the_chat(number: signal.Signals) -> None:
    talk = Talk(terminal=True)

    def killed(tokens: Sequence[int]) -> list[float]:
        if list(tokens[-3:]) == [97] * 3:
            os.kill(os.getpid(), number)
        return [0.0] * 97 + [99.0]

    talk.scripted.script = killed
    assert talk.say("first", "second")
    assert talk.said == [("first", "aaa")]
    assert f"chatcli chat --session {talk.kept.id}" in talk.err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("first\r\x04", ["first"]),
        ("你好\r/exit\r", ["你好"]),
        ("gone\x03first\r\x04", ["first"]),
        ('"""\r/set\rsecond"""\r\x04', ["/set\nsecond"]),
        ("\x04", []),
    ],
    ids=["Ctrl-D leaves", "exit leaves", "Ctrl-C clears", "between quotes", "nothing said"],
)
def test_keys_on_a_terminal(keys: str, said: list[str]) -> None:
    talk = Talk("one", terminal=True)
    with create_pipe_input() as pipe, create_app_session(pipe, DummyOutput()):
        pipe.send_text(keys)
        assert run_repl(talk.repl)
    assert [turn.user for turn in talk.conversation.path] == said
    assert ("to go on: chatcli chat --session " in talk.err) is bool(said)


def test_a_second_ctrl_c_keeps_the_reply_and_says_how_to_resume() -> None:
    talk = Talk(terminal=True)

    def twice(tokens: Sequence[int]) -> list[float]:
        if list(tokens[-3:]) == [97] * 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return [0.0] * 97 + [99.0]

    talk.scripted.script = twice
    with pytest.raises(KeyboardInterrupt):
        talk.say("first")
    assert talk.said == [("first", "aaa")]
    assert talk.err.count(f"chatcli chat --session {talk.kept.id}") == 1


def test_a_signal_at_the_prompt_says_how_to_resume() -> None:
    talk = Talk("one", terminal=True)

    def lines() -> Iterator[str]:
        yield "first"  # then the terminal's lines end without a word, as after SIGTERM

    run_repl(talk.repl, lines())
    assert talk.err.count(f"chatcli chat --session {talk.kept.id}") == 1


def test_remarks_from_below_wait_for_the_end_of_the_reply() -> None:
    talk = Talk(terminal=True)

    def remarking(tokens: Sequence[int]) -> list[float]:
        talk.conversation.notice("something happened")
        assert "happened" not in talk.err
        return [0.0] * EOS + [99.0]

    talk.scripted.script = remarking
    assert talk.say("first")
    assert talk.err.count("something happened") == 1


def test_the_past_is_shown_on_a_terminal_alone() -> None:
    talk = Talk("one", "two", terminal=True)
    talk.say("first", "second")
    before = len(talk.out)
    talk.repl.show_past()
    assert talk.out[before:].splitlines() == ["1 > first", "one", "", "2 > second", "two"]
    piped = Talk("one")
    piped.play("first\n")
    piped.repl.show_past()
    assert piped.out == "one\n"


def test_an_export_that_cannot_be_written_is_one_line_and_the_chat_goes_on() -> None:
    talk = Talk("one", "two")
    assert not talk.play("first\n/export /no/such/folder/a.html\nsecond\n")
    assert talk.out == "one\ntwo\n"
    (line,) = [line for line in talk.err.splitlines() if line.startswith("chatcli: ")]
    assert line == "chatcli: can't write /no/such/folder/a.html: No such file or directory"


def test_a_block_in_a_pipe_is_one_message() -> None:
    talk = Talk("one", "two")
    assert talk.play('"""\n一\n/exit\n"""\nsecond\n')
    assert [message for message, _ in talk.said] == ["一\n/exit", "second"]
