"""Where the chunks of a reply go: onto a live terminal, onto a plain one, or into a pipe.

A view is told how the reply begins, then each chunk, and is closed however that ends; what
it wrote then stays. What follows a reply is the business of `display`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

from chatcli.engine.types import Chunk
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.frames import Frames
from chatcli.ui.live import LiveText
from chatcli.ui.pace import Pace
from chatcli.ui.panel import CalmView, PanelView
from chatcli.ui.suspension import Suspension
from chatcli.ui.theme import Paint, prob_style
from chatcli.ui.thinking import Part, Thoughts

__all__ = ["LiveView", "PipeView", "PlainView", "ReplyView"]

_LEAD = "…"  # for a reply that goes on
_WIDEST_RULE = 84


class ReplyView(Protocol):
    """What a reply is shown by."""

    def begin(self, prefix: str, *, goes_on: bool) -> None:
        """Show how the reply begins, before its first token is there."""
        ...

    def add(self, chunk: Chunk) -> None:
        """Show a chunk, and wait as long as the pace demands."""
        ...

    def close(self) -> None:
        """Leave the text, and the cursor in column 0 where there is one."""
        ...

    def render(self) -> None:
        """After `close`: show the answer as Markdown."""
        ...


class LiveView:
    """Text with the panel below it; tinted where probabilities are wanted."""

    def __init__(
        self,
        env: Environment,
        text: LiveText,
        panel: PanelView | CalmView,
        frames: Frames,
        pace: Pace,
        suspension: Suspension,
        thoughts: Thoughts,
    ) -> None:
        self._env = env
        self._text = text
        self._panel = panel
        self._frames = frames
        self._pace = pace
        self._suspension = suspension
        self._thoughts = thoughts
        self._tints = frames.options.probs
        self._drawn = self._state()
        self._least = 1.0  # the improbable token makes a text improbable that several made
        self._parts: list[Part] = []

    def begin(self, prefix: str, *, goes_on: bool) -> None:
        if goes_on:
            self._text.add(_LEAD, "mark")
        self._show(self._thoughts.start(prefix), "")
        self._text.draw(self._panel.waiting(self._env.columns(), self._env.rows()))

    def add(self, chunk: Chunk) -> None:
        self._least = min((self._least, *(step.raw_prob for step in chunk.steps)))
        if parts := self._thoughts.add(chunk):
            self._show(parts, prob_style(self._least) if self._tints else "")
            self._least = 1.0
        self._pace.listen()
        if chunk.steps and self._frames.due and chunk.finish is None:
            self._draw(chunk)
            self._pace.wait(functools.partial(self._meanwhile, chunk))

    def close(self) -> None:
        self._show(self._thoughts.finish(), "")
        self._text.close()

    def render(self) -> None:
        thought, answer = _rendered(self._env, self._parts)
        if answer and not self._text.replace([*thought, *answer]):
            _write_below(self._env, answer)

    def _show(self, parts: Sequence[Part], style: str) -> None:
        self._parts += parts
        for part in parts:
            self._text.add(part.text, "thinking" if part.thinking else style)

    def _draw(self, chunk: Chunk) -> None:
        self._drawn = self._state()
        columns, rows, paused = self._drawn
        panel = self._panel.render(chunk.steps[-1], chunk.usage, columns, rows, paused=paused)
        self._text.draw(panel, self._thoughts.aside)

    def _meanwhile(self, chunk: Chunk) -> None:
        """While a token is looked at: draw it anew after a stop or a resize, or when paused."""
        self._suspension.obey()
        if self._state() != self._drawn or not self._text.panel_is_up:
            self._draw(chunk)

    def _state(self) -> tuple[int, int, bool]:
        return self._env.columns(), self._env.rows(), self._pace.paused


class PlainView:
    """Inert text on a terminal, and nothing that moves the cursor."""

    def __init__(self, env: Environment, pace: Pace, thoughts: Thoughts) -> None:
        self._env = env
        self._paint = Paint(env)
        self._pace = pace
        self._thoughts = thoughts
        self._at_line_start = True
        self._parts: list[Part] = []

    def begin(self, prefix: str, *, goes_on: bool) -> None:
        if goes_on:
            self._write(self._paint("mark", _LEAD), _LEAD)
        self._show(self._thoughts.start(prefix))

    def add(self, chunk: Chunk) -> None:
        self._show(self._thoughts.add(chunk))
        self._pace.listen()
        if chunk.steps and chunk.finish is None:
            self._pace.wait(lambda: None)

    def close(self) -> None:
        self._show(self._thoughts.finish())
        if not self._at_line_start:
            self._write("\n", "\n")

    def render(self) -> None:
        if self._env.cursor:
            _write_below(self._env, _rendered(self._env, self._parts)[1])

    def _show(self, parts: Sequence[Part]) -> None:
        self._parts += parts
        for part in parts:
            text = visible(part.text)
            self._write(self._paint("thinking", text) if part.thinking else text, part.text)

    def _write(self, text: str, plain: str) -> None:
        self._env.write(text)
        self._at_line_start = plain.endswith("\n")


class PipeView:
    """The exact text and nothing else."""

    def __init__(self, env: Environment, pace: Pace) -> None:
        self._env = env
        self._pace = pace

    def begin(self, prefix: str, *, goes_on: bool) -> None:
        if prefix:
            self._env.write(prefix)

    def add(self, chunk: Chunk) -> None:
        if chunk.text:
            self._env.write(chunk.text)
        if chunk.steps and chunk.finish is None:
            self._pace.wait(lambda: None)

    def close(self) -> None:
        pass

    def render(self) -> None:
        pass


def _rendered(env: Environment, parts: Sequence[Part]) -> tuple[list[str], list[str]]:
    """The rows of the thinking, as they were written, and those of the answer, as Markdown."""
    from chatcli.ui.markdown import markdown_lines

    paint = Paint(env)
    thought = visible("".join(part.text for part in parts if part.thinking)).rstrip("\n")
    answer = "".join(part.text for part in parts if not part.thinking).strip("\n")
    lines = [paint("thinking", line) for line in thought.split("\n")] if thought else []
    return lines, markdown_lines(answer, env) if answer.strip() else []


def _write_below(env: Environment, lines: Sequence[str]) -> None:
    """The answer once more, below a rule: the first time stays as it is."""
    if lines:
        rule = Paint(env)("border", "─" * min(env.columns() - 1, _WIDEST_RULE))
        env.write("".join(f"{line}\n" for line in (rule, *lines)))
