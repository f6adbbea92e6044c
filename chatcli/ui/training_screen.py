"""Where a run's report goes: a live block under lines that stay, or a plain log.

Both take the same calls. What the words and rows are is in `training_panel`; when they are
called, and what Ctrl-C and Ctrl-Z do meanwhile, in `training`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatcli.text.visible import visible
from chatcli.train.curves import Curve
from chatcli.train.metrics import Metric, Sample
from chatcli.ui.environment import Environment
from chatcli.ui.folding import SEPARATOR, fold
from chatcli.ui.live import LiveText
from chatcli.ui.loss_plot import show_loss
from chatcli.ui.theme import Paint
from chatcli.ui.training_panel import Standing, panel_rows, point_facts

__all__ = ["LiveScreen", "PlainLog"]

_PERIOD = 0.25  # seconds between redraws
_LOG_EVERY = 5.0  # seconds between lines of a log, but for validations and ends
_MARK = "│"  # between a prompt and what the model makes of it


class LiveScreen:
    """A terminal: a line for every tenth of a phase scrolls away, the block stays below."""

    def __init__(self, env: Environment, clock: Callable[[], float]) -> None:
        self._env, self._clock, self._paint = env, clock, Paint(env)
        self._text = LiveText(env, self._paint)
        self._drawn, self._row_is_new = float("-inf"), True
        self._standing, self._told = Standing(), 0  # tenths of the phase

    def say(self, line: str) -> None:
        """A remark, above the block for good."""
        self._tell(line)
        self._draw()

    def report(self, metric: Metric) -> None:
        """A point: it changes the block and, as the first of a tenth, is told in a line."""
        self._standing.add(metric, self._clock())
        tenth = 0 if metric.steps is None else 10 * metric.step // max(metric.steps, 1)
        if tenth > self._told:
            self._told = tenth
            facts = point_facts(metric, self._standing.validation)
            self._tell("\n  ".join(fold(facts, self._env.columns() - 2)))
        if metric.step == metric.steps:
            self._standing, self._told = Standing(), 0
        self._draw()

    def show(self, sample: Sample) -> None:
        """A sample, above the block for good."""
        self._tell(visible(sample.prompt, keep_newlines=False) + _MARK, "prompt")
        self._text.add(visible(sample.text.strip(), keep_newlines=False))
        self._draw()

    def step(self) -> None:
        """A step is done: draw anew, but not too often."""
        self._standing.steps_since += 1
        if self._clock() - self._drawn >= _PERIOD:
            self._draw()

    def plot(self, curves: Sequence[Curve]) -> None:
        """The loss plot, for good."""
        self.close()
        self._env.write("\n")
        show_loss(self._env, curves)

    def close(self) -> None:
        """Take the block away; what was told stays, and more may be."""
        self._text.close()
        self._row_is_new = True

    def _tell(self, text: str, style: str = "") -> None:
        """Begin a line. It is ended by the next one: where the cursor rests behind text,
        every terminal knows where it belongs when the window is resized."""
        self._text.add("" if self._row_is_new else "\n")
        self._text.add(text, style)
        self._row_is_new = False

    def _draw(self) -> None:
        self._drawn = self._clock()
        columns, rows = self._env.columns(), self._env.rows()
        idle = self._standing.metric is None and not self._standing.steps_since
        self._text.draw(
            [] if idle else panel_rows(self._standing, self._paint, columns, rows, self._drawn)
        )


class PlainLog:
    """Lines on stderr: few enough to be read later, and nothing but text."""

    def __init__(self, env: Environment, clock: Callable[[], float]) -> None:
        self._env, self._clock = env, clock
        self._said = float("-inf")

    def say(self, line: str) -> None:
        """A remark."""
        self._env.say(line)

    def report(self, metric: Metric) -> None:
        """A point, where it has a validation loss, ends the phase, or none came for a while."""
        now = self._clock()
        due = metric.validation_loss is not None or metric.step == metric.steps
        if due or now - self._said >= _LOG_EVERY:
            self._said = now
            self._env.say(SEPARATOR.join(point_facts(metric, metric.validation_loss)))

    def show(self, sample: Sample) -> None:
        """A sample, in one line."""
        text = visible(sample.prompt + _MARK + sample.text.strip(), keep_newlines=False)
        self._env.say(text)

    def step(self) -> None:
        """Nothing: a log tells points."""

    def plot(self, curves: Sequence[Curve]) -> None:
        """Nothing: a log has no room for pictures."""

    def close(self) -> None:
        """Nothing is left to take away."""
