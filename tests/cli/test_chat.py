"""`chatcli chat` through the entry point, fed by a script."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.cli import main
from tests.cli.world import Outcome, run
from tests.fakes import ScriptedModel
from tests.ui.screen import Screen, screen_environment


def chat(model: Path, script: str, *arguments: str) -> Outcome:
    return run("chat", "-m", model, "-n", "4", "--seed", "1", *arguments, stdin=script)


def test_every_line_is_a_turn_and_only_new_tokens_are_read(tiny: Path) -> None:
    outcome = chat(tiny, "你好\nagain\n")
    assert outcome.status == 0
    prompts = re.findall(r"prompt (\d+)(?: \((\d+) reused\))?", outcome.err)
    assert len(prompts) == 2
    assert prompts[0][1] == "" and int(prompts[1][1]) > int(prompts[0][0])


def test_a_system_prompt_is_part_of_the_context(tiny: Path) -> None:
    def count(*arguments: str) -> int:
        found = re.search(r"prompt (\d+)", chat(tiny, "Hi\n", *arguments).err)
        assert found is not None
        return int(found[1])

    assert count("--system", "Be kind.") > count()


def test_a_failed_turn_is_told_and_ends_in_1(tiny: Path) -> None:
    outcome = chat(tiny, f"{'zq' * 99}\nHi\n")
    assert outcome.status == 1
    assert outcome.err.startswith("chatcli: ") and outcome.out.endswith("\n")


def test_replies_end_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(["你好！", "fine"])
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    assert run("chat", "--greedy", stdin="Hi\nHow?\n").out == "你好！\nfine\n"


def test_the_help_says_that_commands_work_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("chat", "--help")
    assert "a command, such as /reset, is obeyed there too" in " ".join(
        capsys.readouterr().out.split()
    )
    model = ScriptedModel(["first", "second"])
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    assert run("chat", "--greedy", stdin="Hi\n/reset\nHi\n").out == "first\nfirst\n"


def test_a_model_without_a_template_is_said_to_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ScriptedModel("fine")
    model.tokenizer.chat_template = None
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    outcome = run("chat", "--greedy", stdin="Hi\n")
    assert "scripted has no chat template" in outcome.err
    assert outcome.out == "fine\n"


def test_a_conversation_at_the_keyboard_is_greeted_and_ends_in_0(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ScriptedModel("fine")
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    screen, err = Screen(40, 24), io.StringIO()
    env = dataclasses.replace(screen_environment(screen, stderr=err), stdin_is_terminal=True)
    with create_pipe_input() as keys, create_app_session(keys, DummyOutput()):
        keys.send_text("Hi\r/rest\r\x04")
        assert main(["chat", "--greedy"], env) == 0
    assert screen.lines()[0] == "fine"
    greeting, mistake = err.getvalue().split("chatcli: ")
    assert greeting.startswith("scripted · ") and max(map(len, greeting.splitlines())) <= 40
    assert mistake.startswith("no command /rest; did you mean /reset?")
