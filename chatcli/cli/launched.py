"""A training command as a launcher may start it: one process of several, of which one speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typer import Exit

from chatcli.cli import Status

if TYPE_CHECKING:
    from chatcli.train.run import Watcher
    from chatcli.ui.environment import Environment

__all__ = ["leads", "watched"]


def leads() -> bool:
    """Whether this is the process that speaks, of those that a launcher started."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def watched(env: Environment, run: Path | None) -> Iterator[Watcher]:
    """A run in `env`'s view; where a person stops it, say how to go on, and exit.

    What goes wrong in all processes is told by the one that speaks.
    """
    from chatcli.errors import TrainingError
    from chatcli.train.loop import Stopped
    from chatcli.ui.training import TrainingView

    try:
        with TrainingView(env, leads=leads(), run=run) as view:
            try:
                yield view.watcher
            except Stopped:
                view.watcher.say(
                    f"stopped and saved; the same command with --resume goes on from {run}"
                )
            else:
                return
    except TrainingError as error:
        if leads():
            raise
        raise Exit(error.exit_status) from None
    raise Exit(Status.INTERRUPTED)
