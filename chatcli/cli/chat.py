"""`chatcli chat`: a conversation over many turns, live on a terminal, a line a turn in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import (
    DisplayFlags,
    ModelFlags,
    SamplingFlags,
    display_options,
    load_model,
    sampling_config,
    sampling_given,
)
from chatcli.ui.folding import fold

if TYPE_CHECKING:
    from chatcli.chat.conversation import Conversation
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def chat(
    ctx: Context,
    which: ModelFlags,
    sampling: SamplingFlags,
    display: DisplayFlags,
    system: Annotated[str | None, Option(metavar="TEXT", help="The system prompt.")] = None,
    prefill: Annotated[str, Option(metavar="TEXT", help="How every reply starts.")] = "",
    max_tokens: Annotated[
        int, Option("-n", "--max-tokens", min=1, metavar="N", help="End a reply after N tokens.")
    ] = 512,
    stop: Annotated[
        list[str] | None,
        Option(metavar="TEXT", help="End a reply before TEXT; may be given again."),
    ] = None,
) -> int:
    """Talk with a model over many turns, and see the probability of every token.

    Without a terminal, every line of stdin is a turn, and only replies are written to stdout.

    A line that is a command, such as /reset, is obeyed there too; /help lists the commands.
    """
    given = sampling_given(sampling)
    options = display_options(display)
    env: Environment = ctx.obj
    model = load_model(which, env.say)

    from chatcli.chat.conversation import Conversation
    from chatcli.ui.repl import ReplyOptions, run_repl

    config = sampling_config(given, model.checkpoint.path)
    talk = Conversation(model, config, system=system)
    _greet(env, talk)
    settings = ReplyOptions(options, max_tokens, tuple(stop or ()), prefill)
    succeeded = run_repl(env, talk, settings)
    # A person saw what went wrong, and went on; a script has only the status.
    return Status.DONE if succeeded or env.interactive else Status.ERROR


def _greet(env: Environment, talk: Conversation) -> None:
    """What a person should know before the first line; a script only what it may trip over."""
    checkpoint = talk.model.checkpoint
    if talk.model.tokenizer.chat_template is None:
        env.say(
            f"{checkpoint.name} has no chat template, so it may be no chat model; "
            "using chatcli's plain one"
        )
    if env.interactive:
        facts = [
            checkpoint.name,
            f"{checkpoint.dtype} on {checkpoint.device}",
            f"context {checkpoint.context_length:,}",
            "/help lists the commands, Ctrl-D leaves",
        ]
        env.say("\n".join(fold(facts, env.columns())))
