"""`chatcli probs`: the next-token distribution, stage by stage, as a table or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status
from chatcli.cli.exploring import explore_text
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import (
    ModelFlags,
    SamplingFlags,
    load_model,
    sampling_config,
    sampling_given,
)
from chatcli.cli.prompting import (
    PLAIN,
    PromptFileFlags,
    PromptFlags,
    bound_prompt,
    check_prompt_flags,
    prompt_ids,
    read_prompt,
)

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.command(cls=SectionedCommand)
@grouped
def probs(
    ctx: Context,
    how: PromptFlags,
    file: PromptFileFlags,
    which: ModelFlags,
    sampling: SamplingFlags,
    prompt: Annotated[
        str | None,
        Argument(metavar="PROMPT", help="The text that comes before; - reads it from stdin."),
    ] = None,
    top: Annotated[
        int, Option("--top", min=1, metavar="N", help="How many tokens are shown.")
    ] = 10,
    json: Annotated[bool, Option("--json", help="One JSON object.")] = False,
) -> int:
    """Show what the next token after PROMPT may be, and what each sampling stage does to it.

    Without PROMPT, on a terminal, type a text and walk through what may follow it.
    """
    around = bound_prompt(file) or PLAIN
    check_prompt_flags(how, around)
    given = sampling_given(sampling, around.sampling)
    env: Environment = ctx.obj
    if prompt is None:
        return explore_text(env, how, file, which, given, json=json)
    text = read_prompt(prompt, env)
    model = load_model(which, env.say)
    ids = prompt_ids(model, text, how, env.say, around)

    from chatcli.probe.next_token import next_token
    from chatcli.ui.jsonl import json_line, next_token_object
    from chatcli.ui.probs_table import show_probs

    config = sampling_config(given, model.checkpoint.path)
    found = next_token(model, ids, config, top=top)
    if json:
        name = model.checkpoint.name
        env.write(json_line(next_token_object(name, text, found, model.tokenizer)))
    else:
        show_probs(env, text, found, model.tokenizer)
    return Status.DONE
