"""`chatcli train`: a checkpoint from text, in three steps or by a recipe, and its scores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.train_eval import evaluate
from chatcli.cli.train_plot import plot

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app", "leads"]

app = command_app()
app.command(cls=SectionedCommand)(plot)

INTERRUPTED = 130


@app.callback()
def _root() -> None:
    """Make a checkpoint from text of your own: tokenizer, pretraining, chat fine-tuning."""


def leads() -> bool:
    """Whether this is the process that speaks, of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


@app.command(cls=SectionedCommand)
@grouped
def run(
    ctx: Context,
    corpus: Annotated[Path, Option(metavar="FOLDER", help="Where the recipe's files are.")],
    run: Annotated[Path, Option(metavar="FOLDER", help="Work here; it can be gone on with.")],
    out: Annotated[
        Path | None, Option(metavar="FOLDER", help="Write the finished checkpoint here.")
    ] = None,
    recipe: Annotated[
        Path | None,
        Option(metavar="FILE", help="A recipe; by default the built-in checkpoint's own."),
    ] = None,
    prepare: Annotated[
        bool, Option("--prepare", help="Only make the tokenizer and the rows, to train later.")
    ] = False,
    resume: Annotated[
        bool, Option("--resume", help="Go on with the run that the folder holds.")
    ] = False,
    device: Annotated[str, Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
) -> int:
    """Run a recipe from corpus to checkpoint; stopped at any moment, it can go on."""
    from chatcli.errors import UsageError
    from chatcli.train.devices import open_accelerator
    from chatcli.train.export import check_out, export
    from chatcli.train.loop import Stopped
    from chatcli.train.memory import keep_freed_memory
    from chatcli.train.recipe import BUILTIN_RECIPE, load_recipe
    from chatcli.train.run import open_run
    from chatcli.ui.training import TrainingView

    env: Environment = ctx.obj
    if out is None and not prepare:
        raise UsageError("name the folder to write with --out, or only --prepare the run")
    if out is not None:
        check_out(out)
    plan = load_recipe(recipe or BUILTIN_RECIPE)
    with TrainingView(env, leads=leads()) as view:
        training = open_run(plan, corpus, run, view.watcher, resume=resume)
        if prepare or out is None:
            training.prepare()
            return 0
        keep_freed_memory()
        try:
            model = training.train(open_accelerator(device))
        except Stopped:
            env.say(f"stopped and saved; the same command with --resume goes on from {run}")
            return INTERRUPTED
    if leads():
        export(model, plan, run, out)
        env.say(f"wrote {out}; talk to it: chatcli chat -m {out}")
    return 0


app.command("eval", cls=SectionedCommand)(grouped(evaluate))
