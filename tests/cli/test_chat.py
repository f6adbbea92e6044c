"""`chatcli chat` through the entry point, fed by a script."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from chatcli.chat.store import Store
from chatcli.chat.types import Session, system_prompt
from chatcli.cli import main
from chatcli.folders import config_folder
from tests.cli.world import Outcome, run
from tests.fakes import ScriptedModel, tiny_checkpoint
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
    assert "a command, such as /retry, is obeyed there too" in " ".join(
        capsys.readouterr().out.split()
    )
    model = ScriptedModel(["first", "second"])
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: model)
    assert run("chat", "--greedy", stdin="Hi\n/new\nHi\n").out == "first\nfirst\n"


def test_what_is_wrong_with_a_template_is_said_once(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "base")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": None}))
    outcome = chat(folder, "Hi\nagain\n")
    assert outcome.err.count("base: no chat template, as base models have none") == 1
    assert outcome.status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-c", "--session", "x"), "--continue is the last conversation and --session another"),
        (("--overflow", "shift"), "--overflow is 'shift', but must be one of error, drop-oldest"),
        (("--thinking", "hide"), "--thinking is 'hide'"),
        (("--editing", "ed"), "--editing is 'ed'"),
        (("--probs", "some"), "--probs is 'some', but must be on, off or a number"),
        (("--stop", ""), "--stop is empty"),
        (("--prompt", "asistant"), "did you mean 'assistant'?"),
        (("--var", "a=b"), "--var a=b sets a variable of a prompt: add --prompt NAME"),
        (("-c",), "conversations"),
        (("--session", "x"), "conversations"),
    ],
)
def test_wrong_options_are_named_before_a_model_is_loaded(
    arguments: tuple[str, ...], message: str
) -> None:
    outcome = run("chat", "-m", "/no/such/model", *arguments)
    assert outcome.status != 0 and message in outcome.only_error


def test_options_hold_for_every_reply(tiny: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "mine.toml"
    prompt.write_text("description='x'\nsystem='{{ who }}'\nvariables.who.required=true\n")
    arguments = ("--prompt", str(prompt), "--var", "who=山", "--overflow", "slide")
    assert chat(tiny, "Hi\n", *arguments).status == 0
    (kept,) = sessions()
    settings = kept.settings
    assert (settings.prompt, settings.overflow, settings.max_tokens) == ("mine", "slide", 4)
    assert system_prompt(settings.preamble) == "山"


def test_what_is_typed_beats_the_prompt_file_and_that_the_config_file(
    tiny: Path, tmp_path: Path
) -> None:
    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text(
        "temperature = 0.11\ntop_k = 11\ntop_p = 0.11\n[chat]\nsystem = 'file'\nprefill = 'file'\n"
    )
    prompt = tmp_path / "mine.toml"
    prompt.write_text(
        "description = 'x'\nsystem = 'prompt'\nprefill = 'prompt'\n"
        "[sampling]\ntop_k = 22\ntop_p = 0.22\n"
    )
    chat(tiny, "Hi\n", "--prompt", str(prompt), "--top-p", "0.33", "--system", "typed")
    (kept,) = sessions()
    sampling = kept.settings.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.11, 22, 0.33)
    assert system_prompt(kept.settings.preamble) == "typed" and kept.settings.prefill == "prompt"


def test_presets_of_the_config_file_are_there(tiny: Path) -> None:
    config_folder().mkdir(parents=True)
    (config_folder() / "config.toml").write_text("[presets.mine]\ntop_k = 3\n")
    assert chat(tiny, "/preset mine\nHi\n").status == 0
    assert sessions()[0].settings.sampling.top_k == 3


def sessions() -> list[Session]:
    """What is kept, as another process finds it."""
    with Store.open(create=False) as store:
        return [store.session(each.id) for each in store.sessions()]


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
    assert " ".join(mistake.split()).startswith("no command /rest; did you mean /reset?")
