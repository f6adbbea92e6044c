"""When the live panel is redrawn, and so when the sampler must report candidates.

One `Frames` is made for each reply and handed to both ends: to the engine as its `top`
(asked once before each draw) and to `show_reply` (which draws when `due` says so). Tokens
between two redraws are drawn without candidates and cost next to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from chatcli.ui.environment import Environment
from chatcli.ui.thinking import Thinking

__all__ = ["DisplayOptions", "Frames"]

# 8 to 15 redraws a second: a redraw falls on a token, so the period is rounded up to whole
# tokens, and the shorter aim serves models slow enough for that to matter.
_PERIOD = 0.1
_SLOW_PERIOD = 0.0625
_SLOW_TOKEN = 0.02


@dataclass(frozen=True, slots=True)
class DisplayOptions:
    """How a reply is shown.

    live      what moves the cursor, where the terminal can: the panel, a folded line that
              grows, Markdown in place of what streamed; without it, text and lines below it
    probs     probabilities: tint, panel, figures; without it, a calm chat
    top       alternatives shown
    pace      at most so many tokens a second (None = as fast as they come)
    table     one row for every token after the reply
    thinking  thinking parts are dimmed ("show"), or become one line ("fold")
    markdown  a finished reply is rendered as Markdown
    A pipe gets the exact text, whatever they are.
    """

    live: bool = True
    probs: bool = True
    top: int = 10
    pace: float | None = None
    table: bool = False
    thinking: Thinking = "show"
    markdown: bool = False


class Frames:
    """The clock of the panel: callable as the engine's `top`, asked by the display for `due`."""

    def __init__(
        self,
        env: Environment,
        options: DisplayOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.live = options.live and env.cursor
        self.every = options.pace is not None
        self.due = False
        self._clock = clock
        self._asked = self._drawn = float("-inf")

    def __call__(self) -> int:
        """How many candidates the next draw must report: 0 unless someone will look at them."""
        self.due = self.live and (self.every or self._period_is_over())
        looked_at = self.options.table or (self.due and self.options.probs)
        return max(1, self.options.top) if looked_at else 0

    def _period_is_over(self) -> bool:
        now = self._clock()
        period = _PERIOD if now - self._asked < _SLOW_TOKEN else _SLOW_PERIOD
        self._asked = now
        if now - self._drawn < period:
            return False
        self._drawn = now
        return True
