"""`chatcli config`: what every option is without a flag, and where that comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.config_file import config_path
from chatcli.cli.config_rules import Said, giving_way
from chatcli.cli.config_values import written_as
from chatcli.cli.configuration import Configuration, every_command, read_configuration
from chatcli.cli.groups import SectionedCommand, command_app
from chatcli.errors import ConfigError, UsageError
from chatcli.text.json_text import json_text

if TYPE_CHECKING:
    from chatcli.ui.config_table import Setting
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_EXAMPLE = """\
such as this, for every command that samples and for `chatcli chat` alone:

    temperature = 0.7

    [chat]
    max-tokens = 1024

    [presets.terse]
    temperature = 0.3
    top-p = 0.9"""

app = command_app()


def _complete(incomplete: str) -> list[str]:
    """The commands that the shell may complete COMMAND with."""
    from chatcli.cli.app import COMMANDS

    return [name for name in COMMANDS if name.startswith(incomplete)]


@app.command(cls=SectionedCommand)
def config(
    ctx: Context,
    command: Annotated[
        list[str] | None,
        Argument(
            metavar="COMMAND...",
            help="Every option of this command, such as chat or train sft.",
            autocompletion=_complete,
        ),
    ] = None,
    path: Annotated[bool, Option("--path", help="Only where the config file is.")] = False,
    json: Annotated[bool, Option("--json", help="One JSON object for each option.")] = False,
) -> int:
    """Show what options are without a flag, and where each value comes from.

    A flag beats the environment, the environment the config file, the file chatcli's own
    default. In the file a key is an option's long name. Keys at the top hold for every command
    that samples (model, engine, device, dtype and context for others that load a model, too); a
    table such as [chat] or [train.sft] is one command's. A sampling setting in it is as good as
    a flag: it beats what the model's generation_config.json says. [presets.NAME] is a preset
    for /preset; one named as a preset of chatcli's own, such as greedy, takes its place.
    """
    env: Environment = ctx.obj
    if path:
        env.write(f"{config_path()}\n")
        return Status.DONE
    known = every_command()
    command = [word for each in command or () for word in each.split()]  # "train sft" in one, too
    if command and tuple(command) not in known:
        raise _unknown(" ".join(command), known)
    found = _read()
    if json:
        asked = [tuple(command)] if command else list(known)
        settings = (each for one in asked for each in _settings(one, known[one], found))
        env.write("".join(_json_line(each) for each in settings))
    elif command:
        _show_command(env, _settings(tuple(command), known[tuple(command)], found), command)
    else:
        _show_said(env, found, known)
    for problem in found.problems:
        env.error(problem)
    return Status.USAGE if found.problems else Status.DONE


def _read() -> Configuration:
    """The file as far as it can be read, for to look at a broken one is what this is for."""
    try:
        return read_configuration()
    except ConfigError as error:
        return Configuration(problems=(str(error),))


def _settings(
    path: tuple[str, ...], options: Mapping[str, Any], found: Configuration
) -> list[Setting]:
    """What each option of a command is where the command line doesn't say."""
    entries = {key: found.entry(path, options, key) for key in options}
    said: dict[str, Said] = {}
    for key, option in options.items():
        variable, entry = _in_environment(option), entries[key]
        if variable is not None:
            said[key] = Said(variable, 1)
        elif entry is not None:
            said[key] = Said(entry.value, 2 + len(path) - len(entry.table))
        else:
            said[key] = Said(option.default, None)
    left_out = giving_way(path, said)
    return [
        _setting(" ".join(path), key, option, said[key], None if key in left_out else entries[key])
        for key, option in options.items()
    ]


def _setting(command: str, key: str, option: Any, said: Said, entry: Any) -> Setting:
    from chatcli.ui.config_table import Setting

    if said.nearness == 1:
        return Setting(
            command, key, said.value, written_as(said.value), "environment", option.envvar
        )
    if entry is not None:
        return Setting(command, key, entry.value, written_as(entry.value), "config", _place(entry))
    shown = option.show_default if isinstance(option.show_default, str) else None
    default = "not set" if option.default in (None, ()) else written_as(option.default)
    default = "required" if option.required else default
    return Setting(command, key, option.default, shown or default, "default")


def _in_environment(option: Any) -> str | None:
    """The variable's value; an empty one says nothing."""
    return os.environ.get(option.envvar or "") or None


def _place(entry: Any) -> str:
    table = f", [{'.'.join(entry.table)}]" if entry.table else ""
    return f"{config_path().name}{table}{entry.place}"


def _show_command(env: Environment, settings: list[Setting], command: list[str]) -> None:
    from chatcli.ui.config_table import show_settings

    if settings:
        show_settings(env, settings)
    else:
        env.say(f"{' '.join(command)} has no options of its own")


def _show_said(
    env: Environment, found: Configuration, known: Mapping[tuple[str, ...], Any]
) -> None:
    """What the file and the environment say, and for which commands."""
    from chatcli.ui.config_table import show_settings
    from chatcli.ui.folding import fold

    said = [*_from_environment(known), *_from_file(found, known)]
    if said:
        show_settings(env, said, commands=True)
    elif not found.problems:
        env.say("neither the environment nor a config file says anything; every default holds")
    names = ", ".join(" ".join(command) for command, options in known.items() if options)
    rest = f"`chatcli config COMMAND` lists every option of {names}"
    env.say("\n".join(fold([rest], env.columns() if env.stdout_is_terminal else None)))
    file = config_path()
    env.say(f"to change a default, edit {file}" + ("" if file.exists() else f", {_EXAMPLE}"))


def _from_environment(known: Mapping[tuple[str, ...], Any]) -> Iterator[Setting]:
    from chatcli.ui.config_table import Setting

    held: dict[tuple[str, str, str], list[str]] = {}
    for command, options in known.items():
        for key, option in options.items():
            if (value := _in_environment(option)) is not None:
                held.setdefault((key, value, option.envvar), []).append(" ".join(command))
    for (key, value, variable), commands in held.items():
        yield Setting(", ".join(commands), key, value, written_as(value), "environment", variable)


def _from_file(found: Configuration, known: Mapping[tuple[str, ...], Any]) -> Iterator[Setting]:
    from chatcli.ui.config_table import Setting

    for entry in found.entries:
        commands = [
            " ".join(command)
            for command, options in known.items()
            if entry.key in options and found.entry(command, options, entry.key) is entry
        ]
        holds = ", ".join(commands) or "no command: narrower tables say otherwise"
        shown = written_as(entry.value)
        yield Setting(holds, entry.key, entry.value, shown, "config", _place(entry))
    for name, settings in found.presets.items():
        shown = ", ".join(f"{key} {written_as(value)}" for key, value in settings.items())
        yield Setting("/preset", name, dict(settings), shown, "config", f"[presets.{name}]")


def _json_line(setting: Setting) -> str:
    plain = asdict(setting)
    plain["value"] = _plain(setting.value)
    return json_text(plain) + "\n"


def _plain(value: Any) -> Any:
    """JSON has no infinity, and no paths."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    fits = value is None or isinstance(value, bool | int | str)
    return value if fits or (isinstance(value, float) and abs(value) < float("inf")) else str(value)


def _unknown(name: str, known: Mapping[tuple[str, ...], Any]) -> UsageError:
    names = [" ".join(command) for command in known]
    near = [one for one in names if one.split()[-1] == name] or get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
    return UsageError(f"no command {name!r}; {hint}")
