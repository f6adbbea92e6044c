"""Prompts and chat formats by name: the user's own, and those that ship as chatcli/prompts.

Reading a file is left to `prompt_files`, and what a prompt says once its variables have
values to `prompt_binding`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from chatcli.errors import PromptFileError, TemplateError
from chatcli.folders import config_folder
from chatcli.text.prompt_binding import BoundPrompt, line_template, nearest
from chatcli.text.prompt_files import ChatFormat, PromptFile, Variable, read_file

__all__ = [
    "BoundPrompt",
    "ChatFormat",
    "PromptFile",
    "check_prompt",
    "find_path",
    "find_prompt",
    "is_shipped",
    "load_format",
    "prompt_files",
    "prompt_names",
    "prompt_paths",
    "read_file",
    "shipped_folder",
]


def prompt_files() -> tuple[Path, ...]:
    """Every prompt file there is: those that ship, then the user's own, each sorted."""
    folders = (shipped_folder(), config_folder() / "prompts")
    return tuple(path for folder in folders for path in sorted(folder.glob("*.toml")))


def prompt_paths() -> dict[str, Path]:
    """Every prompt file by name, sorted; the user's own stands for a shipped one of its name."""
    paths = {path.stem: path for path in prompt_files()}
    return dict(sorted(paths.items()))


def prompt_names() -> tuple[str, ...]:
    """What `--prompt` takes, sorted; chat formats, which it doesn't, are read and left out."""
    return tuple(name for name, path in prompt_paths().items() if not _is_format(path))


def find_path(name: str) -> Path:
    """Where the prompt of that name lies; a name that ends in .toml is a path itself.

    Raises PromptFileError where no prompt is called so.
    """
    path = Path(name).expanduser() if name.endswith(".toml") else prompt_paths().get(name)
    if path is None:
        raise PromptFileError(
            f"no prompt {name!r}; {nearest(name, prompt_names())} "
            f"(your own go into {config_folder() / 'prompts'})"
        )
    return path


def find_prompt(name: str) -> PromptFile:
    """The prompt of that name, the user's before a shipped one; or the file, if it is a path.

    Raises PromptFileError where there is none, or it can't be read or is wrong.
    """
    found = read_file(find_path(name))
    if isinstance(found, ChatFormat):
        raise PromptFileError(
            f"{found.path} is a chat format, for models that bring none; "
            "a prompt has no key template"
        )
    return found


@cache
def load_format(name: str) -> ChatFormat:
    """The shipped chat format `name`."""
    found = read_file(shipped_folder() / f"{name}.toml")
    if isinstance(found, PromptFile):
        raise PromptFileError(f"{found.path} is a prompt; a chat format has the key template")
    return found


def shipped_folder() -> Path:
    """Inside the package where it is installed, at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "prompts"
    return shipped if shipped.is_dir() else package.parent / "prompts"


def is_shipped(path: Path) -> bool:
    """Whether the prompt file came with chatcli."""
    return path.parent == shipped_folder()


def check_prompt(found: PromptFile | ChatFormat) -> None:
    """Render all of it, with each choice of each variable. Raises PromptFileError."""
    if isinstance(found, ChatFormat):
        _compiled_format(found)
        return
    line_template(found)
    for given in _trials(found.variables):
        found.bind(given)


def _compiled_format(found: ChatFormat) -> None:
    from chatcli.text.template import ChatTemplate  # jinja2 costs start-up time

    try:
        ChatTemplate(found.template)
    except TemplateError as error:
        raise PromptFileError(f"{found.path}: {error}") from error


def _trials(variables: tuple[Variable, ...]) -> Iterator[dict[str, str]]:
    usual = {
        one.name: one.choices[0] if one.choices else "x" for one in variables if one.default is None
    }
    yield usual
    for one in variables:
        yield from ({**usual, one.name: choice} for choice in one.choices)


def _is_format(path: Path) -> bool:
    try:
        return isinstance(read_file(path), ChatFormat)
    except PromptFileError:
        return False  # it says what is wrong when it is asked for
