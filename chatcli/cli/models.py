"""`chatcli models`: what can be loaded from here, and what one checkpoint is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

_VARIABLE = "CHATCLI_MODEL"

app = command_app()


@app.callback(invoke_without_command=True)
def models(
    ctx: Context,
    json: Annotated[bool, Option("--json", help="One JSON object for each model.")] = False,
) -> int:
    """List what can be loaded: the built-in model, local folders, the hub's local cache."""
    if ctx.invoked_subcommand is not None:
        return Status.DONE
    from chatcli.model.catalog import list_models
    from chatcli.ui.jsonl import json_line, record_object
    from chatcli.ui.models_table import show_models

    env: Environment = ctx.obj
    entries = list_models()
    if json:
        env.write("".join(json_line(record_object(entry)) for entry in entries))
    else:
        show_models(env, entries)
        if chosen := os.environ.get(_VARIABLE):
            env.say(f"{_VARIABLE} is set: commands without --model take {chosen}")
    return Status.DONE


@app.command(cls=SectionedCommand)
def show(
    ctx: Context,
    name: Annotated[
        str,
        Argument(
            envvar=_VARIABLE,
            metavar="NAME",
            help="What --model takes: a name, a folder, a file.",
        ),
    ] = "builtin",
    verify: Annotated[
        bool, Option("--verify", help="Digest every byte of the weights, not samples.")
    ] = False,
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Print architecture, sizes, memory, and the bytes of KV cache per token."""
    from chatcli.model.catalog import describe
    from chatcli.ui.jsonl import json_line, record_object
    from chatcli.ui.models_table import show_details

    env: Environment = ctx.obj
    details = describe(name, verify=verify)
    if json:
        env.write(json_line(record_object(details)))
    else:
        show_details(env, details)
    return Status.DONE
