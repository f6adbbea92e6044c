"""`chatcli train`: a checkpoint from text, by a recipe, and the questions it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.options import ModelFlags, load_model

if TYPE_CHECKING:
    from chatcli.train.loop import Metric
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.callback()
def _root() -> None:
    """Make a checkpoint from text of your own: tokenizer, pretraining, chat fine-tuning."""


@app.command(cls=SectionedCommand)
@grouped
def run(
    ctx: Context,
    corpus: Annotated[Path, Option(metavar="FOLDER", help="Where the recipe's files are.")],
    run: Annotated[
        Path, Option(metavar="FOLDER", help="Work here; start again with the same to go on.")
    ],
    out: Annotated[Path, Option(metavar="FOLDER", help="Write the finished checkpoint here.")],
    recipe: Annotated[
        Path | None,
        Option(metavar="FILE", help="A recipe; by default the built-in checkpoint's own."),
    ] = None,
    device: Annotated[str, Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
) -> int:
    """Run a recipe from corpus to checkpoint; stopped at any moment, it can go on."""
    from chatcli.model.device import pick_device
    from chatcli.train.export import check_out, export
    from chatcli.train.memory import keep_freed_memory
    from chatcli.train.recipe import BUILTIN_RECIPE
    from chatcli.train.run import open_run

    env: Environment = ctx.obj

    def report(metric: Metric) -> None:
        env.say(_progress(metric))

    check_out(out)
    keep_freed_memory()
    training = open_run(recipe or BUILTIN_RECIPE, corpus, run, say=env.say, report=report)
    try:
        model = training.train(pick_device(device))
    except KeyboardInterrupt:
        env.say(f"stopped; the same command goes on from the last checkpoint in {run}")
        raise
    export(model, training.recipe, run, out)
    env.say(f"wrote {out}; talk to it: chatcli chat -m {out}")
    return 0


@app.command("eval", cls=SectionedCommand)
@grouped
def evaluate(
    ctx: Context,
    which: ModelFlags,
    questions: Annotated[
        Path, Option(metavar="FOLDER", help="Holds facts.jsonl, smalltalk.jsonl, lm_zh.txt …")
    ],
) -> int:
    """Ask a model what the built-in one is asked, greedily, and print the scores."""
    from chatcli.train.evaluate import evaluate as scores

    env: Environment = ctx.obj
    for score in scores(load_model(which, env.say), questions):
        if score.unit == "share":
            low, high = score.interval()
            value = f"{score.value:6.1%}  ({low:.1%} to {high:.1%}, {score.count} items)"
        else:
            value = f"{score.value:6.3f}  ({score.count:,} characters)"
        env.write(f"{score.name:28} {value}\n")
    return 0


def _progress(metric: Metric) -> str:
    left = (metric.steps - metric.step) * metric.seconds / max(metric.step, 1)
    validation = metric.validation_loss
    shown = "" if validation is None else f"validation {validation:.3f}  "
    return (
        f"{metric.phase} {metric.step}/{metric.steps}  loss {metric.loss:.3f}  {shown}"
        f"{metric.tokens_per_second:,.0f} tok/s  {left / 60:.0f} min left"
    )
