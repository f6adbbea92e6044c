"""The table of commands, each imported only when it is asked for or completed.

A command is a module of this folder with an `app`; adding it here is all that registering
takes. Errors of the command line itself become UsageError; the rest is left to `main`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from chatcli import __version__
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["COMMANDS", "run"]

COMMANDS: Mapping[str, str] = {
    "chat": "Talk with a model over many turns.",
    "complete": "Continue a text, and show the probability of every token.",
    "probs": "Show what the next token may be, and what each sampling stage does to it.",
    "tokens": "Show the tokens of a text, by one tokenizer or several side by side.",
    "score": "Show how probable each token of a text was, or which ending is likeliest.",
    "compare": "Show where two settings or checkpoints part under the same luck.",
    "replay": "Draw a recorded reply again under other settings, without the model.",
    "models": "List what can be loaded, and show what a model is.",
    "sessions": "List, read, search, export, import and delete kept conversations.",
    "report": "Write a conversation or a trace as one page, told token by token.",
    "prompts": "List, show and check the prompts that --prompt takes.",
    "samplers": "Show the sampling chain, what each stage does, and the same elsewhere.",
    "config": "Show what every option is without a flag, and where that comes from.",
    "train": "Make a checkpoint from text of your own.",
    "bench": "Measure the speed of prefill and decoding.",
}

_PROGRAM = "chatcli"
_COMPLETION = "_CHATCLI_COMPLETE"


class _Commands(TyperGroup):
    """The commands of the table, by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f"chatcli.cli.{cmd_name}").app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise UsageError(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(cls=_Commands, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{_PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(epilog="`chatcli COMMAND --help` explains a command.")
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Chat with a local GPT-style checkpoint and watch the probability of every token."""


def run(args: list[str], env: Environment) -> int:
    """Parse `args` and call the command. Raises UsageError on arguments that can't be right."""
    commands = typer.main.get_command(app)
    if _COMPLETION in os.environ:  # the shell asks; typer answers and exits
        commands.main(args, prog_name=_PROGRAM)
    try:
        with commands.make_context(_PROGRAM, args, obj=env) as context:
            return commands.invoke(context) or 0
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        usage = _usage_error(error)
        if usage is None:
            raise
        raise usage from None


def _usage_error(error: Exception) -> UsageError | None:
    """What typer says of bad arguments, as our own; None for any other exception.

    Its classes have no public name that all versions share, but they are what
    `typer.BadParameter` descends from.
    """
    parser_error: Any = typer.BadParameter.__mro__[2]
    if not isinstance(error, parser_error):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _PROGRAM
    message = error.format_message().rstrip(".")
    if "extra argument" in message:
        message += ": quote a text that has spaces"
    return UsageError(f"{message}; see `{path} --help`")
