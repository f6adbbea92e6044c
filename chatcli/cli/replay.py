"""`chatcli replay`: a recorded reply drawn again under other settings, without the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.chat_flags import typed_options
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import SamplingFlags, sampling_given
from chatcli.errors import UsageError

if TYPE_CHECKING:
    from chatcli.probe.trace import Sample, Trace
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def replay(
    ctx: Context,
    file: Annotated[Path, Argument(metavar="FILE", help="What --trace recorded.")],
    sampling: SamplingFlags,
    sample: Annotated[
        int | None,
        Option(min=1, metavar="N", help="Sample or turn N alone, from 1.", show_default="all"),
    ] = None,
    all: Annotated[
        bool,
        Option(
            "--all",
            help="Go on behind the first other token, each given what was recorded before it.",
        ),
    ] = False,
    tokenizer: Annotated[
        str | None,
        Option(metavar="NAME", help="The model whose tokenizer reads settings that are texts."),
    ] = None,
    json: Annotated[
        bool, Option("--json", help="A JSON object for each token, and one for each sample.")
    ] = False,
) -> int:
    """Draw what FILE recorded again, by the recorded settings but for the flags given here.

    A token is decided where the record leaves no other; at the first one that differs from the
    recorded one, a real reply would have gone its own way.
    """
    given = _typed(ctx, sampling)
    env: Environment = ctx.obj

    from chatcli.probe.replay import replay as again
    from chatcli.probe.replay import replay_config, verify
    from chatcli.probe.trace_reading import read_trace
    from chatcli.ui.replay_view import show_rerun, write_rerun

    trace = read_trace(file)
    reader = None
    if tokenizer is not None:
        from chatcli.model.tokenizing import named_tokenizer

        _, reader = named_tokenizer(tokenizer)
    for each in _chosen(trace, sample):
        verify(each, str(file))
        rerun = again(each, replay_config(each, given, reader))
        show = write_rerun if json else show_rerun
        show(env, trace, rerun, whole=all)
    if trace.cut is not None:
        env.error(
            f"{file} breaks off at {trace.cut}; what was recorded before it is replayed, and the "
            "rest is lost"
        )
        return Status.ERROR
    return Status.DONE


def _typed(ctx: Context, flags: SamplingFlags) -> Mapping[str, Any]:
    """The settings of the command line; a config file's would hide what was recorded."""
    typed = typed_options(ctx)
    names = {part.name for part in fields(flags)}
    return sampling_given(SamplingFlags(**{name: getattr(flags, name) for name in names & typed}))


def _chosen(trace: Trace, number: int | None) -> tuple[Sample, ...]:
    if number is None:
        return trace.samples
    if number > len(trace.samples):
        raise UsageError(
            f"--sample is {number}, but the trace has samples 1 to {len(trace.samples)}"
        )
    return (trace.samples[number - 1],)
