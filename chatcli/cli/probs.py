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
from chatcli.cli.questions import Question, answer, refuse_questions

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
        int, Option("--top", min=1, metavar="N", help="How many tokens or characters are shown.")
    ] = 10,
    characters: Annotated[
        bool,
        Option("--characters", help="The next character instead of the next token."),
    ] = False,
    after_chain: Annotated[
        bool,
        Option(
            "--after-chain",
            help="With --characters: after the sampling chain, not the model's own.",
        ),
    ] = False,
    explain: Annotated[
        bool,
        Option("--explain", help="Why the seed draws its token, and what would draw another."),
    ] = False,
    watch: Annotated[
        list[str] | None,
        Option(metavar="TEXT", help="How probable TEXT is here, too; may be given again."),
    ] = None,
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
        refuse_questions(ctx)
        return explore_text(env, how, file, which, given, json=json)
    question = Question(characters, after_chain, explain, tuple(watch or ()), top)
    question.check()
    text = read_prompt(prompt, env)
    model = load_model(which, env.say)
    ids = prompt_ids(model, text, how, env.say, around)
    config = sampling_config(given, model.checkpoint.path)
    answer(env, model, text, ids, config, question, json=json)
    return Status.DONE
