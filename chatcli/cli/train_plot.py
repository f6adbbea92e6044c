"""`chatcli train plot`: the loss curves of a run, on the terminal and in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from chatcli.cli import Status

if TYPE_CHECKING:
    from chatcli.ui.environment import Environment

__all__ = ["plot"]


def plot(
    ctx: Context,
    run: Annotated[
        Path, Argument(metavar="RUN", help="A run folder, or a checkpoint with metrics.jsonl.")
    ],
    out: Annotated[
        Path | None, Option(metavar="FILE", help="Draw into this .svg or .png too.")
    ] = None,
    force: Annotated[bool, Option("--force", help="Draw over a file that exists.")] = False,
) -> int:
    """Draw the training and validation loss of a run."""
    from chatcli.train.curves import read_curves
    from chatcli.train.plotting import check_picture, draw_picture
    from chatcli.ui.loss_plot import show_loss

    env: Environment = ctx.obj
    if out is not None:
        check_picture(out, force=force)
    curves = read_curves(run)
    if out is not None:  # before the terminal, whose reader may be gone
        draw_picture(curves, out)
        env.say(f"wrote {out}")
    show_loss(env, curves)
    return Status.DONE
