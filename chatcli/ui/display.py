"""One reply on the screen: streamed text, live panel, the line of figures, the token table.

    frames = Frames(env, DisplayOptions(top=10))
    chunks = stream(model, ids, chain, max_tokens=128, top=frames, cancelled=interrupt.cancelled)
    reply = show_reply(env, chunks, model=model, chain=chain, frames=frames, interrupt=interrupt)

Only generated text (and `prefix`) goes to stdout where that is no terminal; the rest goes to
stderr. Drawing is in `live`, what is drawn in `panel`, `figures` and `token_table`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcli.engine.types import Chunk, Finish, Step, Usage
from chatcli.text.visible import token_label, visible
from chatcli.ui.environment import Environment
from chatcli.ui.figures import figures
from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.keys import Keys
from chatcli.ui.live import LiveText
from chatcli.ui.pace import Pace
from chatcli.ui.panel import PanelView
from chatcli.ui.suspension import Suspension
from chatcli.ui.theme import Paint, prob_style
from chatcli.ui.token_table import token_table

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.sampling.chain import SamplerChain

__all__ = ["DisplayOptions", "Frames", "Reply", "show_reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that was shown: its text, its steps (their `draw.probs` dropped), and its end."""

    text: str
    steps: tuple[Step, ...]
    finish: Finish | None
    usage: Usage


def show_reply(
    env: Environment,
    chunks: Iterable[Chunk],
    *,
    model: LanguageModel,
    chain: SamplerChain,
    frames: Frames,
    interrupt: Interrupt,
    prefix: str = "",
) -> Reply:
    """Show `chunks` as they come, after `prefix`; return the whole.

    `frames` must be the `top` of whatever makes the chunks. The cursor must be in column 0
    of a terminal; it is there again afterwards. Raises what `chunks` raises, once what came
    before it is on the screen, and as `Environment.write` does.
    """
    if frames.live:
        panel = _panel_view(env, model, chain, frames)
        reply = _follow_live(env, panel, chunks, frames, interrupt, prefix)
    else:
        view = _PlainView(env, Pace(frames, Keys(None), interrupt))
        reply = _follow(view, chunks, prefix)
    _show_afterwards(env, reply, model, chain, frames)
    return reply


def _follow_live(
    env: Environment,
    panel: PanelView,
    chunks: Iterable[Chunk],
    frames: Frames,
    interrupt: Interrupt,
    prefix: str,
) -> Reply:
    text = LiveText(env, panel.paint)
    with Keys(env.keyboard) as keys, Suspension(text.close, keys.release) as suspension:
        view = _LiveView(env, text, panel, frames, Pace(frames, keys, interrupt), suspension)
        return _follow(view, suspension.around(chunks), prefix)


def _follow(view: _LiveView | _PlainView, chunks: Iterable[Chunk], prefix: str) -> Reply:
    texts: list[str] = []
    steps: list[Step] = []
    last = Chunk("")
    try:
        view.begin(prefix)
        for last in chunks:
            texts.append(last.text)
            steps += map(_without_probs, last.steps)
            view.add(last)
    finally:
        view.close()
    return Reply("".join(texts), tuple(steps), last.finish, last.usage)


class _LiveView:
    """Tinted text with the panel below it."""

    def __init__(
        self,
        env: Environment,
        text: LiveText,
        panel: PanelView,
        frames: Frames,
        pace: Pace,
        suspension: Suspension,
    ) -> None:
        self._env = env
        self._text = text
        self._panel = panel
        self._frames = frames
        self._pace = pace
        self._suspension = suspension
        self._drawn = self._state()
        self._least = 1.0  # the improbable token makes a text improbable that several made

    def begin(self, prefix: str) -> None:
        self._text.add(prefix)
        self._text.draw(self._panel.waiting(self._env.columns(), self._env.rows()))

    def add(self, chunk: Chunk) -> None:
        self._least = min((self._least, *(step.raw_prob for step in chunk.steps)))
        if chunk.text:
            self._text.add(chunk.text, prob_style(self._least))
            self._least = 1.0
        self._pace.listen()
        if chunk.steps and self._frames.due and chunk.finish is None:
            self._draw(chunk)
            self._pace.wait(functools.partial(self._meanwhile, chunk))

    def close(self) -> None:
        self._text.close()

    def _draw(self, chunk: Chunk) -> None:
        self._drawn = self._state()
        columns, rows, paused = self._drawn
        self._text.draw(
            self._panel.render(chunk.steps[-1], chunk.usage, columns, rows, paused=paused)
        )

    def _meanwhile(self, chunk: Chunk) -> None:
        """While a token is looked at: draw it anew after a stop or a resize, or when paused."""
        self._suspension.obey()
        if self._state() != self._drawn or not self._text.panel_is_up:
            self._draw(chunk)

    def _state(self) -> tuple[int, int, bool]:
        return self._env.columns(), self._env.rows(), self._pace.paused


class _PlainView:
    """The text alone: exact into a pipe, inert on a terminal."""

    def __init__(self, env: Environment, pace: Pace) -> None:
        self._env = env
        self._pace = pace
        self._at_line_start = True

    def begin(self, prefix: str) -> None:
        self._write(prefix)

    def add(self, chunk: Chunk) -> None:
        self._write(chunk.text)
        if chunk.steps and chunk.finish is None:
            self._pace.wait(lambda: None)

    def close(self) -> None:
        if not self._at_line_start and self._env.stdout_is_terminal:
            self._env.write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._env.write(visible(text) if self._env.stdout_is_terminal else text)
            self._at_line_start = text.endswith("\n")


def _panel_view(
    env: Environment, model: LanguageModel, chain: SamplerChain, frames: Frames
) -> PanelView:
    return PanelView(
        chain=chain.describe(),
        seed=None if chain.config.greedy else chain.seed,
        vocab_size=model.checkpoint.vocab_size,
        context=model.checkpoint.context_length,
        top=frames.options.top,
        label=functools.cache(functools.partial(token_label, model.tokenizer)),
        paint=Paint(env),
    )


def _show_afterwards(
    env: Environment, reply: Reply, model: LanguageModel, chain: SamplerChain, frames: Frames
) -> None:
    """The table where it was asked for, then the figures; on stderr where stdout is a pipe."""
    paint = Paint(env)
    lines: list[str] = []
    if frames.options.table and reply.steps:
        label = functools.partial(token_label, model.tokenizer)
        width = env.columns() if env.stdout_is_terminal else None
        heading, *rows = token_table(reply.steps, label, width)
        lines += [paint("heading", heading), *rows]
    sums = figures(reply.steps, reply.finish, reply.usage, model, chain, env.columns())
    lines.append(paint("figures", sums))
    if env.stdout_is_terminal:
        env.write("\n".join(lines) + "\n")
        return
    if reply.text and not reply.text.endswith("\n"):
        env.say("")  # both may end in one place: … | tee, … 2>&1 | tail
    env.say("\n".join(lines))


def _without_probs(step: Step) -> Step:
    """A step that can be kept: the distribution over the vocabulary is not."""
    draw = dataclasses.replace(step.draw, probs=step.draw.probs.new_empty(0))
    return dataclasses.replace(step, draw=draw)
