"""Whole conversations, as a script and as keys typed on a terminal."""

from __future__ import annotations

import io
import signal
from collections.abc import Sequence

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.chat.conversation import Conversation
from chatcli.sampling.types import SamplingConfig
from chatcli.text.types import Message
from chatcli.ui.environment import Environment
from chatcli.ui.frames import DisplayOptions
from chatcli.ui.repl import ReplyOptions, run_repl
from tests.fakes import ScriptedModel

GREEDY = SamplingConfig(temperature=0)
OPTIONS = ReplyOptions(DisplayOptions(live=False), max_tokens=40)


class Talk:
    """A conversation with a scripted model; `out` and `err` are what was written."""

    def __init__(self, *replies: str, terminal: bool = False, context_length: int = 2048) -> None:
        self.model = ScriptedModel(list(replies), context_length=context_length)
        self.conversation = Conversation(self.model, GREEDY)
        self._out, self._err = io.StringIO(), io.StringIO()
        self.terminal = terminal

    def env(self, stdin: bytes = b"") -> Environment:
        return Environment(
            stdin=io.TextIOWrapper(io.BytesIO(stdin), "utf-8"),
            stdout=self._out,
            stderr=self._err,
            stdin_is_terminal=self.terminal,
            stdout_is_terminal=self.terminal,
        )

    def play(self, script: str, options: ReplyOptions = OPTIONS) -> bool:
        """Feed a script to stdin."""
        return run_repl(self.env(script.encode()), self.conversation, options)

    def say(self, *lines: str) -> bool:
        """Hand over lines one by one."""
        return run_repl(self.env(), self.conversation, OPTIONS, iter(lines))

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


def contents(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]


def test_a_script_prints_replies_only_a_line_a_turn() -> None:
    talk = Talk("你好！", "fine")
    assert talk.play("你好\nhow are you?\n")
    assert talk.out == "你好！\nfine\n"


def test_the_context_is_kept_and_only_new_tokens_are_fed() -> None:
    talk = Talk("one", "two")
    talk.play("first\nsecond\n")
    assert contents(talk.conversation.messages) == [
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
        ("assistant", "two"),
    ]
    fed = [token for ids in talk.model.fed for token in ids]
    assert bytes(token for token in fed if token < 256).count(b"first") == 1
    assert "reused" in talk.err


def test_empty_lines_are_no_turns() -> None:
    talk = Talk("one")
    talk.play("\n  \nfirst\n\n")
    assert talk.out == "one\n"


def test_reset_forgets_the_conversation() -> None:
    talk = Talk("one")
    talk.play("first\n/reset\nagain\n")
    assert contents(talk.conversation.messages)[0] == ("user", "again")
    assert len(talk.conversation.messages) == 2


def test_exit_leaves_at_once() -> None:
    talk = Talk("one")
    assert talk.play("/exit\nfirst\n")
    assert talk.out == ""


def test_help_lists_every_command_on_stderr() -> None:
    talk = Talk("one")
    talk.play("/help\n")
    assert talk.out == ""
    assert all(f"/{name}  " in talk.err for name in ("help", "reset", "exit"))


@pytest.mark.parametrize(
    ("line", "hint"),
    [("/rest", "did you mean /reset?"), ("/Exit", "/exit?"), ("/qqqq", "/help lists them")],
)
def test_an_unknown_command_suggests_the_nearest(line: str, hint: str) -> None:
    talk = Talk("one")
    assert not talk.play(f"{line}\n")
    assert hint in talk.err
    assert talk.out == ""


def test_a_path_is_a_message() -> None:
    talk = Talk("a folder")
    assert talk.play("/usr/bin is what?\n")
    assert talk.out == "a folder\n"


def test_control_characters_in_an_unknown_command_are_inert() -> None:
    talk = Talk("one")
    talk.play("/x \x1b]0;t\x07\n")
    assert "\x1b" not in talk.err


def test_a_failed_turn_is_told_and_the_conversation_goes_on() -> None:
    talk = Talk("one", context_length=40)
    assert not talk.play(f"{'long ' * 20}\nfirst\n")
    assert len(talk.err.splitlines()[0]) > 0 and talk.err.startswith("chatcli: ")
    assert talk.out == "one\n"


def test_stdin_that_is_not_utf8_is_an_error_that_says_where() -> None:
    talk = Talk("one")
    with pytest.raises(ValueError, match="byte 0xFF at offset 7"):
        run_repl(talk.env(b"first\n\n\xff\n"), talk.conversation, OPTIONS)
    assert talk.out == "one\n"


def interrupted_after_three(tokens: Sequence[int]) -> list[float]:
    """A model that only says "a", and whose user presses Ctrl-C while it says the fourth."""
    if list(tokens[-3:]) == [97] * 3:
        signal.raise_signal(signal.SIGINT)
    return [0.0] * 97 + [99.0]


def test_an_interrupted_reply_stays_in_the_context() -> None:
    talk = Talk("", terminal=True)
    talk.model.script = interrupted_after_three
    assert talk.say("first", "second")
    assert contents(talk.conversation.messages) == [
        ("user", "first"),
        ("assistant", "aaa"),
        ("user", "second"),
        ("assistant", "aaa"),
    ]


def test_an_interrupted_script_ends() -> None:
    talk = Talk("")
    talk.model.script = interrupted_after_three
    with pytest.raises(KeyboardInterrupt):
        talk.play("first\nsecond\n")
    assert talk.out == "aaa\n"


def test_a_prefill_starts_every_reply() -> None:
    talk = Talk("Sure: yes")
    options = ReplyOptions(DisplayOptions(live=False), prefill="Sure: ")
    talk.play("first\n", options)
    assert talk.out == "Sure: yes\n"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("first\r\x04", ["first"]),
        ("你好\r/exit\r", ["你好"]),
        ("gone\x03first\r\x04", ["first"]),
        ("\x04", []),
    ],
    ids=["Ctrl-D leaves", "exit leaves", "Ctrl-C clears the line", "nothing said"],
)
def test_keys_on_a_terminal(keys: str, said: list[str]) -> None:
    talk = Talk("one", terminal=True)
    with create_pipe_input() as pipe, create_app_session(pipe, DummyOutput()):
        pipe.send_text(keys)
        assert run_repl(talk.env(), talk.conversation, OPTIONS)
    users = [one.content for one in talk.conversation.messages if one.role == "user"]
    assert users == said
