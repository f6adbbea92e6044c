"""The screen and the chat itself: /help, /probs, /clear, /exit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chatcli.errors import UsageError
from chatcli.text.visible import visible
from chatcli.ui.commands.registry import GROUPS, Command, Word, find, no_argument
from chatcli.ui.commands.values import ABOUT, EXAMPLES, bounds, spell, value_of
from chatcli.ui.folding import fold
from chatcli.ui.panel import alternatives_room

if TYPE_CHECKING:
    from chatcli.ui.repl import Repl

__all__ = ["COMMANDS"]

_CLEAR = "\x1b[H\x1b[2J"  # to the top left, and blank the screen; the scrollback stays
_GENERAL = (
    "A line that is no command is a message; //help says “/help”, and between lines of "
    '""" anything goes.',
    "What has spaces stands in \"quotes\" or 'quotes' where it must be one word; in texts for the "
    "model \\n, \\t and \\\\ are a newline, a tab and a backslash.",
    "Ctrl-C stops a reply or clears the line, twice it leaves; Ctrl-D leaves.",
    "Tab completes; /help NAME says more of a command or setting.",
)


def _help(repl: Repl, argument: str) -> bool:
    from chatcli.ui.commands.all import COMMANDS as EVERY

    width = max(20, min(repl.env.columns(), 100) - 1)
    if argument:
        lines = [*_help_of(repl, EVERY, argument, width)]
    else:
        lines = [line for group in GROUPS for line in _group(group, EVERY, width)]
        lines += [line for text in _GENERAL for line in textwrap.wrap(text, width)]
    repl.say("\n".join(lines))
    return True


def _help_of(repl: Repl, commands: Sequence[Command], argument: str, width: int) -> Iterator[str]:
    """Of a command, or else of a setting: "retry", "/retry", "temperature", "set top-k"."""
    name = argument.removeprefix("/")
    key = name.removeprefix("set ").strip().replace("-", "_")
    if key in ABOUT:
        return iter([*textwrap.wrap(f"/set {key}: {ABOUT[key]}", width), *_value(repl, key, width)])
    return _about(find(commands, name, f"help {argument}"), width)


def _value(repl: Repl, key: str, width: int) -> list[str]:
    """What a setting is now, what it may be, and how that is typed."""
    now = visible(spell(key, value_of(repl.talk.settings, key)), keep_newlines=False)
    ranges = filter(None, [bounds(key)])
    return fold([f"now {now}", *ranges, f"/set {key} {EXAMPLES[key]}"], width)


def _about(command: Command, width: int) -> Iterator[str]:
    """All that is known of one command."""
    for line in (f"{_usage(command)}: {command.help}", *command.details.splitlines()):
        yield from textwrap.wrap(line, width)
    if command.aliases:
        yield "also " + ", ".join(f"/{alias}" for alias in command.aliases)


def _group(group: str, commands: tuple[Command, ...], width: int) -> Iterator[str]:
    """The commands of a group, under its name; usage and help side by side where they fit."""
    left = max(len(_usage(command)) for command in commands) + 2
    yield group
    for command in commands:
        if command.group == group:
            usage = f"{_usage(command):<{left}}"
            hanging = " " * (2 + left)
            yield from textwrap.wrap(
                usage + command.help, width, initial_indent="  ", subsequent_indent=hanging
            )


def _usage(command: Command) -> str:
    return f"/{command.name} {command.usage}".rstrip()


def _probs(repl: Repl, argument: str) -> bool:
    if argument in ("on", "off"):
        repl.display = replace(repl.display, probs=argument == "on")
    elif argument:
        repl.display = replace(repl.display, probs=True, top=_alternatives(argument))
    display = repl.display
    shown = f"on, {display.top} alternatives" if display.probs else "off"
    fit = alternatives_room(repl.env.rows())
    if display.probs and display.live and repl.env.cursor and fit < display.top:
        shown += f", of which {fit} fit in {repl.env.rows()} rows"
    repl.say(f"probabilities are {shown}")
    return True


def _probs_words(repl: Repl, typed: str) -> Iterator[str]:
    yield from ("on", "off", str(repl.display.top))


def _alternatives(argument: str) -> int:
    if not argument.isascii() or not argument.isdigit():
        raise UsageError(f"/probs is on, off or a number of alternatives, but got {argument!r}")
    return int(argument)


def _clear(repl: Repl, argument: str) -> bool:
    no_argument("clear", argument)
    if repl.env.cursor:
        repl.env.write(_CLEAR)
    repl.say("the screen alone is cleared; /new starts a fresh conversation")
    return True


def _exit(repl: Repl, argument: str) -> bool:
    no_argument("exit", argument)
    return False


def _names(repl: Repl, typed: str) -> Iterator[str]:
    from chatcli.ui.commands.all import COMMANDS as EVERY

    yield from (Word(command.name, command.help) for command in EVERY)
    yield from (Word(key, about) for key, about in ABOUT.items())


COMMANDS = (
    Command(
        "probs",
        "[on|off|N]",
        "the panel of probabilities, with N alternatives",
        "Screen",
        _probs,
        _probs_words,
        "off is a calm chat: the text alone; /why and /stats still know every token",
    ),
    Command(
        "clear",
        "",
        "clear the screen; the conversation stays",
        "Screen",
        _clear,
    ),
    Command(
        "help",
        "[NAME]",
        "this list, or more about a command or setting",
        "Screen",
        _help,
        _names,
        aliases=("?",),
    ),
    Command("exit", "", "leave", "Screen", _exit, aliases=("quit", "bye")),
)
