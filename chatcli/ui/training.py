"""A training run as a person sees it: points of the loss, samples, speed and time left."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from chatcli.train.metrics import Metric, Sample
from chatcli.train.run import Watcher
from chatcli.ui.environment import Environment
from chatcli.ui.interrupt import Interrupt

__all__ = ["TrainingView"]


class TrainingView:
    """A context in which a run reports to `env`; its `watcher` is what the run calls."""

    def __init__(self, env: Environment, *, leads: bool = True) -> None:
        """`leads` is False in all but one of several processes: the others stay silent."""
        self._env, self._leads = env, leads
        self._interrupt = Interrupt()
        self.watcher = Watcher(self._say, self._report, self._show, self._interrupt.cancelled)

    def __enter__(self) -> Self:
        self._interrupt.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._interrupt.__exit__(kind, error, traceback)

    def _say(self, line: str) -> None:
        if self._leads:
            self._env.say(line)

    def _report(self, metric: Metric) -> None:
        self._say(progress(metric))

    def _show(self, sample: Sample) -> None:
        self._say(f"  {sample.prompt}│{sample.text.strip()}")


def progress(metric: Metric) -> str:
    """One point of the loss curve in words."""
    validation = metric.validation_loss
    shown = "" if validation is None else f"validation {validation:.3f}  "
    steps = "?" if metric.steps is None else f"{metric.steps:,}"
    return (
        f"{metric.phase} {metric.step:,}/{steps}  loss {metric.loss:.3f}  {shown}"
        f"{metric.tokens_per_second:,.0f} tok/s  {_left(metric)}"
    )


def _left(metric: Metric) -> str:
    if metric.steps is None:
        return "measuring the speed"
    seconds = (metric.steps - metric.step) * metric.seconds / max(metric.step, 1)
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
