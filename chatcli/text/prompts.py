"""Prompt files: one TOML file a template, shipped in the wheel as chatcli/prompts.

Reads and checks them; rendering is left to `template`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chatcli.errors import PromptFileError

__all__ = ["PromptFile", "load_prompt", "prompt_names", "prompt_text", "read_prompt"]

REQUIRED = ("description", "template")


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file: Jinja source, what it is for, and the strings that end a reply to it."""

    name: str
    description: str
    template: str
    stop: tuple[str, ...] = ()


def prompt_names() -> tuple[str, ...]:
    """The names of the shipped prompt files, sorted."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def prompt_text(name: str) -> str:
    """The template of the shipped prompt file `name`."""
    return load_prompt(name).template


@cache
def load_prompt(name: str) -> PromptFile:
    """The shipped prompt file `name`; raises PromptFileError where there is none or it is wrong."""
    if name not in prompt_names():
        raise PromptFileError(f"no prompt file {name!r}; there are: {', '.join(prompt_names())}")
    return read_prompt(_folder() / f"{name}.toml")


def read_prompt(path: Path) -> PromptFile:
    """A prompt file from anywhere; raises PromptFileError where it can't be read or is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PromptFileError(f"{path} can't be read as a prompt file: {error}") from error
    _check(path, values)
    return PromptFile(
        name=path.stem,
        description=values["description"],
        template=values["template"],
        stop=tuple(values.get("stop", ())),
    )


def _check(path: Path, values: dict[str, object]) -> None:
    known = (*REQUIRED, "stop")
    if unknown := sorted(set(values) - set(known)):
        raise PromptFileError(f"{path}: unknown key {unknown[0]!r}; keys are {', '.join(known)}")
    for key in REQUIRED:
        if not isinstance(values.get(key), str):
            raise PromptFileError(f"{path}: {key} must be a string, got {values.get(key)!r}")
    stop = values.get("stop", [])
    if not isinstance(stop, list) or not all(isinstance(text, str) and text for text in stop):
        raise PromptFileError(f"{path}: stop must be a list of strings, got {stop!r}")


def _folder() -> Path:
    """Inside the package where it is installed, at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "prompts"
    return shipped if shipped.is_dir() else package.parent / "prompts"
