"""One reply on the screen: streamed text, live panel, the line of figures, the token table.

    frames = Frames(env, DisplayOptions(top=10))
    chunks = stream(model, ids, chain, max_tokens=128, top=frames, cancelled=interrupt.cancelled)
    reply = show_reply(env, chunks, model=model, chain=chain, frames=frames, interrupt=interrupt)

Only generated text (and `prefix`) goes to stdout where that is no terminal; the rest goes to
stderr. How the text is shown is in `reply_views`, drawing in `live`, what is drawn in `panel`,
`figures` and `token_table`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatcli.engine.types import Chunk, Finish, Step, Usage
from chatcli.text.visible import token_label
from chatcli.ui.environment import Environment
from chatcli.ui.figures import figures, mark
from chatcli.ui.frames import DisplayOptions, Frames
from chatcli.ui.interrupt import Interrupt
from chatcli.ui.keys import Keys
from chatcli.ui.live import LiveText
from chatcli.ui.pace import Pace
from chatcli.ui.panel import CalmView, PanelView, clip
from chatcli.ui.reply_views import LiveView, PipeView, PlainView, ReplyView
from chatcli.ui.suspension import Suspension
from chatcli.ui.theme import Paint
from chatcli.ui.thinking import Thoughts
from chatcli.ui.token_table import token_table

if TYPE_CHECKING:
    from chatcli.model.types import LanguageModel
    from chatcli.sampling.chain import SamplerChain

__all__ = ["DisplayOptions", "Frames", "Reply", "show_reply"]

_Around = Callable[[Iterable[Chunk]], Iterator[Chunk]]


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
    said: str = "",
    opened: str = "",
    hint: str = "",
    typed: Callable[[str], None] | None = None,
    begun: bool = False,
) -> Reply:
    """Show `chunks` as they come, after `prefix`; return the whole.

    `frames` must be the `top` of whatever makes the chunks. `said` is as much of the reply as
    is on the screen already, for one that goes on; `opened` the tag that the template wrote
    at its start (`thinking.opening_of`); `hint` what to tell of a reply that was cut, such as
    "/continue goes on": without it, a limit that was reached is no cut. `typed` gets what a person
    types meanwhile that is no key of `pace`; without it, such keys are lost, or the shell's.
    Where a line is `begun` by what was typed before, all keys are typing.

    The cursor must be in column 0 of a terminal; it is there again afterwards. `chunks` are
    closed, however it ends. Raises what they raise, once what came before is on the screen,
    and as `Environment.write` does.
    """
    thoughts = Thoughts(model.tokenizer, frames.options.thinking, opened + said)

    def told(finish: Finish | None, tokens: int) -> None:
        _show_mark(env, finish, tokens, hint if tokens or said else "")

    with _showing(env, model, chain, frames, interrupt, thoughts, typed, begun) as shown:
        view, around = shown
        reply = _follow(view, around, chunks, prefix, told, goes_on=bool(said))
    if frames.options.markdown and not said:
        view.render()
    told(reply.finish, reply.usage.new_tokens)
    _show_afterwards(env, reply, model, chain, frames)
    return reply


@contextlib.contextmanager
def _showing(
    env: Environment,
    model: LanguageModel,
    chain: SamplerChain,
    frames: Frames,
    interrupt: Interrupt,
    thoughts: Thoughts,
    typed: Callable[[str], None] | None,
    begun: bool,
) -> Iterator[tuple[ReplyView, _Around]]:
    """The view for this terminal, or for none; and what goes around the chunks."""
    if not frames.live:
        # Where keys are kept for later they mustn't be echoed into the text.
        quiet = env.keyboard if typed is not None and env.cursor else None
        with Keys(quiet) as keys, Suspension(keys.release) as suspension:
            pace = Pace(frames, keys, interrupt, typed)
            plain = env.stdout_is_terminal
            view = PlainView(env, pace, thoughts) if plain else PipeView(env, pace)
            yield view, suspension.around
        return
    text = LiveText(env, Paint(env))
    panel = _panel_view(env, model, chain, frames)
    with Keys(env.keyboard) as keys, Suspension(text.leave, keys.release) as suspension:
        pace = Pace(frames, keys, interrupt, typed, begun=begun)
        yield LiveView(env, text, panel, frames, pace, suspension, thoughts), suspension.around


def _follow(
    view: ReplyView,
    around: _Around,
    chunks: Iterable[Chunk],
    prefix: str,
    told: Callable[[Finish, int], None],
    *,
    goes_on: bool,
) -> Reply:
    """Show what comes. A second Ctrl-C ends it at once; `told` then marks what is there."""
    texts: list[str] = []
    steps: list[Step] = []
    last = Chunk("")
    try:
        with contextlib.ExitStack() as ends:
            ends.callback(view.close)
            if isinstance(chunks, Generator):  # first of all, what was said is kept
                ends.callback(chunks.close)
            view.begin(prefix, goes_on=goes_on)
            for last in around(chunks):
                texts.append(last.text)
                steps += map(_without_probs, last.steps)
                view.add(last)
    except KeyboardInterrupt:
        told("interrupted", len(steps))
        raise
    return Reply("".join(texts), tuple(steps), last.finish, last.usage)


def _panel_view(
    env: Environment, model: LanguageModel, chain: SamplerChain, frames: Frames
) -> PanelView | CalmView:
    if not frames.options.probs:
        return CalmView(Paint(env))
    return PanelView(
        chain=chain.describe(),
        seed=None if chain.config.greedy else chain.seed,
        vocab_size=model.checkpoint.vocab_size,
        context=model.checkpoint.context_length,
        top=frames.options.top,
        label=functools.cache(functools.partial(token_label, model.tokenizer)),
        paint=Paint(env),
    )


def _show_mark(env: Environment, finish: Finish | None, tokens: int, hint: str) -> None:
    """On a terminal, one line that says how a reply was cut, and what to do about it."""
    words = mark(finish, tokens)
    if words is None or not env.stdout_is_terminal or (finish == "length" and not hint):
        return
    helps = hint and finish != "context"
    line = f"— {words}; {hint} —" if helps else f"— {words} —"
    env.write(Paint(env)("mark", clip(line, env.columns() - 1)) + "\n")


def _show_afterwards(
    env: Environment, reply: Reply, model: LanguageModel, chain: SamplerChain, frames: Frames
) -> None:
    """The table and the figures, where they are wanted; on stderr where stdout is a pipe."""
    paint = Paint(env)
    lines: list[str] = []
    if frames.options.table and reply.steps:
        label = functools.partial(token_label, model.tokenizer)
        width = env.columns() if env.stdout_is_terminal else None
        heading, *rows = token_table(reply.steps, label, width)
        lines += [paint("heading", heading), *rows]
    if frames.options.probs:
        sums = figures(reply.steps, reply.finish, reply.usage, model, chain, env.columns())
        lines.append(paint("figures", sums))
    if not lines:
        return
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
