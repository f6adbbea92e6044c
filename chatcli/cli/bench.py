"""`chatcli bench`: the speed of one model; `bench suite`: every number the project holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import ModelFlags, load_model
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.callback(invoke_without_command=True)
@grouped
def bench(
    ctx: Context,
    which: ModelFlags,
    prompt_tokens: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Tokens to read.", show_default="512, if they fit"),
    ] = None,
    new_tokens: Annotated[
        int | None,
        Option(
            *("-n", "--max-tokens"),
            min=1,
            metavar="N",
            help="Tokens to write after the first.",
            show_default="64, if they fit",
        ),
    ] = None,
    repeat: Annotated[int, Option(min=1, metavar="N", help="Runs to take the median of.")] = 5,
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Measure how fast a model reads a prompt (prefill) and writes tokens (decode)."""
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return Status.DONE
    from chatcli.bench.machine import this_machine
    from chatcli.bench.speed import measure_speed
    from chatcli.bench.table import show_speed, speed_object
    from chatcli.cli.options import sampling_config
    from chatcli.ui.jsonl import json_line

    env: Environment = ctx.obj
    model = load_model(which, env.say)
    config = sampling_config({}, model.checkpoint.path)
    speed = measure_speed(
        model, config, prompt_tokens=prompt_tokens, new_tokens=new_tokens, repeat=repeat
    )
    if json:
        env.write(json_line(speed_object(speed, this_machine())))
    else:
        show_speed(env, speed, this_machine())
    return Status.DONE


@app.command(cls=SectionedCommand)
def suite(
    ctx: Context,
    model: Annotated[
        str,
        Option(
            *("-m", "--model"),
            envvar="CHATCLI_MODEL",
            metavar="NAME",
            help="The checkpoint for all that isn't measured at a fixed size.",
        ),
    ] = "builtin",
    only: Annotated[
        list[str] | None, Option(metavar="PART", help="This part; may be given again.")
    ] = None,
    rounds: Annotated[int, Option(min=1, metavar="N", help="Pairs to measure.")] = 7,
    llama_python: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="A Python that has llama-cpp-python and gguf, to measure llama.cpp as well.",
        ),
    ] = None,
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Measure what the project promises, as ratios within one run, each beside its bar."""
    from tempfile import TemporaryDirectory

    from chatcli.bench.machine import this_machine
    from chatcli.bench.suite import check_parts, run_suite
    from chatcli.bench.table import figure_line, show_figures, suite_object
    from chatcli.bench.workshop import Workshop
    from chatcli.ui.jsonl import json_line

    env: Environment = ctx.obj
    check_parts(only or ())
    figures = []
    with TemporaryDirectory() as scratch:
        shop = Workshop(model, Path(scratch), rounds, env.say, llama_python)
        for figure in run_suite(shop, only or ()):
            env.say(figure_line(figure))
            figures.append(figure)
    if json:
        env.write(json_line(suite_object(figures, this_machine())))
    else:
        show_figures(env, figures, this_machine())
    return Status.DONE


def _refuse_options(ctx: Context) -> None:
    """What stands before the name of a subcommand would be ignored."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')} measures one model; give options of "
                f"{ctx.invoked_subcommand} after its name"
            )
