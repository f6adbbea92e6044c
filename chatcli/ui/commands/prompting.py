"""What is said to the model besides the messages: /system, /prompt, /prefill.

What prompt files are is in `text.prompts`; what they change, in `chat.settings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from chatcli.chat.settings import apply_prompt, drop_prompt, with_system
from chatcli.chat.types import Settings, system_prompt
from chatcli.errors import PromptFileError, UsageError
from chatcli.text.prompts import PromptFile, find_prompt, prompt_names
from chatcli.text.visible import visible
from chatcli.ui.columns import Column, table_lines
from chatcli.ui.commands.registry import Command
from chatcli.ui.commands.settings import next_reply
from chatcli.ui.commands.words import read_pairs, typed_text, unescaped

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]


def _system(repl: Repl, argument: str) -> bool:
    if not argument:
        text = system_prompt(repl.talk.settings.preamble)
        repl.say("no system prompt" if text is None else text)
        return True
    text = typed_text(argument)
    repl.talk.settings = with_system(repl.talk.settings, text)
    repl.say(f"system prompt {'set' if text else 'removed'}, from the next reply on")
    return True


def _prompt(repl: Repl, argument: str) -> bool:
    name, _, variables = argument.partition(" ")
    if not name:
        repl.say("\n".join(_prompts(repl)))
        return True
    plain, known = _without_prompt(repl)
    if name == "none":
        repl.talk.settings, repl.prompted = plain, None
        stays = () if known else ("its ways of sampling stay",)
        repl.say_facts("no prompt", *stays, next_reply(repl))
        return True
    found = find_prompt(name)
    bound = found.bind(_values(name, found, variables))
    repl.talk.settings = apply_prompt(plain, bound)
    repl.prompted = found, plain
    repl.say_facts(f"prompt {bound.name}", next_reply(repl))
    return True


def _without_prompt(repl: Repl) -> tuple[Settings, bool]:
    """The settings less the prompt in force, and whether it is known what that brought."""
    settings, file, before = repl.talk.settings, None, repl.defaults
    if settings.prompt is None:
        return settings, True
    if repl.prompted is not None and repl.prompted[0].name == settings.prompt:
        file, before = repl.prompted
    else:
        with suppress(PromptFileError):  # it came from a path that isn't kept, or is gone
            file = find_prompt(settings.prompt)
    return drop_prompt(settings, file, before), file is not None


def _values(name: str, prompt: PromptFile, typed: str) -> dict[str, str]:
    """The variables that were typed. Raises UsageError where one is missing."""
    values = {key: unescaped(text) for key, text in read_pairs(typed).items()}
    for variable in prompt.variables:
        if variable.default is None and variable.name not in values:
            about = f" ({variable.help})" if variable.help else ""
            value = variable.choices[0] if variable.choices else "…"
            raise UsageError(
                f"the prompt {prompt.name} needs a value for {variable.name}{about}: "
                f"/prompt {name} {variable.name}={value}"
            )
    return values


def _prompts(repl: Repl) -> list[str]:
    """Every prompt with its variables; a dot marks the one in force."""
    rows = [_prompt_row(name) for name in prompt_names()]
    marks = ["•" if name == repl.talk.settings.prompt else "" for name, _, _ in rows]
    columns = (
        Column("", marks),
        Column("prompt", [name for name, _, _ in rows]),
        Column("variables", [variables for _, variables, _ in rows], rank=1),
        Column("", [about for _, _, about in rows], gives=True),
    )
    return table_lines(columns, repl.env.columns())


def _prompt_row(name: str) -> tuple[str, str, str]:
    """Name, variables and description."""
    try:
        found = find_prompt(name)
    except PromptFileError:
        return name, "", f"(/prompt {name} says what is wrong with it)"
    variables = " ".join(one.name for one in found.variables)
    return name, variables, visible(found.description, keep_newlines=False)


def _prefill(repl: Repl, argument: str) -> bool:
    settings = repl.talk.settings
    if not argument:
        repl.say(f"replies start with {settings.prefill!r}" if settings.prefill else "no prefill")
        return True
    text = typed_text(argument)
    repl.talk.settings = replace(settings, prefill=text)
    repl.say(f"replies start with {text!r}" if text else "no prefill, from the next reply on")
    return True


def _prompt_words(repl: Repl, typed: str) -> Iterator[str]:
    """Names of prompts, then the variables of the one that was typed and their choices."""
    name, space, _ = typed.partition(" ")
    if not space:
        yield from ("none", *prompt_names())
        return
    before = typed[: typed.rfind(" ") + 1]
    for variable in find_prompt(name).variables:
        yield f"{before}{variable.name}="
        yield from (f"{before}{variable.name}={choice}" for choice in variable.choices)


COMMANDS = (
    Command(
        "system",
        "[TEXT]",
        "show the system prompt, or give another",
        "Settings",
        _system,
        details="/system none removes it; \\n is a newline",
    ),
    Command(
        "prompt",
        "[NAME KEY=VALUE …]",
        "talk under a prompt file",
        "Settings",
        _prompt,
        _prompt_words,
        "its system prompt, examples, ways of sampling and stop texts hold from the next reply\n"
        "on. /prompt lists what there is; /prompt none takes it and all that it brought\n"
        "away again; a path ending in .toml works, a value with spaces stands in quotes",
    ),
    Command(
        "prefill",
        "[TEXT]",
        "how every reply starts",
        "Settings",
        _prefill,
        details='/prefill none removes it; "in quotes " a space at the end stays; \\n is a newline',
    ),
)
