"""`chatcli chat` through the entry point, fed by a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.world import Outcome, run
from tests.fakes import ScriptedModel


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


def test_a_model_without_a_template_is_said_to_have_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ScriptedModel("fine")
    model.tokenizer.chat_template = None
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    outcome = run("chat", "--greedy", stdin="Hi\n")
    assert "scripted has no chat template" in outcome.err
    assert outcome.out == "fine\n"
