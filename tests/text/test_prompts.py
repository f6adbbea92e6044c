"""Prompt files are checked when they are read, and all that ship are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcli.errors import PromptFileError
from chatcli.text.prompts import check_prompt, find_prompt, load_format, prompt_paths, read_file


def test_every_shipped_file_renders() -> None:
    assert load_format("plain-chat").path in prompt_paths().values()
    for path in prompt_paths().values():
        check_prompt(read_file(path))


def test_a_name_that_does_not_exist_is_told_the_nearest() -> None:
    with pytest.raises(PromptFileError, match=r"no prompt 'asistant'; did you mean 'assistant'\?"):
        find_prompt("asistant")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('description = "d"\ntemplate = "t"\ntemprature = 1', "unknown key 'temprature'"),
        ('description = "d"', "none of system, message, text, examples"),
        ('description = "d"\ntemplate = "t"\nstop = "x"', "stop must be a list of strings"),
        ('description = "d"\ntemplate = "t"\nstop = [""]', "stop must be a list of strings"),
        ("description = ", "can't be read as a prompt file"),
    ],
)
def test_a_wrong_prompt_file_says_what_is_wrong(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(PromptFileError, match=message) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_a_prompt_file_that_is_not_text_or_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    with pytest.raises(PromptFileError, match=r"bad\.toml"):
        read_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PromptFileError, match=r"bad\.toml"):
        read_file(path)
