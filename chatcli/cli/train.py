"""`chatcli train`: a checkpoint from text, in three steps or by a recipe, and its scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Context, Option

from chatcli.cli import Status
from chatcli.cli.groups import SectionedCommand, command_app, grouped
from chatcli.cli.launched import leads, watched
from chatcli.cli.train_eval import evaluate
from chatcli.cli.train_plot import plot
from chatcli.cli.train_steps import pretrain, sft, tokenizer

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["app"]

app = command_app()


@app.callback()
def _root() -> None:
    """Make a checkpoint from text of your own: tokenizer, pretraining, chat fine-tuning."""


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
    device: Annotated[str, Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
) -> int:
    """Run a recipe from corpus to checkpoint; stopped at any moment, it can go on."""
    from chatcli.errors import UsageError
    from chatcli.train.devices import first_alone, open_accelerator
    from chatcli.train.export import check_out, export
    from chatcli.train.memory import keep_freed_memory
    from chatcli.train.provenance import read_licences
    from chatcli.train.recipe import BUILTIN_RECIPE, load_recipe
    from chatcli.train.run import look_for_run, open_run

    if out is None and not prepare:
        raise UsageError("name the folder to write with --out, or only --prepare the run")
    env: Environment = ctx.obj
    with watched(env, run) as watcher:
        if out is not None:
            check_out(out)
        recipe = recipe or BUILTIN_RECIPE
        look_for_run(run, watcher, resume=resume)
        plan, licences = load_recipe(recipe), read_licences(recipe.parent)
        if prepare or out is None:
            open_run(plan, corpus, run, watcher).prepare()
            return Status.DONE
        keep_freed_memory()
        accelerator = open_accelerator(device)
        training = open_run(plan, corpus, run, watcher, accelerator=accelerator)
        model = training.train(accelerator)
        first_alone(accelerator, lambda: export(model, plan, run, out, licences))
    if leads():
        env.say(f"wrote {out}; talk to it: chatcli chat -m {out}")
    return Status.DONE


for step in (tokenizer, pretrain, sft):
    app.command(cls=SectionedCommand)(grouped(step))
app.command(cls=SectionedCommand)(grouped(run))
app.command("eval", cls=SectionedCommand)(grouped(evaluate))
app.command(cls=SectionedCommand)(plot)
