"""A training run as a person sees it: how far it is, how well it does, and its end.

    with TrainingView(env, leads=leads(), run=folder) as view:
        … Watcher: view.watcher …

Ctrl-C asks the run to stop, Ctrl-Z leaves the terminal in order; neither breaks into what is
being written. What is written is in `training_screen`, the pictures in `loss_plot` and in
`train.plotting`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from chatcli.train.curves import read_curves
from chatcli.train.metrics import Metric, Sample
from chatcli.train.plotting import draw_picture
from chatcli.train.run import Watcher
from chatcli.ui.environment import Environment
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.suspension import Suspension
from chatcli.ui.training_screen import LiveScreen, PlainLog

__all__ = ["TrainingView"]

_PICTURE = "loss.svg"
_STOPPING = "stopping at the end of this step, then saving; Ctrl-C again leaves at once"


class TrainingView:
    """A context in which a run reports to `env`; its `watcher` is what the run calls.

    Live where stdout is a terminal that can, a log on stderr elsewhere. With `run`, the
    folder of the run (or of one that is laid out like one), the loss is plotted on a live
    terminal after each phase, and in RUN/loss.svg when the context ends without an error.
    `leads` is False in all but one of several processes: the others stay silent.
    """

    def __init__(
        self,
        env: Environment,
        *,
        leads: bool = True,
        run: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._env, self._leads, self._folder = env, leads, run
        self._screen = LiveScreen(env, clock) if env.cursor else PlainLog(env, clock)
        self._interrupt = Interrupt(self._tell_stop if leads else None)
        self._suspension = Suspension(self._screen.close)
        self._terminated = signal.getsignal(signal.SIGTERM)
        self._writes = self._stop_told = False
        self._trained = self._unplotted = self._phase_ended = False
        self.watcher = (
            Watcher(self._say, self._report, self._show, self._cancelled)
            if leads
            else Watcher(_ignore, _ignore, _ignore, self._interrupt.cancelled)
        )

    def __enter__(self) -> Self:
        self._interrupt.__enter__()
        if threading.current_thread() is threading.main_thread():
            # What a scheduler sends some time before it kills: save, like Ctrl-C.
            self._terminated = signal.signal(
                signal.SIGTERM, lambda number, frame: self._interrupt.cancel()
            )
        self._suspension.__enter__()
        self._suspension.rest()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._suspension.__exit__(kind, error, traceback)
        self._interrupt.__exit__(kind, error, traceback)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._terminated or signal.SIG_DFL)
        if self._leads:
            self._screen.close()
            if kind is None and self._trained:
                self._conclude()

    def _say(self, line: str) -> None:
        with self._writing() as screen:
            screen.say(line)

    def _report(self, metric: Metric) -> None:
        self._trained = self._unplotted = True
        self._phase_ended = metric.step == metric.steps
        with self._writing() as screen:
            screen.report(metric)

    def _show(self, sample: Sample) -> None:
        with self._writing() as screen:
            screen.show(sample)
            self._plot_phase()

    def _cancelled(self) -> bool:
        """Asked once after each step, which tells how far the run is between two points."""
        with self._writing() as screen:
            self._plot_phase()
            screen.step()
        return self._interrupt.cancelled()

    @contextmanager
    def _writing(self) -> Iterator[LiveScreen | PlainLog]:
        """The screen; Ctrl-C and Ctrl-Z wait until what is being written is whole."""
        self._suspension.hold()
        self._writes = True
        try:
            yield self._screen
        finally:
            self._writes = False
        self._tell_stop()
        self._suspension.rest()

    def _tell_stop(self) -> None:
        """Say once that Ctrl-C was heard; called from the signal handler too."""
        if self._interrupt.cancelled() and not self._writes and not self._stop_told:
            self._stop_told = True
            self._say(_STOPPING)

    def _plot_phase(self) -> None:
        """The plot of a phase that has ended: not before its last checkpoint is written."""
        if self._phase_ended and self._folder is not None:
            self._phase_ended = self._unplotted = False
            self._screen.plot(read_curves(self._folder))

    def _conclude(self) -> None:
        """The plot of a phase that was stopped, and the picture of the whole run."""
        if self._folder is None:
            return
        try:
            curves = read_curves(self._folder)
            if self._unplotted:
                self._screen.plot(curves)
            picture = self._folder / _PICTURE
            draw_picture(curves, picture)
            self._env.say(f"drew the loss: {picture}")
        except Exception as error:  # whatever matplotlib meets, the training went well
            self._env.say(f"no loss plot: {error}")


def _ignore(_: object) -> None:
    """What the silent processes do with a report."""
