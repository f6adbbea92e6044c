"""The line below the prompt: model, sampling chain, context, speed, and what is amiss.

Where the screen is narrow, facts give way from the least needed on: first the speed, then
the prompt file, the chain, the branch, the names of conversation and model. What is
amiss stays, and comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from chatcli.text.visible import visible
from chatcli.ui.figures import context_use, count
from chatcli.ui.folding import SEPARATOR
from chatcli.ui.panel import clip

if TYPE_CHECKING:
    from chatcli.chat.window import Window
    from chatcli.ui.repl import Repl

__all__ = ["toolbar"]

_WARNING = "class:warning"


def toolbar(repl: Repl, columns: int) -> list[tuple[str, str]]:
    """(style, text) pairs that fill at most `columns` cells; asked at every key."""
    window = repl.window()
    warnings = [visible(each, keep_newlines=False) for each in _warnings(repl, window)]
    facts = [visible(each, keep_newlines=False) for each in _facts(repl, window)]
    while len(facts) > 1 and cell_len(SEPARATOR.join([*warnings, *facts])) > columns:
        facts.pop()
    pairs = [(_WARNING, SEPARATOR.join(warnings))] if warnings else []
    room = columns - sum(cell_len(text) for _, text in pairs)
    rest = (SEPARATOR if warnings else "") + SEPARATOR.join(facts)
    return [*pairs, ("", clip(rest, room))] if room > 0 else pairs


def _facts(repl: Repl, window: Window) -> list[str]:
    """The most needed first."""
    talk = repl.talk
    facts = [f"context {context_use(window.used, window.total)}", talk.model.checkpoint.name]
    if talk.session.name is not None:
        facts.append(talk.session.name)
    if talk.session.branch != "main":
        facts.append(f"on {talk.session.branch}")
    facts.append(talk.chain.describe())
    if talk.settings.prompt is not None:
        facts.append(f"prompt {talk.settings.prompt}")
    if repl.reply is not None and repl.reply.usage.tokens_per_second:
        facts.append(f"{repl.reply.usage.tokens_per_second:,.0f} tok/s")
    return facts


def _warnings(repl: Repl, window: Window) -> list[str]:
    warnings = []
    if repl.keeper is not None and repl.keeper.problem is not None:
        warnings.append(f"not kept: {repl.keeper.problem}")
    if window.near:
        turns, verb = count(window.next_out, "turn"), "falls" if window.next_out == 1 else "fall"
        falling = f"{turns} {verb} out next"
        warnings.append(falling if window.next_out else "the context is nearly full")
    return warnings
