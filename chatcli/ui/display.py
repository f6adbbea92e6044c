"""One reply on the screen: streamed text, live panel, the line of figures, the token table.

    frames = Frames(env, DisplayOptions(top=10))
    chunks = stream(model, ids, chain, max_tokens=128, top=frames, cancelled=interrupt.cancelled)
    reply = show_reply(env, chunks, model=model, chain=chain, frames=frames, interrupt=interrupt)

Only generated text (and `prefix`) goes to stdout where that is no terminal; the rest goes to
stderr. Drawing is in `live`, what is drawn in `panel`, `figures` and `token_table`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from chatcli.engine.types import Chunk, Finish, Step, Usage
from chatcli.model.types import LanguageModel
from chatcli.sampling.chain import SamplerChain
from chatcli.text.visible import visible
from chatcli.ui.environment import Environment
from chatcli.ui.figures import figures
from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt

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
    chunks: Iterator[Chunk],
    *,
    model: LanguageModel,
    chain: SamplerChain,
    frames: Frames,
    interrupt: Interrupt,
    prefix: str = "",
) -> Reply:
    """Show `chunks` as they come, after `prefix`; return the whole.

    Raises what `chunks` raises, after what came before it is on the screen.
    """
    texts: list[str] = []
    steps: list[Step] = []
    last = Chunk("")
    _write_plain(env, prefix)
    for last in chunks:
        texts.append(last.text)
        steps += [_without_probs(step) for step in last.steps]
        _write_plain(env, last.text)
    reply = Reply("".join(texts), tuple(steps), last.finish, last.usage)
    return reply


def _write_plain(env: Environment, text: str) -> None:
    if text:
        env.write(visible(text) if env.stdout_is_terminal else text)


def _without_probs(step: Step) -> Step:
    """A step that can be kept: the distribution over the vocabulary is not."""
    draw = dataclasses.replace(step.draw, probs=step.draw.probs.new_empty(0))
    return dataclasses.replace(step, draw=draw)
