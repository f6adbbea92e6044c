"""Prompt files are checked when they are read, and all that ship are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.errors import PromptFileError
from chatcli.text.prompts import load_prompt, prompt_names, prompt_text, read_prompt
from chatcli.text.template import ChatTemplate


def test_every_shipped_prompt_file_is_valid_jinja() -> None:
    assert "plain-chat" in prompt_names()
    for name in prompt_names():
        assert load_prompt(name).description
        ChatTemplate(prompt_text(name))


def test_a_name_that_does_not_exist_is_told_the_ones_that_do() -> None:
    with pytest.raises(PromptFileError, match=r"no prompt file 'nope'; there are: .*plain-chat"):
        load_prompt("nope")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('description = "d"\ntemplate = "t"\ntemprature = 1', "unknown key 'temprature'"),
        ('description = "d"', "template must be a string, got None"),
        ('description = "d"\ntemplate = "t"\nstop = "x"', "stop must be a list of strings"),
        ('description = "d"\ntemplate = "t"\nstop = [""]', "stop must be a list of strings"),
        ("description = ", "can't be read as a prompt file"),
    ],
)
def test_a_wrong_prompt_file_says_what_is_wrong(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(PromptFileError, match=message) as caught:
        read_prompt(path)
    assert "\n" not in str(caught.value)


def test_a_prompt_file_that_is_not_text_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    with pytest.raises(PromptFileError, match=r"bad\.toml"):
        read_prompt(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PromptFileError, match=r"bad\.toml"):
        read_prompt(path)
