"""Checkpoints that would write to the terminal: in names, tokens, templates, what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chatcli.cli import main
from tests.cli.world import run
from tests.fakes import ScriptedModel, tiny_checkpoint
from tests.ui.screen import Screen, screen_environment

OSC = "\x1b]0;owned\x07"
BIDI = "\u202e"
HOSTILE = f"a{OSC}{BIDI}b"
TOKEN = 300  # the first that the tiny checkpoint leaves free
FORBIDDEN = ("\x1b]", "\x07", BIDI)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose name, template and one token are hostile."""
    folder = tiny_checkpoint(tmp_path_factory.mktemp("hostile") / HOSTILE, vocab_size=301)
    _change(folder / "tokenizer.json", _hostile_token)
    _change(folder / "tokenizer_config.json", _hostile_template)
    return folder


def _change(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def _hostile_token(document: dict[str, object]) -> None:
    added = document["added_tokens"]
    assert isinstance(added, list)
    added.append({**added[0], "id": TOKEN, "content": HOSTILE, "special": False})


def _hostile_template(document: dict[str, object]) -> None:
    document["chat_template"] = f"{{{{ raise_exception({HOSTILE!r}) }}}}"


def shown(*arguments: str | Path) -> tuple[int, str]:
    """The status, and all that a terminal of 100 columns and stderr were sent."""
    screen = Screen(100, 40)  # it refuses what the display itself has no use for
    env = screen_environment(screen)
    status = main([str(one) for one in arguments], env)
    return status, "".join(screen.sent) + env.stderr.getvalue()  # type: ignore[attr-defined]


def assert_inert(text: str) -> None:
    assert not [raw for raw in FORBIDDEN if raw in text]


@pytest.mark.parametrize("command", [["complete", "hi"], ["probs", "hi"], ["models", "show"]])
def test_a_name_that_does_not_exist_is_shown_inert(tmp_path: Path, command: list[str]) -> None:
    where = [tmp_path / HOSTILE] if command[0] == "models" else ["-m", tmp_path / HOSTILE]
    outcome = run(*command, *where)
    assert outcome.status == 1
    assert "owned" in outcome.only_error
    assert_inert(outcome.err)


def test_a_name_that_exists_is_shown_inert(hostile: Path) -> None:
    status, text = shown("models", "show", hostile)
    assert status == 0 and "owned" in text
    assert_inert(text)


@pytest.mark.parametrize(
    "flags",
    [
        ["complete", "hi", "--table", "--pace", "1e9", "-n", "3"],
        ["complete", "hi", "--no-live", "--echo", "-n", "3"],
        ["probs", "hi", "--top", "301"],
    ],
)
def test_a_token_is_shown_inert_everywhere(hostile: Path, flags: list[str]) -> None:
    status, text = shown(*flags, "-m", hostile, "--logit-bias", f"{TOKEN}=1e3")
    assert status == 0 and "owned" in text
    assert_inert(text)


def test_a_pipe_gets_a_token_as_it_is(hostile: Path) -> None:
    outcome = run(
        "complete", "hi", "-m", hostile, "-n", "1", "--logit-bias", f"{TOKEN}=1e3", "--table"
    )
    assert outcome.out == HOSTILE
    assert "owned" in outcome.err
    assert_inert(outcome.err)


def test_json_escapes_what_a_terminal_would_obey(hostile: Path) -> None:
    for command in (["complete", "-n", "1"], ["probs", "--top", "301"]):
        biased = ["--logit-bias", f"{TOKEN}=1e3", "--json"]
        outcome = run(*command, "hi", "-m", hostile, *biased)
        assert outcome.status == 0 and "owned" in outcome.out
        assert not {"\x1b", "\x07"} & set(outcome.out)


@pytest.mark.parametrize("command", ["complete", "probs"])
def test_what_a_template_says_when_it_fails_is_shown_inert(hostile: Path, command: str) -> None:
    outcome = run(command, "hi", "--chat", "-m", hostile)
    assert outcome.status == 1
    assert "owned" in outcome.only_error
    assert_inert(outcome.err)


def test_a_chat_with_a_failing_template_goes_on_and_is_inert(hostile: Path) -> None:
    outcome = run("chat", "-m", hostile, stdin=f"hi\n/x {OSC}\n")
    assert outcome.status == 1 and outcome.out == ""
    assert len(outcome.err.splitlines()) == 3  # the warning about the template comes first
    assert_inert(outcome.err)


def test_what_a_prompt_contains_is_shown_inert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatcli.model.load.load", lambda *_, **__: ScriptedModel("fine"))
    for flags in (["complete"], ["complete", "--no-live"], ["probs"]):
        _, text = shown(*flags, HOSTILE)
        assert "owned" in text
        assert_inert(text)
