"""What the config file means: defaults for the options of every command, and presets.

A key is an option's long name. The narrowest table that has it wins:

    [train.sft]     one command
    [train]         every command of a group
    top level       commands that sample (chat, complete, probs …): every option that they have;
                    others that load a model (bench, train eval): which one, and how it is run;
                    model, wherever CHATCLI_MODEL counts

The steps of `train` take nothing from the top level: there `context` and `seed` are those of
a model to be made. Over all, an option is what the command line says, else the environment
(CHATCLI_MODEL), else the config file, else chatcli's own default. A sampling setting in the
config file is as good as a flag: it beats the checkpoint's generation_config.json. What gives
way where two options rule each other out is in `config_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from chatcli.cli.config_file import Entry, config_path, read_entries
from chatcli.cli.config_rules import Said, contradiction, giving_way
from chatcli.cli.config_values import as_option, preset_problem, value_problem, written_as
from chatcli.errors import ConfigError

__all__ = ["Configuration", "Defaults", "every_command", "presets", "read_configuration", "settle"]

Command = tuple[str, ...]
Options = Mapping[str, Any]  # by key: the option as typer holds it

_PRESETS = "presets"
_MODEL_KEYS = frozenset({"model", "engine", "device", "dtype", "context"})
# They are said for one run; no file should say them for all.
_EACH_TIME = frozenset({"continue", "force", "name", "resume", "session", "trace", "yes"})
# It must work whatever the file holds, so it takes nothing from it.
_ITSELF = ("config",)
_NO_OPTIONS = frozenset({"help", "version", "install_completion", "show_completion"})


@dataclass(frozen=True, slots=True)
class Configuration:
    """What of the file is right, and a line on each thing that isn't."""

    entries: tuple[Entry, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def entry(self, command: Command, options: Options, key: str) -> Entry | None:
        """The entry that says what an option of `command` is by default: the narrowest."""
        meant = [
            entry
            for entry in self.entries
            if entry.key == key and _holds_for(entry.table, command, options, key)
        ]
        return max(meant, key=lambda entry: len(entry.table), default=None)


class Defaults:
    """The defaults of one command as typer looks them up; the file is read for the first.

    So neither help nor completion meets what is wrong in it. Raises ConfigError.
    """

    def __init__(self, context: Any) -> None:
        self.path, self.options = _path(context), options_of(context.command)
        self._shared: dict[str, Any] = context.meta  # with the groups that the command is below

    def get(self, name: str) -> Any:
        """The value for a parameter, None where the file says nothing."""
        entry = self.entries.get(name)
        if entry is None:
            return None
        option = next(each for each in self.options.values() if each.name == name)
        return as_option(option, entry.value)

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """By the name of the parameter, what the file says of it."""
        if self.path in ((), _ITSELF) or not self.options or not config_path().exists():
            return {}
        found = self._configuration()
        entries = {
            option.name: found.entry(self.path, self.options, key)
            for key, option in self.options.items()
        }
        return {name: entry for name, entry in entries.items() if entry is not None}

    def _configuration(self) -> Configuration:
        found = self._shared.get(__name__) or read_configuration()
        if found.problems:
            more = len(found.problems) - 1
            rest = f" ({more} more; see `chatcli config`)" if more else ""
            raise ConfigError(found.problems[0] + rest)
        self._shared[__name__] = found
        return found

    def nearness(self, name: str) -> int:
        """How near the command line the table of a parameter's entry is, as `Said` counts."""
        return 2 + len(self.path) - len(self.entries[name].table)


def settle(context: Any, defaults: Defaults) -> None:
    """Take back, in a parsed context, those defaults that give way to what was said more nearly."""
    options = defaults.options
    near = {"COMMANDLINE": 0, "ENVIRONMENT": 1}
    said: dict[str, Said] = {}
    for key, option in options.items():
        source = context.get_parameter_source(option.name)
        from_file = source is not None and source.name == "DEFAULT_MAP"
        nearness = defaults.nearness(option.name) if from_file else near.get(source and source.name)
        said[key] = Said(context.params.get(option.name), nearness)
    for key in giving_way(defaults.path, said):
        name = options[key].name
        context.params[name] = options[key].process_value(context, options[key].default)
        context.set_parameter_source(name, type(context.get_parameter_source(name)).DEFAULT)


def presets() -> Mapping[str, Mapping[str, Any]]:
    """The user's own sampling presets, by name. Raises ConfigError on a file that is wrong."""
    found = read_configuration()
    if found.problems:
        raise ConfigError(found.problems[0])
    return found.presets


def read_configuration() -> Configuration:
    """The user's config file, checked. Raises ConfigError where it can't be read at all."""
    path, entries = config_path(), read_entries()
    known = every_command() if entries else {}
    good: list[Entry] = []
    found: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for entry in entries:
        if entry.table[:1] == (_PRESETS,):
            problem = _add_to_preset(found, entry)
        elif not entry.key:
            problem = _table_problem(entry.table, known)
        elif _table_problem(entry.table, known):
            continue  # its heading was named already
        else:
            problem = _key_problem(entry, known)
            good += [] if problem else [entry]
        if problem:
            problems.append(f"{path}{entry.place}: {problem}")
    for name, settings in found.items():
        if at_fault := preset_problem(settings):
            problems.append(f"{path}{_preset_fault(entries, name, *at_fault)}")
    problems += [f"{path}{problem}" for problem in _contradictions(good, known)]
    return Configuration(tuple(good), found, tuple(problems))


def every_command() -> dict[Command, Options]:
    """The options of every command by their keys; groups are commands too."""
    import typer

    from chatcli.cli.app import app

    root: Any = typer.main.get_command(app)
    return {path: options_of(command) for path, command in _walk(root, ())}


def options_of(command: Any) -> Options:
    """The options of one command, by the key that a config file has for each."""
    found = {}
    for option in command.params:
        key = _key(option)
        if option.param_type_name == "option" and key not in _NO_OPTIONS:
            found[key] = option
    return found


def _key(option: Any) -> str:
    long = next((name for name in reversed(option.opts) if name.startswith("--")), option.name)
    return str(long).removeprefix("--").replace("-", "_")


def _path(context: Any) -> Command:
    """The names of a command and of those it is below, without the program's."""
    names: list[str] = []
    while context.parent is not None:
        names.append(context.info_name)
        context = context.parent
    return tuple(reversed(names))


def _walk(command: Any, path: Command) -> Iterator[tuple[Command, Any]]:
    if path == _ITSELF:
        return
    if path:
        yield path, command
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from _walk(command.get_command(None, name), (*path, name))


def _holds_for(table: Command, command: Command, options: Options, key: str) -> bool:
    """Whether what a table says of an option is said of this command's."""
    if table:
        return command[: len(table)] == table
    if "temperature" in options:
        return True
    loads = "engine" in options or (key == "model" and options[key].envvar is not None)
    return key in _MODEL_KEYS and loads


def _table_problem(table: Command, known: Mapping[Command, Options]) -> str | None:
    if any(command[: len(table)] == table for command in known):
        return None
    names = [".".join(command) for command in known] + [_PRESETS]
    near = get_close_matches(".".join(table), names, n=1)
    hint = f"did you mean [{near[0]}]?" if near else "a table has a command's name"
    return f"there is no command for [{'.'.join(table)}]; {hint}"


def _key_problem(entry: Entry, known: Mapping[Command, Options]) -> str | None:
    table, key = entry.table, entry.key
    if key in _EACH_TIME:
        return f"{key} can't be a default: it is said each time, by --{key}"
    meant = [
        options[key]
        for command, options in known.items()
        if key in options and _holds_for(table, command, options, key)
    ]
    if not meant:
        return _unknown_key(entry, known)
    return next(filter(None, (value_problem(each, key, entry.value) for each in meant)), None)


def _unknown_key(entry: Entry, known: Mapping[Command, Options]) -> str:
    having = [command for command, options in known.items() if entry.key in options]
    where = f" in [{'.'.join(entry.table)}]" if entry.table else " at the top level"
    if having:
        tables = " or ".join(f"[{'.'.join(command)}]" for command in having[:3])
        return f"{entry.key} has no meaning{where}; put it under {tables}"
    keys = {
        key
        for command, options in known.items()
        for key in options
        if _holds_for(entry.table, command, options, key)
    }
    near = get_close_matches(entry.key, sorted(keys), n=1)
    hint = f"did you mean {near[0]}?" if near else "`chatcli config COMMAND` lists the options"
    return f"there is no option {entry.key}{where}; {hint}"


def _add_to_preset(found: dict[str, dict[str, Any]], entry: Entry) -> str | None:
    """Take an entry of [presets.NAME] in; what is wrong with it, if anything."""
    if not entry.key:
        if len(entry.table) == 2:
            found[entry.table[1]] = {}
        if len(entry.table) == 2 and entry.table[1].split() != [entry.table[1]]:
            return f"the preset {entry.table[1]!r} needs a name without spaces"
        return None
    if len(entry.table) == 3 and entry.table[2] in ("logit_bias", "logit-bias"):
        found[entry.table[1]].setdefault("logit_bias", {})[entry.key] = entry.value
        return None
    if len(entry.table) != 2:
        return f"{entry.key} is {written_as(entry.value)}; a preset is a table, [presets.NAME]"
    found[entry.table[1]][entry.key] = entry.value
    return None


def _preset_fault(entries: tuple[Entry, ...], name: str, key: str, problem: str) -> str:
    """What is wrong with a preset, and where: at `key`, or "", which is its heading."""
    table = (_PRESETS, name)
    inside = [each for each in entries if each.table[:2] == table]
    place = next((each.place for each in inside if each.key == key), inside[0].place)
    return f"{place}, [{'.'.join(table)}]: {problem}"


def _contradictions(entries: list[Entry], known: Mapping[Command, Options]) -> Iterator[str]:
    tables: dict[Command, dict[str, Entry]] = {}
    for entry in entries:
        if entry.key in (inside := tables.setdefault(entry.table, {})):
            yield f"{entry.place}: {entry.key} is given twice; keep one"
        if entry.value is not False:
            inside[entry.key] = entry
    for table, inside in tables.items():
        if pair := contradiction(table, inside):
            place = max((inside[key] for key in pair), key=lambda entry: entry.line).place
            yield f"{place}: {' and '.join(pair)} rule each other out; keep one"
