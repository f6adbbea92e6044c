"""`chatcli samplers`: the chain that flags make, what each stage does, and the same elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import SamplingFlags, sampling_config, sampling_given

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def samplers(
    ctx: Context,
    sampling: SamplingFlags,
    model: Annotated[
        str,
        Option(
            "-m",
            "--model",
            envvar="CHATCLI_MODEL",
            metavar="NAME",
            help="Whose generation_config.json is started from; it isn't loaded.",
        ),
    ] = "builtin",
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Show the sampling chain that these flags make, stage by stage, and what to say elsewhere."""
    from chatcli.model.resolve import resolve
    from chatcli.text.json_text import json_text
    from chatcli.ui.samplers_table import samplers_object, show_samplers

    env: Environment = ctx.obj
    config = sampling_config(sampling_given(sampling), resolve(model).folder)
    if json:
        env.write(json_text(samplers_object(config)) + "\n")
    else:
        show_samplers(env, config)
    return Status.DONE
