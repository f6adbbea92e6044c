"""Where a phase of training stands: as facts for a line, and as the block that is drawn anew.

Pure: points and a size in, text out. Rows are narrower than the window, facts that don't fit
beside the bar fold onto rows of their own, and the least telling ones are left out first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from chatcli.text.visible import visible
from chatcli.train.metrics import Metric
from chatcli.ui.folding import SEPARATOR, fold
from chatcli.ui.panel import clip
from chatcli.ui.theme import Paint

__all__ = ["Standing", "duration", "panel_rows", "point_facts"]

_TALLEST = 6  # rows of the block
_SHORTEST_BAR, _WIDEST = 10, 100
_COMPARED = 10  # points, with as many before them: the trend
_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Standing:
    """What is known of the phase in hand: its points since it was started, steps since the last.

    `now` is a clock in seconds, here and everywhere below.
    """

    metric: Metric | None = None
    validation: float | None = None
    losses: list[float] = field(default_factory=list)
    steps_since: int = 0
    _at: float = 0.0

    def add(self, metric: Metric, now: float) -> None:
        """Take a point."""
        if metric.validation_loss is not None:
            self.validation = metric.validation_loss
        self.losses.append(metric.loss)
        self.metric, self.steps_since, self._at = metric, 0, now

    def step(self) -> int:
        """The steps of the phase that are done, those after the last point counted too."""
        if self.metric is None:
            return self.steps_since
        return min(self.metric.step + self.steps_since, self.metric.steps or 1 << 62)

    def seconds_left(self, now: float) -> float | None:
        """Until the end of the phase; None while that can't be known."""
        left = None if self.metric is None else _seconds_left(self.metric)
        return None if left is None else max(0.0, left - (now - self._at))

    def trend(self) -> float | None:
        """How the loss changed from the points before to the newest; None with one point."""
        count = min(_COMPARED, len(self.losses) // 2)
        if count == 0:
            return None
        return (sum(self.losses[-count:]) - sum(self.losses[-2 * count : -count])) / count


def point_facts(metric: Metric, validation: float | None) -> list[str]:
    """A point in words, with the last validation loss that is to be told."""
    name = visible(metric.phase, keep_newlines=False)
    share = "" if metric.steps is None else f" {_percent(metric.step, metric.steps)} %"
    return [
        f"{name}{share}",
        f"step {metric.step:,}",
        *_losses(metric.loss, None, validation),
        f"{metric.tokens_per_second:,.0f} tok/s",
        f"in {duration(metric.seconds)}" if metric.step == metric.steps else _left(metric),
    ]


def panel_rows(standing: Standing, paint: Paint, columns: int, rows: int, now: float) -> list[str]:
    """The block, in at most half of the `rows` of a window."""
    room, width = min(_TALLEST, rows // 2), min(columns - 1, _WIDEST)
    metric = standing.metric
    if room < 1:
        return []
    if metric is None:
        return [clip(f"{standing.step():,} steps · figures follow", width)]
    head, others = _head(metric, standing, paint, width, now)
    facts = [
        *_losses(metric.loss, standing.trend(), standing.validation),
        *others,
        f"{metric.tokens_per_second:,.0f} tok/s",
        f"rate {metric.learning_rate:.3g}",
    ]
    lines = [head, *(clip(line, width) for line in fold(facts, width + 1))]
    spark = paint("curve.training", _sparkline(standing.losses, width))
    return [*lines[: room - 1], spark] if room > 2 and spark else lines[:room]


def duration(seconds: float) -> str:
    """ "45 s", "12 min", "3 h 05 min"."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def _head(
    metric: Metric, standing: Standing, paint: Paint, width: int, now: float
) -> tuple[str, list[str]]:
    """The row with the bar, and the facts for which it has no place."""
    name, step = visible(metric.phase, keep_newlines=False), standing.step()
    name = clip(name, max(4, width // 3))
    if metric.steps is None:
        return clip(f"{name} step {step:,}", width), ["measuring the speed"]
    left = standing.seconds_left(now)
    shown = f"{_percent(step, metric.steps)} %"
    others = [f"{step:,}/{metric.steps:,}"]
    others += [] if left is None else [f"{duration(left)} left"]
    space = width - cell_len(name) - 2 - _SHORTEST_BAR
    while others and cell_len(shown + SEPARATOR + others[0]) <= space:
        shown += SEPARATOR + others.pop(0)
    length = width - cell_len(name) - cell_len(shown) - 2
    if length < 2:
        return clip(f"{name} {shown}", width), others
    bar = _bar(step / metric.steps, length, paint)
    return f"{paint('heading', name)} {bar} {shown}", others[::-1]  # the time matters more


def _losses(loss: float, trend: float | None, validation: float | None) -> list[str]:
    facts = [f"loss {loss:.3f}"]
    if trend is not None:
        arrow = "→" if abs(trend) < 5e-4 else "↓" if trend < 0 else "↑"
        facts = [f"loss {loss:.3f} {arrow} {abs(trend):.3f}"]
    return facts if validation is None else [*facts, f"validation {validation:.3f}"]


def _left(metric: Metric) -> str:
    left = _seconds_left(metric)
    return "measuring the speed" if left is None else f"{duration(left)} left"


def _seconds_left(metric: Metric) -> float | None:
    """What is left, at the speed since the last start: that before may have been another."""
    if metric.steps is None or metric.tokens_per_second <= 0:
        return None
    tokens = (metric.steps - metric.step) * metric.tokens / max(metric.step, 1)
    return tokens / metric.tokens_per_second


def _percent(step: int, steps: int) -> int:
    """Rounded down: 100 is the end."""
    return 100 * step // max(steps, 1)


def _bar(share: float, width: int, paint: Paint) -> str:
    """A line in halves of a cell, told from the rest by its weight as well."""
    full, half = divmod(int(min(share, 1.0) * width * 2), 2)
    done = "━" * full + "╸" * half
    return paint("progress", done) + paint("border", "─" * (width - len(done)))


def _sparkline(losses: Sequence[float], width: int) -> str:
    """The newest losses, each a bar between the least and the greatest that is shown."""
    shown = losses[-width:]
    low, high = min(shown), max(shown)
    if len(shown) < 2 or high <= low:
        return ""
    scale = (len(_BLOCKS) - 1) / (high - low)
    return "".join(_BLOCKS[round((loss - low) * scale)] for loss in shown)
