"""`chatcli prompts`: which prompts there are, what one says, and whether files are right."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app
from chatcli.cli.prompting import checked_sampling, complete_prompts, variable_values
from chatcli.errors import PromptFileError

if TYPE_CHECKING:
    from chatcli.text.prompts import ChatFormat, PromptFile
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set counts

app = command_app()


@app.callback(invoke_without_command=True)
def prompts(
    ctx: Context,
    json: Annotated[bool, Option("--json", help="One JSON object for each prompt.")] = False,
) -> int:
    """List the prompts that --prompt takes: your own, and those that come with chatcli."""
    if ctx.invoked_subcommand is not None:
        return Status.DONE
    from chatcli.text.json_text import json_text
    from chatcli.text.prompts import prompt_paths
    from chatcli.ui.prompts_table import prompt_object, show_prompts

    env: Environment = ctx.obj
    found, problems = _read(prompt_paths().values())
    if json:
        env.write("".join(json_text(prompt_object(one)) + "\n" for one in found))
    else:
        show_prompts(env, found, chinese=_chinese())
    for problem in problems:
        env.say(problem)
    return Status.DONE


@app.command(cls=SectionedCommand)
def show(
    ctx: Context,
    name: Annotated[
        str,
        Argument(metavar="NAME", help="A name or a file.", autocompletion=complete_prompts),
    ],
    render: Annotated[
        bool, Option("--render", help="What the model gets, rather than the file.")
    ] = False,
    var: Annotated[
        list[str] | None,
        Option(metavar="NAME=TEXT", help="Render it with this variable; may be given again."),
    ] = None,
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Print a prompt's file, or what the model gets of it."""
    from chatcli.text.json_text import json_text
    from chatcli.text.prompts import find_path, find_prompt, read_file
    from chatcli.ui.prompts_table import prompt_object, rendered_object, show_rendered

    env: Environment = ctx.obj
    if not (render or var):
        path = find_path(name)
        text = _source(path)
        about = {**prompt_object(read_file(path)), "file": text} if json else None
        env.write(json_text(about) + "\n" if about else _shown(env, text))
        return Status.DONE
    prompt = find_prompt(name)
    bound = prompt.bind(variable_values(var or ()))
    if json:
        env.write(json_text({**prompt_object(prompt), **rendered_object(bound)}) + "\n")
    else:
        show_rendered(env, bound)
    return Status.DONE


@app.command(cls=SectionedCommand)
def check(
    ctx: Context,
    names: Annotated[
        list[str] | None,
        Argument(
            metavar="FILE...",
            help="Files or names; all there are by default.",
            autocompletion=complete_prompts,
        ),
    ] = None,
) -> int:
    """Render prompts with each choice of their variables; a line for each that is wrong."""
    from chatcli.text.prompts import prompt_files

    env: Environment = ctx.obj
    targets = names or [str(path) for path in prompt_files()]
    problems = [problem for name in targets if (problem := _problem(name)) is not None]
    for problem in problems:
        env.error(problem)
    right = len(targets) - len(problems)
    files = "prompt file is" if len(targets) == 1 else "prompt files are"
    env.say(f"{right:,} of {len(targets):,} {files} right")
    return Status.ERROR if problems else Status.DONE


def _problem(name: str) -> str | None:
    from chatcli.text.prompts import PromptFile, check_prompt, find_path, read_file

    try:
        found = read_file(find_path(name))
        check_prompt(found)
        if isinstance(found, PromptFile):
            checked_sampling(found)
    except PromptFileError as error:
        return str(error)
    return None


def _read(paths: Iterable[Path]) -> tuple[list[PromptFile | ChatFormat], list[str]]:
    """What can be read, and what is wrong with the rest."""
    from chatcli.text.prompts import read_file

    found: list[PromptFile | ChatFormat] = []
    problems: list[str] = []
    for path in paths:
        try:
            found.append(read_file(path))
        except PromptFileError as error:
            problems.append(str(error))
    return found, problems


def _source(path: Path) -> str:
    """The file as it is, also where it is wrong."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PromptFileError(f"{path} can't be read: {error}") from error


def _shown(env: Environment, text: str) -> str:
    """A pipe gets the file itself."""
    from chatcli.text.visible import visible

    return visible(text) if env.stdout_is_terminal else text


def _chinese() -> bool:
    """Whether the locale is a Chinese one."""
    return next(filter(None, map(os.environ.get, _LOCALE)), "").startswith("zh")
