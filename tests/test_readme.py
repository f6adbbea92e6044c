"""The two READMEs: every command in them parses, every example runs, and they agree."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from chatcli.cli.app import COMMANDS, app
from chatcli.errors import UsageError
from chatcli.folders import config_folder
from chatcli.text.prompts import check_prompt, find_prompt
from chatcli.train.recipe import load_recipe
from tests.cli.world import run

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")


def blocks(name: str, *languages: str) -> list[str]:
    """The fenced blocks of a README in any of `languages`."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def command_lines(name: str) -> list[str]:
    """The lines that a reader would type: all of ```sh, what follows "$ " in ```console."""
    typed = [line for body in blocks(name, "sh") for line in body.splitlines() if line]
    shown = [line for body in blocks(name, "console") for line in body.splitlines()]
    return typed + [line.removeprefix("$ ") for line in shown if line.startswith("$ ")]


def invocations(line: str) -> Iterator[list[str]]:
    """The arguments of each `chatcli` in a shell line of pipes, lists and redirections."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    command: list[str] = []
    for word in [*words, ";"]:
        if not set(word) <= set("|&;<>"):
            command.append(word)
            continue
        arguments = [part for part in command if not re.match(r"[A-Z_]+=", part)]
        if arguments[:1] == ["chatcli"]:
            yield arguments[1:]
        command = []


def parse(arguments: Sequence[str]) -> None:
    """Parse as the command line does, and stop before the command runs."""
    command: Any = typer.main.get_command(app)
    left = list(arguments)
    while left and hasattr(command, "get_command") and not left[0].startswith("-"):
        context = command.context_class(command, info_name="chatcli")
        inner = command.get_command(context, left[0])
        if inner is None:
            raise UsageError(f"no command {left[0]!r}")
        command, left = inner, left[1:]
    command.make_context("chatcli", left)


USED = {
    name: [args for line in command_lines(name) for args in invocations(line)] for name in READMES
}


@pytest.mark.parametrize("arguments", USED["README.md"], ids=" ".join)
def test_a_command_of_the_readme_parses(arguments: list[str]) -> None:
    parse(arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_every_command(name: str) -> None:
    assert any(arguments[:1] == [name] for arguments in USED["README.md"])


@pytest.mark.parametrize("language", ["sh", "console", "toml"])
def test_both_readmes_hold_the_same_blocks_in_the_same_order(language: str) -> None:
    english, chinese = (blocks(name, language) for name in READMES)
    assert english == chinese


def test_both_readmes_have_the_same_sections() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in READMES]
    marks = [re.findall(r"^(#+ |!\[|- |\|-+\|)", text, re.MULTILINE) for text in texts]
    assert marks[0] == marks[1]


@pytest.mark.parametrize("name", READMES)
def test_every_file_that_a_readme_points_to_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = [one for one in re.findall(r"\]\(([^)#][^)]*)\)", text) if "://" not in one]
    assert len(targets) > 5
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("name", READMES)
def test_the_library_example_runs(
    name: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks(name, "python")
    assert '"builtin"' in example
    exec(example.replace('"builtin"', repr(str(tiny))), {})
    assert "StageTrace(name='temperature'" in capsys.readouterr().out


def test_the_recipe_is_one_that_training_takes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(blocks("README.md", "toml")[0], encoding="utf-8")
    assert [phase.kind for phase in load_recipe(path).phases] == ["pretrain", "sft"]


@pytest.mark.parametrize("name", READMES)
def test_the_prompt_is_one_that_can_be_used(name: str, tmp_path: Path) -> None:
    (source,) = [body for body in blocks(name, "") if body.startswith("description")]
    path = tmp_path / "mine.toml"
    path.write_text(source, encoding="utf-8")
    prompt = find_prompt(str(path))
    check_prompt(prompt)
    assert prompt.bind({"text": "T"}).preamble[0].content.endswith("\n\nT")


def test_the_reader_of_commands_sees_pipes_and_refuses_unknown_options() -> None:
    line = "X=1 chatcli chat; echo 'chatcli no' | chatcli complete - -n 3 > out && ls"
    assert list(invocations(line)) == [["chat"], ["complete", "-", "-n", "3"]]
    with pytest.raises(typer.BadParameter.__mro__[2]):
        parse(["complete", "x", "--no-such-option"])
    with pytest.raises(UsageError, match="no command 'talk'"):
        parse(["talk"])


@pytest.mark.parametrize("name", READMES)
def test_the_config_file_is_one_that_is_obeyed(name: str) -> None:
    (source,) = [body for body in blocks(name, "") if body.startswith("temperature")]
    path = config_folder() / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    shown = {one["option"]: one for one in run("config", "chat", "--json").objects}
    assert shown["overflow"]["value"] == "slide" and shown["temperature"]["value"] == 0.7
